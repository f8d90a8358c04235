"""Fixtures that many tests share."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import settings
from small import make_transformer

from pipeline.artifacts.shards import SENTENCES, key_array, shard_path, write_shard
from pipeline.ground.hashing import as_keys, shard_count, shard_of, text_key

# A busy machine is no defect: no example has a deadline. The same examples everywhere, so that a contributor's run fails
# for what was changed; HYPOTHESIS_PROFILE=search looks for new ones.
settings.register_profile("softalign", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "softalign"))

# A shell's background job ignores Ctrl-C, and so would the stages that tests stop with it.
for number, default in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, default)


@pytest.fixture
def write_sentences() -> Callable[[Path, list[str], int], None]:
    """Writes sentences as an artifact of shards."""

    def write(folder: Path, texts: list[str], shard_rows: int = 65_536) -> None:
        unique = sorted({text_key(text): text for text in texts}.items())
        keys = as_keys(key for key, _ in unique)
        shards = shard_count(len(unique), shard_rows)
        where = shard_of(keys, shards)
        for index in range(shards):
            rows = np.flatnonzero(where == index)
            text = pa.array([unique[row][1] for row in rows], pa.string())
            table = pa.Table.from_arrays([key_array(keys[rows]), text], schema=SENTENCES)
            write_shard(shard_path(folder, index), table, {"kind": "sentences"}, shards)

    return write


@pytest.fixture(scope="session")
def tiny_teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny BERT."""
    return make_transformer(tmp_path_factory.mktemp("models") / "teacher")


@pytest.fixture(scope="session")
def tiny_xlmr(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny XLM-RoBERTa, the architecture of mE5."""
    return make_transformer(tmp_path_factory.mktemp("models") / "tiny-e5", kind="xlm-roberta", prompts=True)
