"""The section ``report`` of params.yaml."""

from __future__ import annotations

from pipeline.config.base import (
    Positive,
    Section,
)


class Report(Section):
    """What the report shows.

    Attributes:
        title: its heading.
        samples: pairs or neighbourhoods shown of each kind.
        judgements: files of people's answers about mined pairs (docs/judging.md), relative to params.yaml.
    """

    title: str = "softalign report"
    samples: Positive = 5
    judgements: list[str] = []
