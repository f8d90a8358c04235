"""The rows of the table, by name, in the order in which they are run."""

from __future__ import annotations

from speed.rows import encoding, neighbors, project, training
from speed.rows.base import Row

ROWS: dict[str, Row] = {row.name: row for row in (*encoding.ROWS, *training.ROWS, *neighbors.ROWS, *project.ROWS)}
