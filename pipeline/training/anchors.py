"""Which label points of the whole corpus a batch is measured against (`pipeline.losses.corpus`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.config.train import Train
from pipeline.training.data import StoredNeighborhoods


@dataclass(frozen=True)
class AnchorPlan:
    """Anchors by step: a pure function of the seed and the step, the same for every process."""

    random: int  # how many points are drawn from the whole corpus of the language pair
    neighbors: int  # how many stored neighbours of each pair's point are drawn
    seed: int  # the seed of all randomness

    @classmethod
    def of(cls, train: Train, seed: int) -> AnchorPlan | None:
        """What params.yaml asks for; None if no term of the loss looks at anchors."""
        term = next((term for term in train.loss if term.name == "corpus"), None)
        return None if term is None else cls(term.anchors, term.neighbors, seed)

    def draw(
        self, step: int, own: NDArray[np.int64], points: int, neighbors: StoredNeighborhoods | None
    ) -> NDArray[np.int64]:
        """The anchors of a step's batch.

        Args:
            step: the batch's number.
            own: the point of each pair of the batch [n].
            points: how many points there are of this language pair.
            neighbors: the points' neighbourhoods; needed where neighbours are drawn.

        Returns:
            Points [c]: ``own`` as it is, so that row i's own anchor is i; then the others, ascending, each once.
        """
        generator = np.random.default_rng([self.seed, 3, step])
        drawn = [generator.integers(0, points, self.random)]
        if self.neighbors and neighbors is not None:
            near = neighbors.point[own]
            places = generator.integers(0, near.shape[1], (len(own), self.neighbors))
            drawn.append(np.take_along_axis(near, places, axis=1).reshape(-1))
        others = np.unique(np.concatenate(drawn))
        return np.concatenate([own, others[(others >= 0) & ~np.isin(others, own)]])
