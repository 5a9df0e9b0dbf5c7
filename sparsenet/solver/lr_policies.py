"""Caffe's learning-rate policies: pure functions of the step, so nothing of them is ever saved.

`step` is the number of updates already made, from 0. Powers are those of C, as in Caffe: infinite
where they overflow and NaN where they are undefined, which then stops the run as any NaN does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Policy:
    """A learning rate as a function of the step, and the solver keys that it requires."""

    keys: tuple[str, ...]
    function: Callable[..., float]

    def __call__(self, base_lr: float, step: int, **keys: object) -> float:
        """The learning rate of the update that follows `step` updates; `keys` may be more."""
        return self.function(base_lr, step, **keys)


LR_POLICIES: dict[str, Policy] = {}


def register(name: str, *keys: str) -> Callable[[Callable[..., float]], Callable[..., float]]:
    """Make a function known as the lr_policy `name` with the solver keys that it requires."""

    def add(function: Callable[..., float]) -> Callable[..., float]:
        LR_POLICIES[name] = Policy(keys, function)
        return function

    return add


class Schedule(Protocol):
    """The keys of a solver that a learning rate may depend on."""

    @property
    def base_lr(self) -> float:
        """The rate the policy starts from."""

    @property
    def lr_policy(self) -> str:
        """The name of the policy."""

    @property
    def max_iter(self) -> int:
        """The number of updates of the whole run."""


def learning_rate(solver: Schedule, step: int) -> float:
    """The solver's learning rate after `step` updates, before any lr_mult."""
    policy = LR_POLICIES[solver.lr_policy]
    keys = {key: getattr(solver, key) for key in policy.keys}
    return policy(solver.base_lr, step, max_iter=solver.max_iter, **keys)


@register("fixed")
def fixed(base_lr: float, step: int, **_: object) -> float:
    """base_lr."""
    return base_lr


@register("step", "gamma", "stepsize")
def by_step(base_lr: float, step: int, *, gamma: float, stepsize: int, **_: object) -> float:
    """base_lr * gamma^floor(step / stepsize)."""
    return base_lr * _power(gamma, step // stepsize)


@register("exp", "gamma")
def exp(base_lr: float, step: int, *, gamma: float, **_: object) -> float:
    """base_lr * gamma^step."""
    return base_lr * _power(gamma, step)


@register("inv", "gamma", "power")
def inv(base_lr: float, step: int, *, gamma: float, power: float, **_: object) -> float:
    """base_lr * (1 + gamma * step)^-power."""
    return base_lr * _power(1 + gamma * step, -power)


@register("multistep", "gamma", "stepvalue")
def multistep(
    base_lr: float, step: int, *, gamma: float, stepvalue: Sequence[int], **_: object
) -> float:
    """base_lr * gamma^(number of stepvalues <= step)."""
    return base_lr * _power(gamma, sum(value <= step for value in stepvalue))


@register("poly", "power")
def poly(base_lr: float, step: int, *, power: float, max_iter: int, **_: object) -> float:
    """base_lr * (1 - step / max_iter)^power."""
    return base_lr * _power(1 - step / max_iter, power)


@register("sigmoid", "gamma", "stepsize")
def sigmoid(base_lr: float, step: int, *, gamma: float, stepsize: int, **_: object) -> float:
    """base_lr / (1 + exp(-gamma * (step - stepsize))); falls where gamma is negative."""
    x = gamma * (step - stepsize)
    tail = math.exp(-abs(x))  # never of a positive number, which could overflow
    return base_lr * (1.0 if x >= 0 else tail) / (1 + tail)


def _power(base: float, exponent: float) -> float:
    """C's pow(base, exponent), which raises nothing."""
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return math.inf
    except ValueError:
        return math.inf if base == 0 else math.nan
