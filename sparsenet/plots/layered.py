"""Where the boxes and arrows of a picture of a net lie: in ranks downwards, in columns like a page.

After K. Sugiyama et al., *Methods for Visual Understanding of Hierarchical System Structures*,
1981, without its search for few crossings: nets are long and narrow. Lengths are in inches, and y
counts downwards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sparsenet.plots.columns import RANK_GAP, Box, possible_starts
from sparsenet.plots.lanes import Arrow, lanes_of, ranks_of

Point = tuple[float, float]

LANE_GAP = 0.22
COLUMN_GAP = 0.7
ARROW_WIDTH = 0.08
LEAST_WIDTH = 1.3
"""Of a lane with boxes, for the words beside its arrows."""
ASPECT = 1.45
"""Width over height that a picture of several columns comes near to."""


@dataclass(frozen=True)
class Layout:
    """Each box's middle of its top, each arrow's way, the column of each box, and the whole size.

    A way is a list of points. Where two that follow have another x and another y, the arrow changes
    its lane between them.
    """

    tops: list[Point]
    ways: list[list[Point]]
    columns: list[int]
    width: float
    height: float


def lay_out(boxes: Sequence[Box], arrows: Sequence[Arrow]) -> Layout:
    """One column where that fits a page, else as many as make a picture of a pleasant shape.

    Boxes are numbered so that arrows go from lower to higher numbers.
    """
    ranks = ranks_of(len(boxes), arrows)
    heights = [0.0] * (max(ranks) + 1)
    for box, rank in zip(boxes, ranks, strict=True):
        heights[rank] = max(heights[rank], box.height)
    starts = possible_starts(boxes, arrows, ranks, heights)
    pages = [_Page(boxes, arrows, ranks, heights, chosen) for chosen in starts]
    return min(pages, key=_Page.unsightliness).layout()


class _Page:
    """The columns that begin at these ranks, one beside the other."""

    def __init__(
        self,
        boxes: Sequence[Box],
        arrows: Sequence[Arrow],
        ranks: Sequence[int],
        heights: Sequence[float],
        starts: Sequence[int],
    ) -> None:
        self.boxes, self.arrows, self.ranks = boxes, arrows, ranks
        self.columns = [sum(start <= rank for start in starts) - 1 for rank in ranks]
        self.margin = RANK_GAP if len(starts) > 1 else 0.0
        self.rank_tops: list[float] = []
        self.rank_ends: list[float] = []
        for rank, height in enumerate(heights):
            top = self.margin if rank in starts else self.rank_ends[-1] + RANK_GAP
            self.rank_tops.append(top)
            self.rank_ends.append(top + height)
        self.xs: dict[tuple[int, int], float] = {}
        self.lanes: dict[Arrow, float] = {}
        self.lefts: list[float] = []
        self.width = 0.0
        for column in range(len(starts)):
            self._place(column)

    def unsightliness(self) -> float:
        """0 for the pleasant shape with columns of one height."""
        ends: dict[int, float] = {}
        for box, column in enumerate(self.columns):
            ends[column] = max(ends.get(column, 0), self.rank_ends[self.ranks[box]])
        height = max(ends.values())
        return abs(math.log(self.width / height / ASPECT)) + 1 - min(ends.values()) / height

    def layout(self) -> Layout:
        """The whole of it."""
        places = range(len(self.boxes))
        tops = [
            (self.xs[box, self.columns[box]], self.rank_tops[self.ranks[box]]) for box in places
        ]
        ways = [self._way(*arrow) for arrow in self.arrows]
        height = max(self.rank_ends) + self.margin
        return Layout(tops, ways, self.columns, self.width, height)

    def _place(self, column: int) -> None:
        """Find the places of a column's boxes and arrows, to the right of what there is.

        The box of an earlier column that feeds this one stands above it as a mere point.
        """
        inner = [arrow for arrow in self.arrows if self.columns[arrow[1]] == column]
        own = {box for box, its in enumerate(self.columns) if its == column}
        members = sorted(own.union(*inner))
        number = {box: place for place, box in enumerate(members)}
        local = [(number[source], number[target]) for source, target in inner]
        lanes, ways = lanes_of([self.ranks[box] for box in members], local)
        widths = dict.fromkeys([*lanes, *ways.values()], ARROW_WIDTH)
        for box, lane in zip(members, lanes, strict=True):
            width = self.boxes[box].width if box in own else ARROW_WIDTH
            widths[lane] = max(widths[lane], width, LEAST_WIDTH)
        x = self.width + (COLUMN_GAP if column else 0)
        self.lefts.append(x)
        sides = {}
        for lane in sorted(widths):
            sides[lane] = x, x + widths[lane]
            x += widths[lane] + LANE_GAP
        self.width = x - LANE_GAP
        for box, lane in zip(members, lanes, strict=True):
            self.xs[box, column] = sum(sides[lane]) / 2
        for arrow, way in zip(inner, local, strict=True):
            if way in ways:
                lane = ways[way]
                alone = lane not in (lanes[way[0]], lanes[way[1]])
                # Near the boxes of the middle where no box of its own stands on it.
                near = sides[lane][0] if lane > 0 else sides[lane][1]
                self.lanes[arrow] = near if alone else sum(sides[lane]) / 2

    def _way(self, source: int, target: int) -> list[Point]:
        column = self.columns[target]
        start, end = self.xs[source, column], self.xs[target, column]
        above, below = self.ranks[source], self.ranks[target]
        lane = self.lanes.get((source, target))
        way: list[Point] = []
        if self.columns[source] == column:
            towards = end if lane is None else lane
            leaving = start + _towards(towards - start, self.boxes[source])
            bottom = self.rank_tops[above] + self.boxes[source].height
            way += [(leaving, bottom), (leaving, self.rank_ends[above])]
        else:
            way += self._to_next_column(source, column)
        if lane is not None:
            way += [(lane, self.rank_tops[above + 1]), (lane, self.rank_ends[below - 1])]
        arriving = end + _towards((start if lane is None else lane) - end, self.boxes[target])
        return [*way, (arriving, self.rank_tops[below])]

    def _to_next_column(self, source: int, column: int) -> list[Point]:
        """From below a box to the point that stands for it above a later column."""
        rank = self.ranks[source]
        start, end = self.xs[source, self.columns[source]], self.xs[source, column]
        low = self.rank_ends[rank] + RANK_GAP / 2
        gutter = self.lefts[column] - COLUMN_GAP / 2
        bottom = self.rank_tops[rank] + self.boxes[source].height
        return [(start, bottom), (start, low), (gutter, low), (gutter, 0.0), (end, 0.0)]


def _towards(distance: float, box: Box) -> float:
    """How far from its middle a box is met by an arrow from that far aside."""
    reach = 0.3 * box.width
    return max(-reach, min(reach, distance))
