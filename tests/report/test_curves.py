"""The learning curves: every point in its place, whatever a run has logged."""

from __future__ import annotations

import pytest

from sparsenet.report.curves import MOST_POINTS, Chart, chart, thinned
from tests.report.parsed import Node, named, parsed

LOSSES = {"TRAIN": [(0, 2.0), (50, 1.0), (100, 0.5)], "VAL": [(0, 2.0), (100, 1.0)], "TEST": []}


def drawn(content: Chart) -> list[Node]:
    return parsed(chart(content))


def curves(nodes: list[Node]) -> dict[str, list[tuple[float, float]]]:
    """The places of each curve, which stands before its own sample in the key, by phase."""
    found: dict[str, list[tuple[float, float]]] = {}
    for node in named(nodes, "polyline"):
        pairs = [pair.split(",") for pair in (node.attributes["points"] or "").split()]
        kind = (node.attributes["class"] or "").split()[-1]
        found.setdefault(kind, [(float(x), float(y)) for x, y in pairs])
    return found


def test_points_lie_by_their_values() -> None:
    found = curves(drawn(Chart("loss", LOSSES, log=True)))
    assert set(found) == {"train", "val"}
    (x0, y0), (x1, y1), (x2, y2) = found["train"]
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    assert y1 - y0 == pytest.approx(y2 - y1, abs=0.2), "equal ratios are equally far apart"
    assert y0 < y1, "less is lower"


def test_a_loss_of_zero_has_no_logarithm() -> None:
    nodes = drawn(Chart("loss", {"TRAIN": [(0, 2.0), (1, 1.0), (2, 0.0)]}, log=True))
    heights = [y for _, y in curves(nodes)["train"]]
    assert heights[1] - heights[0] == pytest.approx(heights[2] - heights[1], abs=0.2)
    assert "loss" in [node.words for node in named(nodes, "text")]


def test_it_is_said_in_words_for_who_does_not_see_it() -> None:
    [svg] = named(drawn(Chart("loss", LOSSES)), "svg")
    assert svg.attributes["role"] == "img"
    words = "loss over 100 updates: TRAIN from 2 to 0.5, VAL from 2 to 1"
    assert svg.attributes["aria-label"] == words


def test_stages_are_named_where_there_is_room() -> None:
    stages = [(50, "dense"), (52, "no room for this"), (100, "</svg><script>")]
    words = [node.words for node in named(drawn(Chart("loss", LOSSES, stages)), "text")]
    assert "dense" in words
    assert "</svg><script>" in words
    assert "no room for this" not in words


def test_one_point_is_a_dot() -> None:
    nodes = drawn(Chart("accuracy, %", {"VAL": [(0, 10.0)]}))
    assert len(named(nodes, "circle")) == 1


def test_nothing_is_drawn_of_nothing() -> None:
    assert chart(Chart("loss", {"TRAIN": [], "VAL": []})) == ""


@pytest.mark.parametrize("count", [1, 2, MOST_POINTS, MOST_POINTS + 1, 12_345])
def test_long_curves_are_thinned_and_keep_their_ends(count: int) -> None:
    points = [(i, float(i)) for i in range(count)]
    kept = thinned(points)
    assert len(kept) <= MOST_POINTS + 1
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert kept == sorted(set(kept))
    if count <= MOST_POINTS:
        assert kept == points


@pytest.mark.parametrize("values", [[1e99, 1e-99], [1e99, -1e99], [5.0, 5.0], [0.0, 0.0], [1e-200]])
def test_extreme_values_are_drawn(values: list[float]) -> None:
    points = list(enumerate(values))
    assert "nan" not in chart(Chart("loss", {"TRAIN": points}, log=True))
