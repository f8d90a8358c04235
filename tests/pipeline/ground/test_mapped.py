from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from pipeline.ground.mapped import mapped_array


def test_zeros_that_can_be_written_and_take_their_room(tmp_path: Path):
    array = mapped_array(tmp_path / "a", np.float32, (300, 100))
    assert not array.any()
    array[7] = 3
    array.flush()
    assert np.fromfile(tmp_path / "a", np.float32).reshape(300, 100)[7].sum() == 300
    assert (tmp_path / "a").stat().st_blocks * 512 >= 300 * 100 * 4


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.ENOSPC])
def test_where_room_can_t_be_set_aside_and_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
):
    def refuse(*_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    if number == errno.ENOSPC:
        with pytest.raises(OSError, match="No space left") as caught:
            mapped_array(tmp_path / "a", np.int8, (4, 2))
        assert caught.value.filename == str(tmp_path / "a")
    else:
        assert mapped_array(tmp_path / "a", np.int8, (4, 2)).shape == (4, 2)
