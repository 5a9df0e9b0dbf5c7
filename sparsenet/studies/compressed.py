"""A solver's learning rates in fewer updates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def compressed(data: dict[str, Any], updates: int) -> dict[str, Any]:
    """The solver's keys for `updates` updates whose rates fall as those of its max_iter do.

    The rate after i updates is the solver's after i * max_iter / updates: so a short training too
    ends with the small rates that the whole one ends with. Steps are rounded to whole updates.
    """
    factor = updates / data["max_iter"]
    kept = dict(data)
    if "stepvalue" in data:
        given = data["stepvalue"]
        steps = given if isinstance(given, list | tuple) else [given]
        kept["stepvalue"] = _rising([round(step * factor) for step in steps])
    if "stepsize" in data:
        kept["stepsize"] = max(1, round(data["stepsize"] * factor))
    policy = data.get("lr_policy")
    if policy == "exp":
        kept["gamma"] = data["gamma"] ** (1 / factor)
    elif policy in ("inv", "sigmoid"):
        kept["gamma"] = data["gamma"] / factor
    return kept | {"max_iter": updates}


def _rising(steps: Sequence[int]) -> list[int]:
    """The steps from 1 on, each later than the one before."""
    rising: list[int] = []
    for step in steps:
        rising.append(max(step, rising[-1] + 1 if rising else 1))
    return rising
