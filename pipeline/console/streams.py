r"""Standard output that can't show every character: ASCII, a code page, a pipe in the locale C.

A command whose work is done must not end because its summary names a file in Japanese: what the stream can't show becomes
an escape (``\u65e5``). Files are written as UTF-8 whatever the streams are.
"""

from __future__ import annotations

import io
import sys


def show_what_can_be_shown() -> None:
    """Make standard output and standard error write escapes for characters that their encodings lack."""
    for stream in (sys.stdout, sys.stderr):  # None, where the process was started without
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
