"""The rows of the table, by name, in the order in which they are run."""

from __future__ import annotations

from speed.rows.base import Row
from speed.rows.encoding import STATIC, TEACH, TEACH_DUPLICATES, TEACH_INT8, TOKENIZE
from speed.rows.neighbors import NEIGHBORS_EXACT, NEIGHBORS_INDEX, NEIGHBORS_SLICE
from speed.rows.project import HELP, NOTHING_TO_DO, SECOND_RUN
from speed.rows.training import STATIC_TRAINING, STEP_AUTHORS, STEP_TRAINER

ROWS: dict[str, Row] = {
    row.name: row
    for row in (
        HELP, TEACH, TEACH_DUPLICATES, TEACH_INT8, STATIC, TOKENIZE, STEP_AUTHORS, STEP_TRAINER, STATIC_TRAINING,
        NEIGHBORS_EXACT, NEIGHBORS_SLICE, NEIGHBORS_INDEX, NOTHING_TO_DO, SECOND_RUN,
    )
}  # fmt: skip
