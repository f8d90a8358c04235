"""The library behind softalign: everything that computes, and nothing that knows of DVC. Its rooms: docs/architecture.md."""

import os

__version__ = "0.1.0"

# Threads that wait for the others of a matrix product spin by default, and so take the cores from those that work: beside a
# busy process two threads are then several times slower than one. Whoever has chosen how they wait has chosen. It is read
# when torch, FAISS and NumPy load their runtimes, so it stands here, before any module that imports them (and the packages
# `softalign` and `stages` begin by importing this one); child processes inherit it.
if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "KMP_LIBRARY"} & os.environ.keys():
    os.environ["OMP_WAIT_POLICY"] = "passive"
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")  # NumPy's threads: the shortest wait, 2⁴ cycles in place of 2²⁶
