"""Layouts: what must not overlap, and how columns are chosen."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from sparsenet.plots.cards import cards_of
from sparsenet.plots.columns import PAGE, Box
from sparsenet.plots.layered import Layout, lay_out
from sparsenet.plots.wiring import wires_of
from tests.plots.nets import chain, inception, residual

NETS = [chain(1), chain(4), chain(60), residual(2), residual(18), inception(2), inception(9)]


def laid_out(net: dict[str, Any]) -> tuple[list[Box], list[tuple[int, int]], Layout]:
    wires = [wire for wire in wires_of(net["layers"]) if not wire.is_label]
    cards, found = cards_of(net["layers"], wires)
    boxes = [Box(1.0 + nth % 3 / 2, 0.2 * len(card.layers)) for nth, card in enumerate(cards)]
    arrows = [(arrow.source, arrow.target) for arrow in found]
    return boxes, arrows, lay_out(boxes, arrows)


@pytest.mark.parametrize("net", NETS, ids=lambda net: f"{net['name']} of {len(net['layers'])}")
def test_boxes_are_on_the_page_apart_from_one_another_and_from_arrows(net: dict[str, Any]) -> None:
    boxes, arrows, layout = laid_out(net)
    sides = [
        (x - box.width / 2, y, x + box.width / 2, y + box.height)
        for box, (x, y) in zip(boxes, layout.tops, strict=True)
    ]
    for left, top, right, bottom in sides:
        assert -1e-9 <= left < right <= layout.width + 1e-9
        assert 0 <= top < bottom <= layout.height
    for one, other in itertools.combinations(sides, 2):
        assert one[2] < other[0] or other[2] < one[0] or one[3] < other[1] or other[3] < one[1]
    for (source, target), way in zip(arrows, layout.ways, strict=True):
        assert way[0][1] == pytest.approx(sides[source][3])
        assert way[-1][1] == pytest.approx(sides[target][1])
        assert sides[source][0] < way[0][0] < sides[source][2]
        assert sides[target][0] < way[-1][0] < sides[target][2]
        for (x, y), (_, then) in itertools.pairwise(way):
            for box in sides:
                inside = box[0] < x < box[2] and max(y, box[1]) < min(then, box[3]) - 1e-9
                assert not inside or y == then, "an arrow runs down through a box"


@pytest.mark.parametrize("net", NETS, ids=lambda net: f"{net['name']} of {len(net['layers'])}")
def test_a_picture_is_a_page_high_or_of_a_pleasant_shape(net: dict[str, Any]) -> None:
    layout = laid_out(net)[2]
    if max(layout.columns) == 0:
        assert layout.height <= PAGE
    else:
        assert 0.7 < layout.width / layout.height < 2.5


def test_boxes_of_one_chain_are_straight_below_one_another() -> None:
    layout = laid_out(chain(4))[2]
    assert len({x for x, _ in layout.tops[:-1]}) == 1
    assert [y for _, y in layout.tops[:-1]] == sorted(y for _, y in layout.tops[:-1])


def test_a_net_that_cannot_be_cut_has_one_column() -> None:
    arrows = [(n, n + 1) for n in range(29)] + [(n, 29 - n) for n in range(14)]
    layout = lay_out([Box(1.0, 1.0)] * 30, arrows)
    assert set(layout.columns) == {0}
    assert layout.height > PAGE


def test_a_block_is_kept_in_one_column_unless_it_is_higher_than_a_page() -> None:
    arrows = [(n, n + 1) for n in range(59)]
    small = lay_out([Box(1.0, 0.5, f"block{n // 5}") for n in range(60)], arrows)
    starts = [n for n in range(60) if n and small.columns[n] != small.columns[n - 1]]
    assert starts
    assert all(start % 5 == 0 for start in starts)
    assert max(lay_out([Box(1.0, 0.5, "one")] * 60, arrows).columns) > 1
