"""Tables of plain text, as commands print them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

WIDTH = 110
"""Columns a terminal is expected to have, where the texts allow it."""


def aligned(rows: Sequence[Sequence[str]], left: Collection[int] = (0,)) -> list[str]:
    """Rows of equal width: the columns `left` to the left, others, as numbers, to the right.

    Two columns lie between them, or one where the table would be wider than `WIDTH`.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    gap = "  " if sum(widths) + 2 * (len(widths) - 1) <= WIDTH else " "
    return [
        gap.join(
            cell.ljust(width) if place in left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
