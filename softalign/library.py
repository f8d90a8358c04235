"""What `import softalign` offers: encoders, mining, scoring and neighbourhoods of arrays, and training of a project."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.config.labels import Neighborhoods
from pipeline.config.mine import Mine
from pipeline.encoders.described import ModelOptions, open_model
from pipeline.encoders.load import ModelEncoder
from pipeline.mining.mine import MinedPairs
from pipeline.search.vectors import VectorSource

Vectors = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class SoftNeighborhoods:
    """The nearest others of each vector, with the weights that soft labels give them.

    Attributes:
        row: the rows of the neighbours [n, k], nearest first; -1 where there are fewer.
        similarity: their cosines [n, k], -inf where there is none.
        weight: their soft-label weights [n, k]: a softmax over the vector itself and its neighbours (arXiv 2405.16155).
    """

    row: NDArray[np.int64]
    similarity: NDArray[np.float32]
    weight: NDArray[np.float32]


def load_encoder(
    model: str,
    *,
    revision: str | None = None,
    prefix: str | None = None,
    prompt_name: str | None = None,
    max_length: int | None = None,
    dtype: Literal["float32", "bfloat16", "float16"] = "float32",
) -> ModelEncoder:
    """A sentence encoder, read as its own configuration says; ``encoder.encode(texts)`` gives unit vectors [n, d] float32.

    Args:
        model: a folder in sentence-transformers' layout, a hub name, or ``package:NAME`` (docs/models.md).
        revision: the branch, tag or commit of a hub name.
        prefix: what is put before every sentence; None: the prompt that ``prompt_name`` says.
        prompt_name: one of the model's own prompts; None: its default prompt, if it has one.
        max_length: tokens kept of a sentence; None: as many as the model says.
        dtype: the precision of a transformer's weights.

    Raises:
        UserError: if the model can't be found, loaded safely, or reproduced; one line that says why.
    """
    options = ModelOptions(model, revision, prefix=prefix, max_length=max_length, dtype=dtype, prompt_name=prompt_name)
    return open_model(options, Path())


def mine(x: VectorSource, y: VectorSource, **options: Any) -> MinedPairs:
    """Pairs of rows that are most likely translations: margin mining of two arrays, one-to-one, best first.

    No threshold is applied: ``pairs.above(1.05)`` does. Vectors say nothing of texts, so no rule of text holds here;
    `softalign mine` reads files and has them.

    Args:
        x: side a's vectors [n, d], float16 or float32, of any length but 0; may be memory-mapped.
        y: side b's vectors [m, d].
        **options: keys of the section ``mine`` of params.yaml: ``k``, ``score`` (``ratio``, ``distance``, ``cosine``),
            ``retrieval``, ``search``, ``memory_bytes``, …

    Returns:
        ``row_a``, ``row_b``, ``score``, ``cosine`` and the rest of `Candidates`, arrays [p].

    Raises:
        VectorError: if the sides can't be compared, or a vector is zero or not finite.
        ValidationError: if an option is unknown or out of range.

    >>> x = np.eye(4, dtype=np.float32)
    >>> mine(x, x[[2, 0, 1, 3]], k=2).row_b.tolist()
    [1, 2, 0, 3]
    """
    from pipeline.mining.mine import mine as mine_vectors

    return mine_vectors(x, y, Mine(**options))


def score(x: VectorSource, y: VectorSource, **options: Any) -> NDArray[np.float64]:
    """The margin of every aligned pair (row i of x with row i of y) against the neighbourhoods of both sides [n].

    Args:
        x: side a's vectors [n, d].
        y: side b's vectors [n, d].
        **options: ``k``, ``score`` and ``memory_bytes``, as for `mine`.

    Raises:
        ValueError: if the sides have not equally many rows.
        VectorError: if they can't be compared, or a vector is zero or not finite.
    """
    from pipeline.mining.aligned import score_aligned
    from pipeline.mining.mine import find_neighbors, search_job

    if len(x) != len(y):
        raise ValueError(f"found {len(x):,} and {len(y):,} rows; expected a row of y for each row of x")
    wanted = Mine(**options)
    rows = np.arange(len(x))
    neighbors = find_neighbors(x, y, search_job(wanted)).neighbors
    return np.asarray(score_aligned(x, y, rows, rows, neighbors, wanted.score).score, dtype=np.float64)


def neighborhoods(vectors: Vectors, **options: Any) -> SoftNeighborhoods:
    """The k nearest other rows of every row, by cosine, with their soft-label weights.

    Args:
        vectors: the teacher's vectors [n, d].
        **options: keys of the section ``neighborhoods`` of params.yaml: ``k``, ``temperature``, ``search``, …

    Raises:
        ValidationError: if an option is unknown or out of range.
    """
    from pipeline.labels.neighborhoods import find_neighborhoods, soft_weights

    wanted = Neighborhoods(**options)
    with tempfile.TemporaryDirectory(prefix="softalign-") as scratch:
        found = find_neighborhoods(np.asarray(vectors, dtype=np.float16), wanted, Path(scratch)).neighbors
        # Large results lie in the scratch folder: they are copied before it goes.
        similarity, row = np.array(found.similarity), np.array(found.row)
    return SoftNeighborhoods(row, similarity, soft_weights(similarity, wanted.temperature))


def train(project: Path | str = ".") -> Path:
    """Train the student of a project from what its earlier stages left, as `softalign train` does; returns its folder.

    Args:
        project: the folder with params.yaml, in which the stages prepare to neighborhoods have run.

    Raises:
        UserError: if something lacks or can't be read; the message names it.
    """
    from stages.running.command import Project
    from stages.train import run

    opened = Project.open(Path(project))
    run(opened)
    return opened.layout.student
