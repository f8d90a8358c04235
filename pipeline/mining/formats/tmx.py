"""TMX 1.4: a translation unit a pair, with its score as the property ``x-score``."""

from __future__ import annotations

import re
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from pipeline.mining.outputs import PairFormat, PairsToWrite, open_text, text_parts

FORBIDDEN_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 allows in no form, not even as a character reference."""


class TmxPairs(PairFormat):
    """TMX 1.4: a unit a pair, with its score.

    Characters that XML 1.0 forbids become U+FFFD, so that their loss can be seen; all others come back unchanged.
    """

    name = "tmx"
    needs_languages = True

    def write(self, path: Path, found: PairsToWrite) -> None:
        """See `PairFormat.write`."""
        with ExitStack() as stack:
            opened = open_text(stack, path)
            opened.write(
                '<?xml version="1.0" encoding="UTF-8"?>\n<tmx version="1.4">\n'
                f'<header creationtool="softalign" creationtoolversion={quoteattr(_version())} segtype="sentence" '
                f'o-tmf="softalign" adminlang="en" srclang={quoteattr(found.a.language)} datatype="plaintext"/>\n<body>\n'
            )
            for part, texts_a, texts_b in text_parts(found.pairs, found.a, found.b):
                for score, one, other in zip(part.score.tolist(), texts_a, texts_b, strict=True):
                    opened.write(
                        f'<tu><prop type="x-score">{score:.6f}</prop>{_variant(found.a.language, one)}'
                        f"{_variant(found.b.language, other)}</tu>\n"
                    )
            opened.write("</body>\n</tmx>\n")


def _variant(language: str, text: str) -> str:
    return f"<tuv xml:lang={quoteattr(language)}><seg>{xml_text(text)}</seg></tuv>"


def xml_text(text: str) -> str:
    r"""Text as XML character data that a parser gives back unchanged, but for what XML forbids.

    >>> xml_text("a < b & c\x00")
    'a &lt; b &amp; c�'
    """
    return escape(FORBIDDEN_IN_XML.sub("\ufffd", text), {"\r": "&#13;"})


def _version() -> str:
    try:
        return version("softalign")
    except PackageNotFoundError:  # run from a source tree
        return "0"
