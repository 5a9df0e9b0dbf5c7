"""Where a picture of a net may go on in another column, as a text does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sparsenet.plots.lanes import Arrow

RANK_GAP = 0.44
"""Inches between the boxes of a rank and those of the next."""
PAGE = 9.5
"""A picture no higher than this has one column."""
_SLACK = (1, 1.05, 1.1, 1.15, 1.2, 1.25)


@dataclass(frozen=True)
class Box:
    """A box's extent, and the block, if any, that it is kept together with."""

    width: float
    height: float
    block: str = ""


def possible_starts(
    boxes: Sequence[Box], arrows: Sequence[Arrow], ranks: Sequence[int], heights: Sequence[float]
) -> list[tuple[int, ...]]:
    """Ways to lay the ranks, of these heights, in columns: the first rank of each column.

    One column where it is no higher than a page.
    """
    total = sum(heights) + RANK_GAP * len(heights)
    if total <= PAGE:
        return [(0,)]
    cuts = _cuts(ranks, arrows) - _within_blocks(boxes, ranks, heights)
    limits = [total / columns * slack for columns in range(1, 17) for slack in _SLACK]
    return sorted({tuple(_starts(heights, cuts, limit)) for limit in limits})


def _cuts(ranks: Sequence[int], arrows: Sequence[Arrow]) -> set[int]:
    """The ranks at which a column may begin: all arrows from above them are of one box."""
    sources: list[set[int]] = [set() for _ in range(max(ranks) + 1)]
    for source, target in arrows:
        for rank in range(ranks[source] + 1, ranks[target] + 1):
            sources[rank].add(source)
    return {rank for rank, above in enumerate(sources) if len(above) < 2 and rank}


def _within_blocks(
    boxes: Sequence[Box], ranks: Sequence[int], heights: Sequence[float]
) -> set[int]:
    """The ranks below the first of a block that is no higher than a page."""
    spans: dict[str, list[int]] = {}
    for box, rank in zip(boxes, ranks, strict=True):
        if box.block:
            spans.setdefault(box.block, []).append(rank)
    inner = [range(min(span) + 1, max(span) + 1) for span in spans.values()]
    low = [span for span in inner if sum(heights[span.start : span.stop]) < PAGE]
    return {rank for span in low for rank in span}


def _starts(heights: Sequence[float], cuts: set[int], limit: float) -> list[int]:
    """The first rank of each column, filled one after the other up to `limit` where it can be."""
    starts, cut = [0], 0
    for rank in sorted(cuts | {len(heights)}):
        filled = sum(heights[starts[-1] : rank]) + RANK_GAP * (rank - starts[-1])
        if filled > limit and cut > starts[-1]:
            starts.append(cut)
        cut = rank
    return starts
