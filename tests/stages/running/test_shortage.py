"""What ran out is recognised in every library's own words."""

from __future__ import annotations

import errno

import pyarrow as pa
import pytest

from pipeline.console.errors import ArtifactError
from stages.running.command import reported_errors
from stages.running.shortage import shortage


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (OSError(errno.EROFS, "Read-only file system", "data/x"), "data/x: the file system is read-only"),
        (OSError(errno.EMFILE, "Too many open files", "a"), "a: too many open files"),
        (RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"), "the disk is full"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: not enough memory"), "out of memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."), "out of memory"),
        (MemoryError("std::bad_alloc"), "out of memory"),
        (pa.ArrowMemoryError("malloc of size 64 failed"), "out of memory"),
    ],
)
def test_what_ran_out(error: Exception, expected: str):
    assert str(shortage(error)).startswith(expected)


@pytest.mark.parametrize("error", [FileNotFoundError(2, "No such file", "x"), ValueError("128 rows"), KeyError(28)])
def test_other_errors_are_none(error: Exception):
    assert shortage(error) is None


def test_a_file_that_could_not_be_opened_for_want_of_files_is_not_called_damaged(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit), reported_errors(debug=False):
        try:
            raise OSError(errno.EMFILE, "Too many open files", "a.arrow")
        except OSError as error:
            raise ArtifactError("a.arrow", "not a readable Arrow file") from error
    assert capsys.readouterr().err == "softalign: error: a.arrow: too many open files (ulimit -n)\n"


def test_a_defect_keeps_its_traceback():
    with pytest.raises(ValueError, match="a defect"), reported_errors(debug=False):
        raise ValueError("a defect")
