"""Lists and ranges of numbers on the command line, exactly the decimals that were written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable
from decimal import Context, Decimal, localcontext
from typing import TypeVar

from sparsenet.errors import ConfigError, Problem
from sparsenet.record_words import shown

# More digits than any sum or quotient of the numbers that can be given has: it is then exact.
EXACT = Context(prec=300)
MOST_VALUES = 1000
_NUMBER = re.compile(r"(?:[0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})(?:[eE][-+]?[0-9]{1,2})?")
T = TypeVar("T", bound=Hashable)


def decimals(option: str, text: str) -> list[Decimal]:
    """The values of start:stop:step, the stop included, or of a list, all different.

    Raises ConfigError naming the option.
    """
    if ":" not in text:
        return values_of(option, text, lambda item: _number(option, item))
    parts = text.split(":")
    if len(parts) != 3:
        words = f"{shown(text)} is neither start:stop:step, such as 0:0.1:0.01, nor a list"
        raise ConfigError(Problem(option, "", words))
    start, stop, step = (_number(option, part.strip()) for part in parts)
    if step == 0:
        raise ConfigError(Problem(option, "", f"{text}: the step must be above 0"))
    if stop < start:
        raise ConfigError(Problem(option, "", f"{text}: the stop is below the start"))
    with localcontext(EXACT):
        count = int((stop - start) // step) + 1
        _check_how_many(option, text, count)
        return [start + index * step for index in range(count)]


def values_of(option: str, text: str, read: Callable[[str], T]) -> list[T]:
    """The values of a list, all different. Raises ConfigError naming the option."""
    texts = [item.strip() for item in text.split(",")]
    _check_how_many(option, shown(text), len(texts))
    values = [read(item) for item in texts]
    counts = Counter(values)
    for item, value in zip(texts, values, strict=True):
        if counts[value] > 1:
            raise ConfigError(Problem(option, "", f"{item} is given more than once"))
    return values


def plain(value: Decimal) -> str:
    """A number as one writes it: 0.1, not 0.10 nor 1E-1."""
    with localcontext(EXACT):
        return format(value.normalize(), "f")


def _number(option: str, text: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise ConfigError(Problem(option, "", f"{shown(text)} is not a number of 0 or more"))
    return Decimal(text)


def _check_how_many(option: str, text: str, count: int) -> None:
    if count > MOST_VALUES:
        many = str(count) if count < 10**9 else f"{Decimal(count):.0e}"
        words = f"{text}: {many} values, but {MOST_VALUES} are the most it may have"
        raise ConfigError(Problem(option, "", words))
