"""Caffe's solver types: one in-place step of one weight, to the letter of Caffe's source.

The package steps itself rather than wrap torch.optim, because the two differ:

- Caffe keeps the learning rate inside the velocity, v <- m*v + rate*g and w <- w - v; torch keeps
  it outside, v <- m*v + g and w <- w - rate*v. They part when the rate changes.
- Caffe's Adam adds delta to the root of the uncorrected second moment, torch to the corrected one.
- lr_mult belongs to each blob, and a torch parameter group for each blob costs a loop of its own.
- A checkpoint holds Caffe's history blobs by name, from which a run goes on bit for bit.

Everywhere g is the gradient with its regularization, `rate` = learning rate * lr_mult of this step
and `iteration` the number of updates already made. A step changes weight and state in place,
may overwrite the gradient, and is called without gradient recording.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self, TypeVar

import torch
from torch import Tensor

State = dict[str, Tensor]
"""Caffe's history blobs of one weight, each of its shape. What moves a weight on without any
gradient is called "velocity" in every type that has it."""


class Update:
    """One solver type with its hyperparameters."""

    keys: ClassVar[tuple[str, ...]] = ()
    """The solver keys that are its hyperparameters; their defaults are Caffe's."""
    blobs: ClassVar[tuple[str, ...]] = ()
    """The names of its history blobs."""

    @classmethod
    def from_solver(cls, solver: object) -> Self:
        """Of the keys a solver has; those that are None keep Caffe's default."""
        given = {key: getattr(solver, key) for key in cls.keys}
        return cls(**{key: value for key, value in given.items() if value is not None})

    def new_state(self, weight: Tensor) -> State:
        """The history of a weight before its first step, all zero."""
        return {blob: torch.zeros_like(weight, requires_grad=False) for blob in self.blobs}

    def step_(
        self, weight: Tensor, gradient: Tensor, state: State, rate: float, iteration: int
    ) -> None:
        """Change weight and state by one step; the gradient's values are lost."""
        raise NotImplementedError


U = TypeVar("U", bound=Update)
UPDATES: dict[str, type[Update]] = {}


def register(update: type[U]) -> type[U]:
    """Make a dataclass known by its name as a solver's `type`; its fields are its solver keys."""
    update = dataclass(frozen=True)(update)
    update.keys = tuple(field.name for field in dataclasses.fields(update))  # type: ignore[arg-type]
    UPDATES[update.__name__] = update
    return update


@register
class SGD(Update):
    """v <- momentum*v + rate*g; w <- w - v."""

    blobs = ("velocity",)

    momentum: float = 0.0

    def step_(
        self, weight: Tensor, gradient: Tensor, state: State, rate: float, iteration: int
    ) -> None:
        """The step above."""
        weight.sub_(state["velocity"].mul_(self.momentum).add_(gradient, alpha=rate))


@register
class Nesterov(Update):
    """v' <- momentum*v + rate*g; w <- w - ((1 + momentum)*v' - momentum*v)."""

    blobs = ("velocity",)

    momentum: float = 0.0

    def step_(
        self, weight: Tensor, gradient: Tensor, state: State, rate: float, iteration: int
    ) -> None:
        """The step above; v' - momentum*v is rate*g, which spares a copy of the old velocity."""
        velocity = state["velocity"].mul_(self.momentum).add_(gradient, alpha=rate)
        weight.sub_(gradient, alpha=rate).sub_(velocity, alpha=self.momentum)


@register
class Adam(Update):
    """v <- momentum*v + (1 - momentum)*g; s <- momentum2*s + (1 - momentum2)*g^2;
    w <- w - rate * c * v / (sqrt(s) + delta), where c = sqrt(1 - momentum2^t) / (1 - momentum^t)
    and t = iteration + 1.
    """

    blobs = ("velocity", "squares")

    momentum: float = 0.0
    momentum2: float = 0.999
    delta: float = 1e-8

    def step_(
        self, weight: Tensor, gradient: Tensor, state: State, rate: float, iteration: int
    ) -> None:
        """The step above."""
        velocity = state["velocity"].lerp_(gradient, 1 - self.momentum)
        squares = _average_square_(state["squares"], self.momentum2, gradient)
        t = iteration + 1
        correction = (1 - self.momentum2**t) ** 0.5 / (1 - self.momentum**t)
        root = torch.sqrt(squares, out=gradient).add_(self.delta)
        weight.addcdiv_(velocity, root, value=-rate * correction)


@register
class AdaGrad(Update):
    """s <- s + g^2; w <- w - rate*g / (sqrt(s) + delta)."""

    blobs = ("squares",)

    delta: float = 1e-8

    def step_(
        self, weight: Tensor, gradient: Tensor, state: State, rate: float, iteration: int
    ) -> None:
        """The step above."""
        squares = state["squares"].addcmul_(gradient, gradient)
        weight.addcdiv_(gradient, squares.sqrt().add_(self.delta), value=-rate)


@register
class RMSProp(Update):
    """s <- rms_decay*s + (1 - rms_decay)*g^2; w <- w - rate*g / (sqrt(s) + delta)."""

    blobs = ("squares",)

    rms_decay: float = 0.99
    delta: float = 1e-8

    def step_(
        self, weight: Tensor, gradient: Tensor, state: State, rate: float, iteration: int
    ) -> None:
        """The step above."""
        squares = _average_square_(state["squares"], self.rms_decay, gradient)
        weight.addcdiv_(gradient, squares.sqrt().add_(self.delta), value=-rate)


@register
class AdaDelta(Update):
    """s <- momentum*s + (1 - momentum)*g^2; u = g * sqrt((p + delta) / (s + delta));
    p <- momentum*p + (1 - momentum)*u^2; w <- w - rate*u.
    """

    blobs = ("squares", "steps")

    momentum: float = 0.0
    delta: float = 1e-8

    def step_(
        self, weight: Tensor, gradient: Tensor, state: State, rate: float, iteration: int
    ) -> None:
        """The step above, with p in "steps"."""
        squares = _average_square_(state["squares"], self.momentum, gradient)
        ratio = state["steps"].add(self.delta).div_(squares.add(self.delta))
        step = gradient.mul_(ratio.sqrt_())
        _average_square_(state["steps"], self.momentum, step)
        weight.sub_(step, alpha=rate)


def _average_square_(average: Tensor, decay: float, values: Tensor) -> Tensor:
    """average <- decay*average + (1 - decay)*values^2."""
    return average.mul_(decay).addcmul_(values, values, value=1 - decay)


def clip_gradients_(gradients: Sequence[Tensor], limit: float) -> Tensor:
    """Scale all gradients by limit / norm where their common l2 norm exceeds `limit` (Caffe).

    Returns the norm before scaling. A negative limit is Caffe's way to say: off.
    """
    norm = torch.nn.utils.get_total_norm(gradients)
    if limit >= 0:
        # No branch on the norm, which on a GPU would wait for it. A NaN norm scales nothing, so
        # that the blob which has the NaN stays the only one.
        scale = torch.where(norm > limit, limit / norm, 1.0)
        for gradient in gradients:
            gradient.mul_(scale)
    return norm
