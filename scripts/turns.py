"""Contenders that take turns in one process, so that what else a machine does is unfair to none."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence

Rates = Mapping[str, Sequence[float]]
"""Of each contender what it reached in each round."""


def in_turns(contenders: Mapping[str, Callable[[], float]], rounds: int) -> Rates:
    """Let each contender have its turn in every round; the order is turned round each time."""
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds):
        for name in list(contenders)[:: 1 if turn % 2 == 0 else -1]:
            rates[name].append(contenders[name]())
    return rates


def ratio(rates: Rates, one: str, other: str) -> float:
    """The median over the rounds of how many times as fast one was as the other."""
    pairs = zip(rates[one], rates[other], strict=True)
    return statistics.median(a / b for a, b in pairs)


def lines(rates: Rates, unit: str) -> str:
    """A line for each contender: its median, its least and its greatest."""
    return "\n".join(
        f"  {name:10} {statistics.median(values):9.2f} {unit}"
        f"  [{min(values):.2f} .. {max(values):.2f}]"
        for name, values in rates.items()
    )
