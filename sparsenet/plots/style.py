"""What the figures share: colours, marks, legends, and how one is drawn to files.

The colours are Okabe and Ito's and one of Tol's, told apart with any colour vision; curves differ
in marker and line too, boxes in their hatch, so that they are told apart in grey. Nothing here
touches pyplot or its global state.
"""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from sparsenet.files import replacing
from sparsenet.plots.cards import shortened

INK = "#333333"
MOST_PIXELS = 16_000
"""Of a picture's longer side: a larger one is drawn smaller, or its memory would run out."""
FORMATS = ("png", "svg", "pdf")
FIGURE_MARK = "sparsenet plot"
"""What the files of `save_figure` say they were made by."""
TEXT, SMALL = 10.0, 9.0  # points
_LETTERS, _HANDLE = 13, 10
"""Letters of a legend to the inch, and those that would fit beside a label's line."""
_METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": FIGURE_MARK},
    "svg": {"Creator": FIGURE_MARK, "Date": None},
    "pdf": {"Creator": FIGURE_MARK, "Producer": None, "CreationDate": None},
}
Drawing = Figure
"""A figure that is drawn and not yet on the disk, for those who know no matplotlib."""
Dashes = str | tuple[float, tuple[float, ...]]


@dataclass(frozen=True)
class Line:
    """How a curve looks."""

    color: str
    marker: str
    linestyle: Dashes
    markersize: float

    def keys(self) -> dict[str, Any]:
        """The arguments of `Axes.plot`; a white edge keeps markers apart that overlap."""
        edge = {"markeredgecolor": "white", "markeredgewidth": 0.8}
        return vars(self) | edge | {"linewidth": 1.8}


LINES = (
    Line("#0072B2", "o", "-", 8.0),
    Line("#D55E00", "s", "--", 4.0),
    Line("#009E73", "^", "-.", 7.0),
    Line("#CC79A7", "D", ":", 4.5),
    Line("#E69F00", "v", (0, (5, 1, 1, 1, 1, 1)), 7.0),
    Line("#56B4E9", "P", (0, (8, 3)), 6.5),
    Line("#000000", "X", (0, (3, 1, 1, 1)), 6.0),
    Line("#882255", "*", (0, (1, 3)), 8.5),
)
"""Their marks differ in size too: of equal values both are seen."""


@dataclass(frozen=True)
class Fill:
    """How a box of a stack looks."""

    color: str
    hatch: str

    def keys(self) -> dict[str, Any]:
        """The arguments of `Axes.bar`."""
        return {"facecolor": self.color, "hatch": self.hatch, "edgecolor": INK, "linewidth": 0.6}


FILLS = (
    Fill("#0072B2", ""),
    Fill("#F0E442", "///"),
    Fill("#D55E00", "..."),
    Fill("#CFE8F7", "\\\\\\"),
    Fill("#009E73", "xxx"),
    Fill("#FFFFFF", "|||"),
    Fill("#CC79A7", "---"),
    Fill("#E6E6E6", ""),
    Fill("#E69F00", "+++"),
    Fill("#FFFFFF", "ooo"),
    Fill("#56B4E9", "//"),
    Fill("#555555", ""),
)
"""Neighbours differ in lightness."""


def new_figure(width: float = 6.4, height: float = 4.2) -> tuple[Figure, Axes]:
    """A figure of this size in inches with one pair of axes and a light grid."""
    figure, [axes] = new_panels(1, 1, width, height)
    return figure, axes


def new_panels(
    rows: int, columns: int, width: float, height: float, *, sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure of this size in inches with axes in rows and columns, each with a light grid."""
    layout = ConstrainedLayoutEngine(wspace=0.04)  # a part of the panels' width, between them
    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    panels = list(figure.subplots(rows, columns, squeeze=False, sharey=sharey).flat)
    for axes in panels:
        axes.grid(visible=True, color="#dddddd", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=SMALL)
    return figure, panels


def text_of(name: str) -> str:
    """A name of a file or user on one line, cut in its middle where it is long.

    Nothing in it is mathematics, and no label of a legend begins with `_`, or it would be left out.
    """
    text = shortened(name)
    return (f" {text}" if text.startswith("_") else text).replace("$", r"\$")


def legend_below(figure: Figure, entries: Mapping[str, Artist], note: str = "") -> None:
    """A legend by label below all axes, in as many columns as there is room for, under a note."""
    room = figure.get_size_inches()[0] * _LETTERS
    figure.legend(
        [*entries.values()],
        [*entries],
        title=textwrap.fill(note, int(room)) or None,
        loc="outside lower center",
        ncols=_columns([*entries], room),
        frameon=False,
        fontsize=SMALL,
        title_fontsize=SMALL,
        handlelength=3.2,
    )


def _columns(labels: Sequence[str], room: float) -> int:
    """In how many columns, filled one after the other, labels fit into so many letters."""
    for rows in range(1, len(labels)):
        columns = [labels[first : first + rows] for first in range(0, len(labels), rows)]
        if sum(max(map(len, column)) + _HANDLE for column in columns) <= room:
            return len(columns)
    return 1


def save_png(figure: Figure, path: Path, mark: str) -> None:
    """Replace a PNG whole; `mark` is kept in it as the software it is of. Raises FileError."""
    dpi = min(150, MOST_PIXELS / max(figure.get_size_inches()))
    with replacing(path) as stream:
        figure.savefig(stream, format="png", dpi=dpi, metadata={"Software": mark})


def figure_paths(folder: Path, name: str, formats: Sequence[str] = FORMATS) -> tuple[Path, ...]:
    """The files of `save_figure`."""
    return tuple(folder / f"{name}.{kind}" for kind in formats)


def save_figure(
    figure: Figure, folder: Path, name: str, formats: Sequence[str] = FORMATS
) -> tuple[Path, ...]:
    """Replace NAME.png, .svg, .pdf whole, by the same figure with the same bytes.

    Letters are outlines in the SVG and fonts in the PDF. Raises FileError.
    """
    paths = figure_paths(folder, name, formats)
    words: dict[Any, Any] = {
        "svg.hashsalt": FIGURE_MARK,
        "svg.fonttype": "path",
        "pdf.fonttype": 42,
    }
    with rc_context(words), warnings.catch_warnings():
        # What the font cannot draw is a hollow box, which says so well enough.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        # Laid out once: each drawing would move it by a rounding, and the bytes with it.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        for path, kind in zip(paths, formats, strict=True):
            with replacing(path) as stream:
                figure.savefig(stream, format=kind, dpi=150, metadata=_METADATA[kind])
    return paths
