"""The figures of `sparsenet plot` in a page: as pictures, in which no script of theirs can run."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from sparsenet.report.html import Html, element, joined, text
from sparsenet.report.page import Section

_CAPTIONS = {
    "tradeoff": "Accuracy against memory of the networks of the search (the paper's Figure 1)",
    "filters": "Filters of a dense network beside those of a sparse one (Figure 2)",
    "convergence": "Loss and accuracy over the updates, a curve a method (Figure 3)",
    "layers": "Nonzero weights by layer along the accepted path (Figure 4)",
    "threshold": "Thresholded networks against those trained under l0 (Figure 5)",
    "sweep": "Accuracy against nonzero weights, a curve a method (Figure 6)",
    "datasize": "Accuracy against the number of training samples (Figure 7)",
}


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
    words = _CAPTIONS.get(figure.name, figure.name)
    coded = base64.b64encode(figure.content.encode()).decode()
    source = f"data:image/svg+xml;base64,{coded}"
    picture = element("img", src=source, alt=words)
    return element("figure", picture, element("figcaption", text(words)))
