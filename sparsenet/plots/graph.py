"""A net as a picture: boxes of layers from top to bottom, arrows with the shapes they carry."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path as FilePath
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from sparsenet.plots.cards import Arrow, Card, cards_of, shortened
from sparsenet.plots.columns import Box
from sparsenet.plots.layered import Layout, Point, lay_out
from sparsenet.plots.style import INK, save_png
from sparsenet.plots.wiring import color_of, dims, wires_of

GRAPH_MARK = "sparsenet summary"
"""What the PNG says it was made by."""

ROW, PAD, GAP, MARGIN, HEAD = 0.17, 0.08, 0.13, 0.25, 0.66  # inches
SIZE, SMALL = 8.0, 7.0  # points
BOLD = {"weight": "bold"}
PALE = "#6a6a6a"
BLOCK_COLOR = "#f1f1f5"


def draw_graph(net: Mapping[str, Any], totals: str, path: FilePath) -> None:
    """Draw the document of `sparsenet summary --json` to a PNG.

    Labels' arrows, which would cross all of it, are left out. Raises FileError where the PNG cannot
    be written.
    """
    with warnings.catch_warnings():
        # What the font cannot draw is a hollow box, which says so well enough.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        save_png(_figure(net, totals), path, GRAPH_MARK)


def _figure(net: Mapping[str, Any], totals: str) -> Figure:
    wires = [wire for wire in wires_of(net["layers"]) if not wire.is_label]
    cards, arrows = cards_of(net["layers"], wires)
    widths = [_column_widths(card) for card in cards]
    boxes = [
        Box(
            sum(each) + GAP * (sum(map(bool, each)) - 1) + 2 * PAD,
            ROW * len(card.layers) + PAD,
            card.block,
        )
        for each, card in zip(widths, cards, strict=True)
    ]
    layout = lay_out(boxes, [(arrow.source, arrow.target) for arrow in arrows])
    drawing = _Drawing(layout, f"{shortened(net['name'])}, {net['phase']}", totals)
    drawing.blocks(cards, boxes, arrows)
    drawing.arrows(arrows)
    for card, columns, box, top in zip(cards, widths, boxes, layout.tops, strict=True):
        drawing.card(card, columns, box, top)
    return drawing.figure


class _Drawing:
    """A figure whose coordinates are inches, y downwards, the layout below a title."""

    def __init__(self, layout: Layout, title: str, subtitle: str) -> None:
        widest = max(layout.width, _width(subtitle, SIZE), _width(title, 11, **BOLD))
        width, height = widest + 2 * MARGIN, layout.height + HEAD + MARGIN
        self.layout = layout
        self.dx, self.dy = (width - layout.width) / 2, HEAD
        self.figure = Figure(figsize=(width, height))
        FigureCanvasAgg(self.figure)
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set_axis_off()
        self.axes.set_xlim(-self.dx, width - self.dx)
        self.axes.set_ylim(height - self.dy, -self.dy)
        left = MARGIN - self.dx
        self._text(left, -0.39, title, 11, **BOLD)
        self._text(left, -0.18, subtitle, SIZE, color=PALE)

    def _text(self, x: float, y: float, text: str, size: float, **keys: Any) -> None:
        placed = {"va": "center", "color": INK} | keys
        self.axes.text(x, y, text, fontsize=size, parse_math=False, **placed)

    def _rounded(self, x: float, y: float, width: float, height: float, **keys: Any) -> None:
        style = "round,pad=0,rounding_size=0.06"
        self.axes.add_patch(FancyBboxPatch((x, y), width, height, boxstyle=style, **keys))

    def card(self, card: Card, columns: Sequence[float], box: Box, top: Point) -> None:
        """A box with a row for each layer: its name, its kind, its parameters."""
        left, y = top[0] - box.width / 2, top[1]
        color = color_of(card.layers[0])
        self._rounded(
            left, y, box.width, box.height, facecolor=color, edgecolor="#8a8a8a", linewidth=0.7
        )
        kind = left + PAD + columns[0] + GAP
        right = left + box.width - PAD
        for nth, (name, words, count) in enumerate(card.rows()):
            middle = y + PAD / 2 + ROW * (nth + 0.5)
            self._text(left + PAD, middle, name, SIZE, **(BOLD if nth == 0 else {}))
            self._text(kind, middle, words, SMALL, color=PALE)
            self._text(right, middle, count, SMALL, ha="right")

    def blocks(self, cards: Sequence[Card], boxes: Sequence[Box], arrows: Sequence[Arrow]) -> None:
        """A ground below the boxes of each block and the arrows to them, with its name."""
        points: dict[tuple[str, int], list[Point]] = {}
        homes = [
            (card.block, column) for card, column in zip(cards, self.layout.columns, strict=True)
        ]
        for home, box, (x, y) in zip(homes, boxes, self.layout.tops, strict=True):
            corners = [(x - box.width / 2, y), (x + box.width / 2, y + box.height)]
            points.setdefault(home, []).extend(corners)
        tops = {home: min(y for _, y in corners) for home, corners in points.items()}
        for arrow, way in zip(arrows, self.layout.ways, strict=True):
            home = homes[arrow.target]
            points[home] += [(x, y) for x, y in way[-3:] if y >= tops[home]]
        for (name, _), corners in points.items():
            if name:
                xs, ys = zip(*corners, strict=True)
                top, bottom = min(ys) - ROW - PAD / 2, max(ys) + PAD
                self._block(name, min(xs) - PAD, top, max(xs) + PAD, bottom)

    def _block(self, name: str, left: float, top: float, right: float, bottom: float) -> None:
        keys = {"facecolor": BLOCK_COLOR, "edgecolor": "none"}
        self._rounded(left, top, right - left, bottom - top, **keys)
        self._text(left + PAD, top + ROW / 2 + PAD / 4, shortened(name), SMALL, color=PALE)

    def arrows(self, arrows: Sequence[Arrow]) -> None:
        """Each arrow, and once beside those of a box the shape of what they carry."""
        pairs = sorted(zip(arrows, self.layout.ways, strict=True), key=_turns)
        to_the_left = {arrow.source for arrow, way in pairs if way[2][0] < way[0][0]}
        told = set()
        for arrow, way in pairs:
            self._arrow(way)
            if (arrow.source, arrow.shape) not in told:
                told.add((arrow.source, arrow.shape))
                self._shape(dims(arrow.shape), way, among=arrow.source in to_the_left)

    def _arrow(self, way: Sequence[Point]) -> None:
        style = "-|>,head_length=0.35,head_width=0.18"
        keys: dict[str, Any] = {"mutation_scale": 10, "color": "#555555", "linewidth": 0.9}
        self.axes.add_patch(FancyArrowPatch(path=_curve(way), arrowstyle=style, **keys))

    def _shape(self, words: str, way: Sequence[Point], *, among: bool) -> None:
        """Words to the left of where a way begins, unless they are `among` arrows that lead there.

        Then they stand to its right, or where it goes straight down near its end.
        """
        (x, _), (_, y), (then, below) = way[:3]
        if below == y:  # to another column
            self._text(x - 0.05, y - 0.08, words, SMALL, ha="right", color=PALE)
        elif among and then < x:
            self._text(x + 0.05, y + 0.12, words, SMALL, ha="left", color=PALE)
        else:
            middle = below - 0.12 if among and then == x else y + 0.12
            self._text(x - 0.05, middle, words, SMALL, ha="right", color=PALE)


def _turns(item: tuple[Arrow, Sequence[Point]]) -> int:
    return len({x for x, _ in item[1]})


def _curve(way: Sequence[Point]) -> Path:
    """Straight lines, and where both x and y change a curve that leaves and arrives vertically."""
    points, codes = [way[0]], [Path.MOVETO]
    for (x0, y0), (x1, y1) in pairwise(way):
        if x0 == x1 or y0 == y1:
            points.append((x1, y1))
            codes.append(Path.LINETO)
        else:
            middle = (y0 + y1) / 2
            points += [(x0, middle), (x1, middle), (x1, y1)]
            codes += [Path.CURVE4] * 3
    return Path(points, codes)


def _column_widths(card: Card) -> list[float]:
    """Inches that the names, kinds and counts of a box take."""
    names, kinds, counts = zip(*card.rows(), strict=True)
    return [
        max(_width(text, SIZE, **BOLD) for text in names),
        *(max(_width(text, SMALL) for text in texts) for texts in (kinds, counts)),
    ]


def _width(text: str, size: float, **keys: Any) -> float:
    """Inches that a text takes."""
    font = FontProperties(size=size, **keys)
    width, _, _ = _renderer().get_text_width_height_descent(text, font, False)
    return float(width) / 150


@cache
def _renderer() -> Any:
    canvas: Any = FigureCanvasAgg(Figure(figsize=(1, 1), dpi=150))
    return canvas.get_renderer()
