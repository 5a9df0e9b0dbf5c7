"""The vertical lines that boxes stand on and arrows over several ranks run along.

Boxes of which each is the next one's main source share a line, and so lie straight below one
another. An arrow over several ranks runs along the line that ends or begins with one of its boxes,
or else along one of its own. Lines that do not overlap share a lane.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

Arrow = tuple[int, int]


@dataclass
class _Line:
    """A line over the ranks from `first` to `last`, both included."""

    first: int
    last: int
    lane: int = 0


def ranks_of(boxes: int, arrows: Sequence[Arrow]) -> list[int]:
    """The rank of each box, from 0: the length of the longest way to it.

    Boxes are numbered so that arrows go from lower to higher numbers.
    """
    ranks = [0] * boxes
    for source, target in sorted(arrows, key=lambda arrow: arrow[1]):
        ranks[target] = max(ranks[target], ranks[source] + 1)
    return ranks


def lanes_of(ranks: Sequence[int], arrows: Sequence[Arrow]) -> tuple[list[int], dict[Arrow, int]]:
    """The lane of each box and of each arrow over several ranks: 0, then 1 to the right, then -1.

    Lane 0 is that of the longest line.
    """
    lines = _lines_of_boxes(ranks, arrows)
    every = list({id(line): line for line in lines}.values())
    ends: dict[int, int] = {id(line): line.last for line in every}
    begins: dict[int, int] = {id(line): line.first for line in every}
    ways: dict[Arrow, _Line] = {}
    for source, target in dict.fromkeys(arrows):
        above, below = ranks[source] + 1, ranks[target] - 1
        if above > below:
            continue
        before, after = lines[source], lines[target]
        if before.last == ends[id(before)] == above - 1:
            before.last, way = below, before
        elif after.first == begins[id(after)] == below + 1:
            after.first, way = above, after
        else:
            way = _Line(above, below)
            every.append(way)
        ways[source, target] = way
    _assign(every)
    return [line.lane for line in lines], {arrow: way.lane for arrow, way in ways.items()}


def _lines_of_boxes(ranks: Sequence[int], arrows: Sequence[Arrow]) -> list[_Line]:
    """Each box's line: its main source's where it is the main one that this feeds."""
    longest = [0] * len(ranks)
    feeds: list[list[int]] = [[] for _ in ranks]
    fed: list[list[int]] = [[] for _ in ranks]
    for source, target in sorted(arrows, reverse=True):
        longest[source] = max(longest[source], longest[target] + 1)
    for source, target in arrows:
        feeds[source].append(target)
        fed[target].append(source)
    lines: list[_Line] = []
    for box, rank in enumerate(ranks):
        main = max(fed[box], key=lambda other: (ranks[other], -other), default=None)
        if main is not None and max(feeds[main], key=lambda b: (longest[b], -b)) == box:
            lines.append(lines[main])
            lines[box].last = rank
        else:
            lines.append(_Line(rank, rank))
    return lines


def _assign(lines: Sequence[_Line]) -> None:
    """Give each line the lane nearest to the middle that is free over all its ranks."""
    taken: dict[int, list[_Line]] = {}
    main = max(lines, key=lambda line: line.last - line.first)
    rest = sorted(lines, key=lambda line: (line is not main, line.first, line.first - line.last))
    for line in rest:
        for nth in count():
            lane = (nth + 1) // 2 * (1 if nth % 2 else -1)
            others = taken.setdefault(lane, [])
            if all(line.last < other.first or other.last < line.first for other in others):
                line.lane = lane
                others.append(line)
                break
