"""What a reader of a figure sees of its words."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.transforms import Bbox


def words_on(figure: Figure) -> list[tuple[str, Bbox]]:
    """Every text that is seen, with its place on the picture, which is drawn for that."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    return [(text.get_text(), text.get_window_extent(renderer)) for text in texts_of(figure)]


def texts_of(figure: Figure) -> list[Text]:
    """Every text that is seen once the figure has been drawn."""
    found: list[Text] = []
    for axes in figure.axes:
        found += _of_axes(axes)
        for child in axes.child_axes:
            found += _of_axes(child)
    for legend in figure.legends:
        found += _of_legend(legend)
    return [text for text in found if text.get_text() and text.get_visible()]


def legend_texts(figure: Figure) -> list[str]:
    """The labels of the figure's legends."""
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def _of_axes(axes: Axes) -> Iterator[Text]:
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        for tick in axis.get_major_ticks():
            # A tick beyond the limits has labels too, which are not drawn.
            if low <= tick.get_loc() <= high:
                yield from (tick.label1, tick.label2)
        yield axis.label
    yield from (axes.title, *axes.texts, axes._left_title)  # type: ignore[attr-defined]
    if (legend := axes.get_legend()) is not None:
        yield from _of_legend(legend)


def _of_legend(legend: Legend) -> list[Text]:
    return [*legend.get_texts(), legend.get_title()]


def assert_legible(figure: Figure) -> None:
    """No words overlap, all are on the picture, none is smaller than 8 points."""
    words = words_on(figure)
    width, height = figure.canvas.get_width_height()
    for text, box in words:
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= width, text
        assert box.y1 <= height, text
    for (one, a), (other, b) in itertools.combinations(words, 2):
        assert not a.overlaps(b), (one, other)
    for text in texts_of(figure):
        assert text.get_fontsize() >= 8, text.get_text()
