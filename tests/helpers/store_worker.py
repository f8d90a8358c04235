"""One of several processes that use a store at once: adds and looks up, again and again; exits 1 on any wrong vector."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from pipeline.ground.hashing import as_keys, text_key
from pipeline.store.local import VectorStore, list_store, prune_store

IDENTITY = {"model": "m"}


def keys_of(numbers):
    return as_keys(sorted(text_key(str(number)) for number in numbers))


def vectors_of(keys):
    return np.frombuffer(keys.tobytes(), dtype=np.uint8).reshape(len(keys), 16)[:, :4].astype(np.float16)


def use(root: Path, seed: int, rounds: int) -> None:
    store = VectorStore(root, IDENTITY, 4)
    random = np.random.default_rng(seed)
    for _ in range(rounds):
        keys = keys_of(random.choice(500, 40, replace=False).tolist())
        vectors, found = store.lookup(keys)
        if (vectors[found] != vectors_of(keys[found])).any():
            sys.exit("a wrong vector")
        missing = keys[~found]
        store.add(missing, vectors_of(missing))
        again, found = store.lookup(missing)
        if not found.all() or (again != vectors_of(missing)).any():
            sys.exit("what was added is not there")


def prune(root: Path, rounds: int) -> None:
    for number in range(rounds):
        list_store(root)
        prune_store(root, 0)
        VectorStore(root, {"model": f"other {number}"}, 4).add(keys_of([1]), vectors_of(keys_of([1])))


if __name__ == "__main__":
    what, folder, number, times = sys.argv[1:]
    if what == "use":
        use(Path(folder), int(number), int(times))
    else:
        prune(Path(folder), int(times))
