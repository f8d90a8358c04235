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


@dataclass(frozen=True)
class Layout:
    """The folders of one project.

    Attributes:
        root: the folder that holds params.yaml and dvc.yaml.
    """

    root: Path

    @property
    def params(self) -> Path:
        """The parameters."""
        return self.root / "params.yaml"

    @property
    def sentences(self) -> Path:
        """Unique training sentences, a folder per language (prepare)."""
        return self.root / "data" / "sentences"

    @property
    def pairs(self) -> Path:
        """Training pairs, a folder per language pair (prepare)."""
        return self.root / "data" / "pairs"

    @property
    def monolingual(self) -> Path:
        """Sentences to be embedded for mining and evaluation, a folder per language (prepare)."""
        return self.root / "data" / "monolingual"

    @property
    def heldout(self) -> Path:
        """Known pairs of held-out documents, a folder per language pair (prepare)."""
        return self.root / "data" / "heldout"

    @property
    def rejects(self) -> Path:
        """What prepare left out, and why: a folder per corpus (prepare)."""
        return self.root / "data" / "rejects"

    @property
    def aligned(self) -> Path:
        """Alignments of corpora of documents, a Parquet file a corpus (align)."""
        return self.root / ALIGNED

    @property
    def tokens(self) -> Path:
        """Token ids: ``teacher/<lang>``, ``student/<lang>``, ``monolingual/<lang>`` (tokenize)."""
        return self.root / "data" / "tokens"

    @property
    def tokenizer(self) -> Path:
        """The student's tokenizer (tokenize)."""
        return self.root / "data" / "tokenizer"

    @property
    def teacher(self) -> Path:
        """The teacher's vectors, a folder per language (teach)."""
        return self.root / "data" / "teacher"

    @property
    def neighborhoods(self) -> Path:
        """Nearest label points, a folder per language pair (neighborhoods)."""
        return self.root / "data" / "neighborhoods"

    @property
    def student(self) -> Path:
        """The trained student, in sentence-transformers' layout (train)."""
        return self.root / "models" / "student"

    @property
    def checkpoints(self) -> Path:
        """Checkpoints to resume training from; not an artifact."""
        return self.root / "data" / "checkpoints"

    @property
    def embeddings(self) -> Path:
        """The student's vectors of the text to be mined, a folder per language (embed)."""
        return self.root / "data" / "embeddings"

    @property
    def mined(self) -> Path:
        """Mined pairs, a Parquet file per language pair (mine)."""
        return self.root / "data" / "mined"

    @property
    def evaluation(self) -> Path:
        """What the student and its peers reached on benchmarks: JSON and every item, a pair of files a model (evaluate)."""
        return self.root / "data" / "evaluation"

    @property
    def metrics(self) -> Path:
        """One JSON file per stage."""
        return self.root / "metrics"

    @property
    def plots(self) -> Path:
        """Series for `dvc plots`."""
        return self.root / "plots"

    @property
    def report(self) -> Path:
        """The report (report)."""
        return self.root / "reports" / "index.html"

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
