"""What the figures share: colours, marks, and how one is drawn to a file.

The colours are Okabe and Ito's, told apart with any colour vision; curves differ in marker and
line too, so that they are told apart in grey. Nothing here touches pyplot or its global state.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sparsenet.files import replacing

INK = "#333333"
MOST_PIXELS = 16_000
"""Of a picture's longer side: a larger one is drawn smaller, or its memory would run out."""


@dataclass(frozen=True)
class Line:
    """How a curve looks."""

    color: str
    marker: str
    linestyle: str

    def keys(self) -> dict[str, Any]:
        """The arguments of `Axes.plot`; a white edge keeps markers apart that overlap."""
        edge = {"markeredgecolor": "white", "markeredgewidth": 0.8, "markersize": 7}
        return vars(self) | edge | {"linewidth": 1.8}


LINES = (
    Line("#0072B2", "o", "-"),
    Line("#D55E00", "s", "--"),
    Line("#009E73", "^", "-."),
    Line("#CC79A7", "D", ":"),
)


def new_figure(width: float = 6.4, height: float = 4.2) -> tuple[Figure, Axes]:
    """A figure of this size in inches with one pair of axes and a light grid."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.grid(visible=True, color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines["right"].set_visible(False)
    return figure, axes


def save_png(figure: Figure, path: Path, mark: str) -> None:
    """Replace a PNG whole; `mark` is kept in it as the software it is of. Raises FileError."""
    dpi = min(150, MOST_PIXELS / max(figure.get_size_inches()))
    with replacing(path) as stream:
        figure.savefig(stream, format="png", dpi=dpi, metadata={"Software": mark})
