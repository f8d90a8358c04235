import logging

import pytest

from pipeline.console import progress as module
from pipeline.console.progress import progress


def test_a_log_gets_plain_lines_with_rate_and_time_left(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    clock = iter([0.0, 5.0, 11.0, 12.0, 20.0])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(module.sys.stderr, "isatty", lambda: False, raising=False)
    with caplog.at_level(logging.INFO, logger="pipeline"), progress("embed", 100, "rows") as advance:
        for count in (10, 20, 10, 60):
            advance(count, note="all well")
    assert caplog.messages == [
        "embed: 30 of 100 rows, 3/s, 26 s left, all well",
        "embed: 100 of 100 rows, 5/s, 0 s left, all well",
    ]


def test_short_work_says_nothing(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO, logger="pipeline"), progress("embed", 2) as advance:
        advance()
        advance()
    assert caplog.messages == []
