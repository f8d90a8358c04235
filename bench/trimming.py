"""What trimming a vocabulary takes from a model, and what it costs on text that the trimming has not seen.

    python bench/trimming.py --project DIR [--changed 100]

The project has a pretrained student with ``trim_vocabulary`` and has run stage prepare; its training sentences decide what is
kept, its held-out ones (data/monolingual) are measured: how many have other tokens now, and how far their vectors moved.
"""

from __future__ import annotations

import pipeline  # noqa: F401  (first: how waiting threads wait is read when torch and NumPy load)

# isort: split
import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from pipeline.embedding.tokenize import text_chunks
from pipeline.encoders.load import EncoderSettings, ModelEncoder, load_encoder
from pipeline.encoders.trimming import cut_token_vectors, trimmed, vocabulary_use
from stages.inputs.models import resolve_student, student_prefix
from stages.running.command import Project


def parameters(encoder: ModelEncoder) -> float:
    """How many parameters a model has, in millions."""
    return sum(parameter.numel() for parameter in encoder.model.parameters()) / 1e6


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--changed", type=int, default=100, help="changed sentences of each language that are embedded")
    options = parser.parse_args()
    project = Project.open(options.project)
    params, layout = project.params, project.layout
    source = resolve_student(project)
    if source is None:
        raise SystemExit("the project's student is not pretrained")
    settings = EncoderSettings(prefix=student_prefix(project, source), max_length=params.student.max_length)
    before = load_encoder(source, settings, torch.device("cpu"))
    whole, languages = before.tokenizer, params.used_languages
    uses = [vocabulary_use(one, text_chunks(layout.sentences / one, one), whole) for one in languages]
    small = trimmed(whole, uses, source.path)
    model = load_encoder(source, settings, torch.device("cpu")).model
    cut_token_vectors(model, source.path, small)
    after = replace(before, model=model, tokenizer=small)
    print(f"{whole.backend.get_vocab_size():,} tokens, {parameters(before):.1f} M parameters")
    print(f"{small.backend.get_vocab_size():,} tokens, {parameters(after):.1f} M parameters")
    print("| | held-out sentences | with other tokens | tokens more | cosine of these, mean | 5 % quantile | least |")
    print("|---|---|---|---|---|---|---|")
    olds = np.array(
        [whole.backend.token_to_id(small.backend.id_to_token(n)) for n in range(small.backend.get_vocab_size())]
    )
    for language in languages:
        texts = [text for chunk in text_chunks(layout.monolingual / language, language) for text in chunk]
        one, other = whole(texts), small(texts)
        pairs = zip(np.split(one.tokens, one.starts[1:]), np.split(other.tokens, other.starts[1:]), strict=True)
        changed = [row for row, (a, b) in enumerate(pairs) if not np.array_equal(a, olds[b])]
        more = 100 * (len(other.tokens) / len(one.tokens) - 1)
        rows = np.array(changed[: options.changed], dtype=np.int64)
        found = "– | – | –"
        if len(rows):
            cosines = (before.encode_tokens(one.select(rows)) * after.encode_tokens(other.select(rows))).sum(axis=1)
            found = f"{cosines.mean():.4f} | {np.quantile(cosines, 0.05):.4f} | {cosines.min():.4f}"
        share = 100 * len(changed) / max(len(texts), 1)
        print(f"| {language} | {len(texts):,} | {share:.1f} % | {more:.2f} % | {found} |", flush=True)


if __name__ == "__main__":
    main()
