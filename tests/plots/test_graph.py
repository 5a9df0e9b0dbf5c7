"""The picture of a net: its words are on it, apart from one another and within their boxes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.transforms import Bbox

from sparsenet.files import FileError
from sparsenet.plots import graph
from sparsenet.plots.graph import GRAPH_MARK, draw_graph
from sparsenet.plots.style import MOST_PIXELS
from tests.plots.nets import Made, chain, inception, residual

TOTALS = "1,234 parameters, 0.724 G multiply-accumulates of one example"


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures, which are not written."""
    figures: list[Figure] = []
    monkeypatch.setattr(graph, "save_png", lambda figure, *_: figures.append(figure))
    return figures


def words_on(figure: Figure) -> Iterator[tuple[str, Bbox]]:
    renderer = FigureCanvasAgg(figure).get_renderer()
    for text in figure.axes[0].texts:
        if text.get_text():
            yield text.get_text(), text.get_window_extent(renderer)


@pytest.mark.parametrize(
    "net", [chain(2), chain(30), residual(3), residual(9), inception(2)], ids=lambda n: n["name"]
)
def test_no_words_overlap_and_all_are_on_the_picture(
    net: dict[str, Any], drawn: list[Figure]
) -> None:
    draw_graph(net, TOTALS, Path("net.png"))
    words = list(words_on(drawn[0]))
    width, height = drawn[0].canvas.get_width_height()
    for text, box in words:
        assert 0 <= box.x0 < box.x1 <= width, text
        assert 0 <= box.y0 < box.y1 <= height, text
    for (one, a), (other, b) in itertools.combinations(words, 2):
        assert not a.overlaps(b), (one, other)
    said = [text for text, _ in words]
    assert said[:2] == [f"{net['name']}, TEST", TOTALS]
    kinds = [layer["type"] for layer in net["layers"]]
    assert sum(text.startswith("Convolution 3x3") for text in said) == kinds.count("Convolution")


def test_boxes_arrows_shapes_and_blocks(drawn: list[Figure]) -> None:
    draw_graph(residual(2), TOTALS, Path("net.png"))
    patches = drawn[0].axes[0].patches
    boxes = [patch for patch in patches if isinstance(patch, FancyBboxPatch)]
    arrows = [patch for patch in patches if isinstance(patch, FancyArrowPatch)]
    assert len(boxes) == 2 + 10  # two blocks; data, conv, three in each of them, two judges
    assert len(arrows) == 1 + 2 * 4 + 2
    said = [text for text, _ in words_on(drawn[0])]
    assert said.count("3x32x32") == 1
    assert said.count("8x32x32") == 7  # once for each box that is read, however often
    assert {"block/0", "block/1", "conv1", "sum", "loss"} <= set(said)


@pytest.mark.parametrize("name", ["$x_1$", "a\nb", "網", "x" * 500, "\\alpha", "&"])
def test_a_name_is_drawn_as_it_is(name: str, tmp_path: Path) -> None:
    made = Made(name)
    made.convolution(name, 8)
    made.judges()
    draw_graph(made.document(), TOTALS, tmp_path / "net.png")
    content = (tmp_path / "net.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert GRAPH_MARK.encode() in content[:1024]


def test_a_picture_has_no_more_pixels_than_can_be_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sparsenet.plots.style.MOST_PIXELS", 500)
    draw_graph(chain(3), TOTALS, tmp_path / "net.png")
    content = (tmp_path / "net.png").read_bytes()
    sizes = int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")
    assert 499 <= max(sizes) <= 500 < MOST_PIXELS


def test_a_folder_that_is_not_there_is_a_file_error(tmp_path: Path) -> None:
    with pytest.raises(FileError):
        draw_graph(chain(1), TOTALS, tmp_path / "none" / "net.png")
