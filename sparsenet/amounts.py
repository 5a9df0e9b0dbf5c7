"""How many of something: a whole number, or a percentage of all there are."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from sparsenet.record_words import shown

PERCENTAGE = r"([0-9]{1,3}(?:\.[0-9]{1,18})?)%"


def percentage(value: object) -> Fraction | None:
    """A percentage in a text, "0.5%", as an exact fraction of 1, or None for anything else."""
    match = re.fullmatch(PERCENTAGE, value) if isinstance(value, str) else None
    return Fraction(match[1]) / 100 if match else None


def _check_amount(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    fraction = percentage(value)
    if fraction is None:
        raise ValueError(f"{shown(value)} is not a whole number from 1 or a percentage such as 5%")
    if not 0 < fraction <= 1:
        raise ValueError(f"{shown(value)} must be above 0% and at most 100%")
    return value


Amount = Annotated[
    int | str,
    BeforeValidator(_check_amount),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "string", "pattern": f"^{PERCENTAGE}$"},
            ]
        }
    ),
]
"""A whole number from 1, or a percentage as a text, "5%" or "0.5%"."""


def resolve_amount(amount: int | str, total: int, thing: str = "weight") -> int:
    """The number that `amount` means among `total`: floor(total * percentage / 100), exactly.

    Raises ValueError when it is no `Amount`, comes to no `thing` at all, or to more than `total`.
    """
    _check_amount(amount)
    fraction = percentage(amount)
    number = int(fraction * total) if fraction is not None else int(amount)
    if number == 0:
        raise ValueError(f"{amount} of {total} {thing}s is less than one {thing}")
    if number > total:
        raise ValueError(f"{number} is more than the {total} {thing}s there are")
    return number
