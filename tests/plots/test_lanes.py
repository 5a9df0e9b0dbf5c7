"""The lines that boxes and arrows run along, on small graphs that can be drawn in the head."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sparsenet.plots.lanes import Arrow, lanes_of, ranks_of


def lanes(boxes: int, arrows: list[Arrow]) -> tuple[list[int], dict[Arrow, int]]:
    return lanes_of(ranks_of(boxes, arrows), arrows)


def test_a_box_is_one_rank_below_the_lowest_that_feeds_it() -> None:
    assert ranks_of(4, [(0, 1), (1, 3), (0, 2), (2, 3), (0, 3)]) == [0, 1, 1, 2]
    assert ranks_of(2, []) == [0, 0]


def test_a_chain_is_one_line() -> None:
    assert lanes(4, [(0, 1), (1, 2), (2, 3)]) == ([0, 0, 0, 0], {})


def test_a_shortcut_runs_beside_the_boxes_it_passes_and_so_does_the_next() -> None:
    arrows = [(0, 1), (1, 2), (0, 2), (2, 3), (3, 4), (2, 4)]
    assert lanes(5, arrows) == ([0, 0, 0, 0, 0], {(0, 2): 1, (2, 4): 1})


def test_a_short_branch_stands_aside_though_it_comes_first_and_its_line_goes_on_below_it() -> None:
    arrows = [(0, 1), (0, 2), (2, 3), (1, 4), (3, 4)]
    assert lanes(5, arrows) == ([0, 1, 0, 0, 0], {(1, 4): 1})


def test_branches_stand_on_both_sides() -> None:
    arrows = [(0, n) for n in (1, 2, 3, 4)] + [(n, 5) for n in (1, 2, 3, 4)]
    assert lanes(6, arrows)[0] == [0, 0, 1, -1, 2, 0]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[int, list[Arrow]]:
    boxes = draw(st.integers(1, 12))
    pairs = [(a, b) for b in range(boxes) for a in range(b)]
    arrows = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=20)) if pairs else []
    return boxes, arrows


@given(graphs())
@settings(deadline=None)
def test_nothing_stands_on_anything_else(graph: tuple[int, list[Arrow]]) -> None:
    boxes, arrows = graph
    ranks = ranks_of(boxes, arrows)
    own, ways = lanes_of(ranks, arrows)
    assert all(ranks[source] < ranks[target] for source, target in arrows)
    assert set(ways) == {(a, b) for a, b in arrows if ranks[b] - ranks[a] > 1}
    taken = [(lane, rank) for lane, rank in zip(own, ranks, strict=True)]
    for (source, target), lane in ways.items():
        taken += [(lane, rank) for rank in range(ranks[source] + 1, ranks[target])]
    assert len(set(taken)) == len(taken)
