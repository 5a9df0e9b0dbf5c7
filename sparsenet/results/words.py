"""How numbers are written for a reader."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

MISSING = "–"  # noqa: RUF001  an en dash is what tables have where nothing was measured


def percent(share: float | None) -> str:
    """A fraction in percent with two decimals, without the sign."""
    return MISSING if share is None else f"{100 * share:.2f}"


def with_sign(share: float | None) -> str:
    """The same with its sign: `74.83 %`."""
    return "not measured" if share is None else f"{100 * share:.2f} %"


def kib(count: float | None) -> str:
    """Bytes in KiB (2^10 bytes) with one decimal, without the unit."""
    return MISSING if count is None else f"{count / 1024:,.1f}"


def whole(count: float | None) -> str:
    """A whole number, its thousands apart."""
    return MISSING if count is None else f"{count:,.0f}"


def decimal(value: float | None) -> str:
    """A loss, with four decimals, or digits where it is large."""
    return MISSING if value is None else f"{value:.4f}" if abs(value) < 1000 else f"{value:.4g}"


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """`1 trial`, `3 trials`."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def known(values: Iterable[float | None]) -> list[float]:
    """The values that were measured."""
    return [value for value in values if value is not None]


def mean(values: Sequence[float]) -> float | None:
    """The mean, None of nothing."""
    return statistics.fmean(values) if values else None


def deviation(values: Sequence[float]) -> float:
    """The standard deviation of a sample, which of one value is 0."""
    return statistics.stdev(values) if len(values) > 1 else 0.0


def spread(shares: Sequence[float]) -> str:
    """Fractions as mean ± standard deviation in percent, the mean alone where there is but one."""
    if len(shares) < 2:
        return percent(mean(shares))
    return f"{percent(mean(shares))} ± {100 * deviation(shares):.2f}"
