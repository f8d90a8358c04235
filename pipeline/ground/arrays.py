"""Names for the arrays that most rooms speak of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
"""Row numbers."""

Floats = NDArray[np.float64]
"""Numbers that are computed in float64."""

CHUNK = 1 << 16
"""Rows handled at once where temporaries are as large as their input."""
