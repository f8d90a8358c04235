"""Unit costs that a plan can be computed from by hand."""

from pipeline.planning.units import UnitCosts

UNITS = UnitCosts(
    cores=2,
    matrix_flops=1e11,
    disk_bytes=1e9,
    prepare_lines=40_000.0,
    teacher_tokenize=20_000.0,
    student_tokenize=40_000.0,
    tokenizer_sentences=50_000.0,
    teacher_encode=200.0,
    student_encode=100_000.0,
    train_pairs=10_000.0,
    search_flops=5e10,
    scan_codes=1e8,
    teacher_tokens=25.0,
    student_tokens=20.0,
    sentence_bytes=100.0,
    teacher_layers=10_000_000,
    student_layers=0,
    student_parameters=9_000_000,
    teacher_dimension=384,
    student_dimension=384,
    encoders="a → static",
)
