"""The figures of `sparsenet plot` in a page: as pictures, in which no script of theirs can run."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from sparsenet.report.html import Html, element, joined, text
from sparsenet.report.page import Section
from sparsenet.results.captions import CAPTIONS


@dataclass(frozen=True)
class Figure:
    """An SVG file: its name without a suffix, and what is in it."""

    name: str
    content: str


def figures(drawn: Sequence[Figure]) -> list[Section]:
    """A section with the figures; none without any."""
    if not drawn:
        return []
    return [Section("figures", "Figures", [joined(map(_figure, drawn))])]


def _figure(figure: Figure) -> Html:
    words = CAPTIONS.get(figure.name, figure.name)
    coded = base64.b64encode(figure.content.encode()).decode()
    source = f"data:image/svg+xml;base64,{coded}"
    picture = element("img", src=source, alt=words)
    return element("figure", picture, element("figcaption", text(words)))
