"""Finding the narrow range of strengths between a dense and an empty network."""

from __future__ import annotations

from collections.abc import Generator
from math import sqrt

DENSE, EMPTY = 0.9, 0.01
"""A share of nonzeros that counts as dense, and one that counts as empty."""
_FIRST, _FACTOR = 1e-3, 10.0
_LEAST, _MOST = 1e-9, 1e6

Bracket = Generator[float, float, tuple[float, float]]


class NoRangeError(Exception):
    """However strong, or however weak, the network does not become empty, or dense."""


def bracket() -> Bracket:
    """Yield strengths, each to be answered by the density it leads to; return (weak, strong).

    By tenfold steps from 0.001 up to one that leaves at most 1 % of the weights, and down to one
    that leaves 90 %; then each end once nearer by a factor of sqrt(10). Collins & Kohli (2014),
    section 5.2: outside a narrow range l1 and shrink give dense models or such as are all zero.
    """
    found: dict[float, float] = {}
    power = _FIRST
    while (found.setdefault(power, (yield power))) > EMPTY:
        power *= _FACTOR
        if power > _MOST:
            raise NoRangeError(f"at {_MOST:g} the network is not empty yet")
    weak = min(found)
    while found[weak] < DENSE:
        weak /= _FACTOR
        if weak < _LEAST:
            raise NoRangeError(f"at {_LEAST:g} the network is not dense yet")
        found[weak] = yield weak
    weak = max(power for power, density in found.items() if density >= DENSE)
    strong = min(power for power, density in found.items() if density <= EMPTY)
    if strong / weak > _FACTOR * 1.01:
        if (yield weak * sqrt(_FACTOR)) >= DENSE:
            weak *= sqrt(_FACTOR)
        if (yield strong / sqrt(_FACTOR)) <= EMPTY:
            strong /= sqrt(_FACTOR)
    return weak, strong


def points_within(weak: float, strong: float, count: int) -> list[float]:
    """So many strengths between the two, at equal ratios, rounded to three digits."""
    step = (strong / weak) ** (1 / (count + 1))
    return [float(f"{weak * step**place:.3g}") for place in range(1, count + 1)]
