"""Finding the narrow range of strengths between a dense and an empty network."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from math import isfinite, sqrt

DENSE, EMPTY = 0.9, 0.01
"""A share of nonzeros that counts as dense, and one that counts as empty."""
_FIRST, _FACTOR = 1e-3, 10.0
_LEAST, _MOST = 1e-9, 1e6
_RISE = 0.05
"""By how much the density must rise again to be more than noise."""


@dataclass(frozen=True)
class Range:
    """From a strength that leaves the network dense to one that leaves `least`, as few as any."""

    weak: float
    strong: float
    least: float


Bracket = Generator[float, float, Range]


class NoRangeError(Exception):
    """However strong, or however weak, the network does not become empty, or dense."""


def bracket() -> Bracket:
    """Yield strengths, each to be answered by the density it leads to; return the range.

    The answer is infinity where training diverged. By tenfold steps from 0.001 up to one that
    leaves at most 1 % of the weights, and down to one that leaves 90 %; then each end once nearer
    by a factor of sqrt(10). Collins & Kohli (2014), section 5.2: outside a narrow range l1 and
    shrink give dense models or such as are all zero. A strong l1 may do neither: its step, learning
    rate times strength, throws the weights over zero and far beyond, and the density rises again.
    The range then ends where the network was sparsest.
    """
    found: dict[float, float] = {}
    last = yield from _stronger(found)
    yield from _weaker(found, min(found, default=last))
    least = min(found.values())
    if least >= DENSE:
        raise NoRangeError(f"the network is dense up to {max(found):g}, and spoilt at {last:g}")
    strong = min(power for power, density in found.items() if density <= max(EMPTY, least))
    weak = max(power for power, density in found.items() if density >= DENSE and power < strong)
    least = found[strong]
    if strong / weak > _FACTOR * 1.01:
        if DENSE <= (yield weak * sqrt(_FACTOR)) <= 1:
            weak *= sqrt(_FACTOR)
        if (density := (yield strong / sqrt(_FACTOR))) <= max(EMPTY, least):
            strong, least = strong / sqrt(_FACTOR), density
    return Range(weak, strong, least)


def _stronger(found: dict[float, float]) -> Generator[float, float, float]:
    """Note densities until one is empty or risen again; return the strength it ended at."""
    power = _FIRST
    while (density := (yield power)) <= min(found.values(), default=1.0) + _RISE:
        found[power] = density
        if density <= EMPTY:
            break
        power *= _FACTOR
        if power > _MOST:
            raise NoRangeError(f"at {_MOST:g} the network is not empty yet")
    return power


def _weaker(found: dict[float, float], weak: float) -> Generator[float, float, None]:
    """Note densities of ever weaker strengths until one is dense."""
    while found.get(weak, 0.0) < DENSE:
        weak /= _FACTOR
        if weak < _LEAST:
            raise NoRangeError(f"at {_LEAST:g} the network is not dense yet")
        if isfinite(density := (yield weak)):
            found[weak] = density


def points_within(weak: float, strong: float, count: int) -> list[float]:
    """So many strengths between the two, at equal ratios, rounded to three digits."""
    step = (strong / weak) ** (1 / (count + 1))
    return [float(f"{weak * step**place:.3g}") for place in range(1, count + 1)]
