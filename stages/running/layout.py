"""Where a project's artifacts are. The one place that knows; `pipeline` is handed paths."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pipeline.config.prepare import ALIGNED
from pipeline.ground.hashing import identity_hash
from pipeline.store.remote import cache_folder, is_url

EXPERIMENTS = (".dvc", "tmp", "exps")
"""Where DVC runs experiments, below its root."""


class Place:
    """A file or folder of every project.

    Args:
        path: its path from the project's folder.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def __get__(self, layout: Layout, _: type[Layout]) -> Path:
        """Where it is in one project."""
        return layout.root / self.path


@dataclass(frozen=True)
class Layout:
    """The files and folders of one project; in brackets the stage that writes them.

    Attributes:
        root: the folder that holds params.yaml and dvc.yaml.
    """

    root: Path

    params = Place("params.yaml")
    """The parameters."""
    sentences = Place("data/sentences")
    """Unique training sentences, a folder per language (prepare)."""
    pairs = Place("data/pairs")
    """Training pairs, a folder per language pair (prepare)."""
    monolingual = Place("data/monolingual")
    """Sentences to be embedded for mining and evaluation, a folder per language (prepare)."""
    heldout = Place("data/heldout")
    """Known pairs of held-out documents, a folder per language pair (prepare)."""
    rejects = Place("data/rejects")
    """What prepare left out, and why: a folder per corpus (prepare)."""
    aligned = Place(str(ALIGNED))
    """Alignments of corpora of documents, a Parquet file a corpus (align)."""
    tokens = Place("data/tokens")
    """Token ids: ``teacher/<lang>``, ``student/<lang>``, ``monolingual/<lang>`` (tokenize)."""
    tokenizer = Place("data/tokenizer")
    """The student's tokenizer (tokenize)."""
    teacher = Place("data/teacher")
    """The teacher's vectors, a folder per language (teach)."""
    neighborhoods = Place("data/neighborhoods")
    """Nearest label points, a folder per language pair (neighborhoods)."""
    student = Place("models/student")
    """The trained student, in sentence-transformers' layout (train)."""
    checkpoints = Place("data/checkpoints")
    """Checkpoints to resume training from; not an artifact."""
    embeddings = Place("data/embeddings")
    """The student's vectors of the text to be mined, a folder per language (embed)."""
    mined = Place("data/mined")
    """Mined pairs, a Parquet file per language pair (mine)."""
    evaluation = Place("data/evaluation")
    """What the student and its peers reached on benchmarks: JSON and every item, a pair of files a model (evaluate)."""
    metrics = Place("metrics")
    """One JSON file per stage."""
    plots = Place("plots")
    """Series for `dvc plots`."""
    report = Place("reports/index.html")
    """The report (report)."""

    def cost(self, stage: str) -> Path:
        """Time and memory of a stage's last run; not an artifact."""
        return self.root / "data" / "cost" / f"{stage}.json"

    def lock(self, stage: str) -> Path:
        """Held while a stage runs; not an artifact."""
        return self.root / "data" / "locks" / f"{stage}.lock"

    @property
    def store(self) -> Path:
        """The vector store: ``SOFTALIGN_STORE``, else a folder in the project (of an experiment: the main project's).

        If ``SOFTALIGN_STORE`` is a URL (``s3://bucket/prefix``), the folder in the project that is the cache of it.
        """
        wanted, own = os.environ.get("SOFTALIGN_STORE"), main_project(self.root) / "data" / "store"
        if wanted and is_url(wanted):
            return cache_folder(wanted, own / f"cache-{identity_hash({'url': wanted.rstrip('/')})[:8]}")
        return Path(wanted) if wanted else own

    @property
    def written(self) -> tuple[Path, ...]:
        """All that stages write or keep, but for a store elsewhere."""
        data = (
            *(self.aligned, self.sentences, self.pairs, self.monolingual, self.heldout, self.rejects),
            *(self.tokens, self.tokenizer),
            *(self.teacher, self.neighborhoods, self.checkpoints, self.embeddings, self.mined, self.evaluation),
            *(self.cost("").parent, self.lock("").parent, self.root / "data" / "store"),
        )
        return *data, self.student, self.metrics, self.plots, self.report

    @property
    def shared(self) -> tuple[Path, ...]:
        """What workers on other machines must see at the same place."""
        return self.root / "data", self.store


def main_project(root: Path) -> Path:
    """The project that a DVC experiment belongs to; any other project is its own.

    DVC runs queued experiments in clones of the git repository, somewhere in ``.dvc/tmp/exps`` of DVC's root, without what
    git and DVC ignore. What outlives a run, such as the store, is therefore in the project that they were queued in.
    """
    absolute = root.resolve()
    clone = _git_top(absolute)
    starts = [] if clone is None else [i for i in range(len(clone.parts)) if clone.parts[i : i + 3] == EXPERIMENTS]
    if clone is None or not starts:
        return root
    top = _git_top(Path(*clone.parts[: starts[0]]))  # DVC's root may be a subfolder of the git repository
    found = None if top is None else top / absolute.relative_to(clone)
    return found if found is not None and (found / "params.yaml").is_file() else root


def _git_top(folder: Path) -> Path | None:
    return next((place for place in (folder, *folder.parents) if (place / ".git").exists()), None)
