"""How a weight or bias blob gets its first values, by Caffe's definitions.

With N values in a blob of shape (num, channels, ...), fan_in = N / num and fan_out = N / channels
(fan_out = N for a blob of one axis). A new filler is one record with `@register` above it and its
name in `AnyFiller`.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from sparsenet.layers.base import Shape, ShapeError
from sparsenet.record import KeyProblem, Record, registering


class Filler(Record):
    """What every filler does."""

    def check(self, shape: Shape) -> None:
        """Raise ShapeError where a blob of this shape cannot be filled."""

    def fill(self, shape: Shape, generator: torch.Generator) -> Tensor:
        """A new float32 tensor on the CPU, drawn from `generator`; raises ShapeError."""
        raise NotImplementedError


FILLERS: dict[str, type[Filler]] = {}
register = registering(FILLERS)


@register
class Constant(Filler):
    """x = value."""

    type: Literal["constant"] = Field("constant", description="every value the same")
    value: float = Field(0.0, description="that value")

    def fill(self, shape: Shape, generator: torch.Generator) -> Tensor:
        """All `value`; nothing is drawn."""
        return torch.full(shape, self.value, dtype=torch.float32)


@register
class Uniform(Filler):
    """x ~ U(min, max)."""

    type: Literal["uniform"] = Field("uniform", description="uniform between min and max")
    min: float = Field(0.0, description="lower bound")
    max: float = Field(1.0, description="upper bound")

    @model_validator(mode="after")
    def _ordered(self) -> Uniform:
        if self.max < self.min:
            raise KeyProblem("max", f"{self.max:g} must be at least min, {self.min:g}")
        return self

    def fill(self, shape: Shape, generator: torch.Generator) -> Tensor:
        """One uniform draw a value."""
        return _uniform(shape, self.min, self.max, generator)


@register
class Gaussian(Filler):
    """x ~ N(mean, std^2); with `sparse`, x * m where m ~ Bernoulli(sparse / num)."""

    type: Literal["gaussian"] = Field("gaussian", description="normal with mean and std")
    mean: float = Field(0.0, description="mean")
    std: float = Field(1.0, gt=0, description="standard deviation")
    sparse: int = Field(
        -1,
        ge=-1,
        description="each value is kept with probability sparse / num, num the blob's first axis, "
        "and is otherwise 0; -1: all are kept",
    )

    def check(self, shape: Shape) -> None:
        """`sparse` / num is a probability."""
        if self.sparse > shape[0]:
            raise ShapeError(
                f"gaussian's sparse, {self.sparse}, must be at most the blob's first axis, "
                f"{shape[0]}"
            )

    def fill(self, shape: Shape, generator: torch.Generator) -> Tensor:
        """All normal draws first, then all Bernoulli draws."""
        self.check(shape)
        values = torch.empty(shape, dtype=torch.float32)
        values.normal_(self.mean, self.std, generator=generator)
        if self.sparse >= 0:
            mask = torch.empty(shape, dtype=torch.float32)
            values *= mask.bernoulli_(self.sparse / shape[0], generator=generator)
        return values


class _VarianceFiller(Filler):
    """The key of the fillers whose variance follows from the blob's shape."""

    variance_norm: Literal["FAN_IN", "FAN_OUT", "AVERAGE"] = Field(
        "FAN_IN", description="n of the formula: fan_in, fan_out, or their mean"
    )

    def fan(self, shape: Shape) -> float:
        """n: fan_in = N / num, fan_out = N / channels, or (fan_in + fan_out) / 2."""
        count = math.prod(shape)
        fan_in, fan_out = count // shape[0], count // (shape[1] if len(shape) > 1 else 1)
        sizes = {"FAN_IN": fan_in, "FAN_OUT": fan_out, "AVERAGE": (fan_in + fan_out) / 2}
        return sizes[self.variance_norm]


@register
class Xavier(_VarianceFiller):
    """x ~ U(-s, s), s = gain sqrt(3 / n): variance gain^2 / n (Glorot & Bengio 2010).

    torch's xavier_uniform_ is that of AVERAGE.
    """

    type: Literal["xavier"] = Field("xavier", description="uniform within gain sqrt(3 / n)")
    gain: float = Field(1.0, gt=0, description="multiplies the values")

    def fill(self, shape: Shape, generator: torch.Generator) -> Tensor:
        """One uniform draw a value."""
        scale = self.gain * math.sqrt(3 / self.fan(shape))
        return _uniform(shape, -scale, scale, generator)


@register
class Msra(_VarianceFiller):
    """x ~ N(0, 2 / n): variance kept through ReLU (He et al. 2015)."""

    type: Literal["msra"] = Field("msra", description="normal with variance 2 / n")

    def fill(self, shape: Shape, generator: torch.Generator) -> Tensor:
        """One normal draw a value."""
        values = torch.empty(shape, dtype=torch.float32)
        return values.normal_(0.0, math.sqrt(2 / self.fan(shape)), generator=generator)


@register
class PositiveUnitball(Filler):
    """x_ij = u_ij / sum_j u_ij, u ~ U(0, 1), i the first axis: each row sums to 1."""

    type: Literal["positive_unitball"] = Field(
        "positive_unitball", description="uniform, then each row divided by its sum"
    )

    def fill(self, shape: Shape, generator: torch.Generator) -> Tensor:
        """One uniform draw a value."""
        rows = _uniform(shape, 0.0, 1.0, generator).view(shape[0], -1)
        return (rows / rows.sum(1, keepdim=True)).view(shape)


@register
class Bilinear(Filler):
    """x(h, w) = (1 - |w/f - c|) (1 - |h/f - c|), f = ceil(k/2), c = (k - 1) / 2f, k the kernel.

    The interpolating kernel of an upsampling by f, in every channel of every output.
    """

    type: Literal["bilinear"] = Field("bilinear", description="bilinear interpolation's kernel")

    def check(self, shape: Shape) -> None:
        """A convolution's weight with a square kernel."""
        if len(shape) != 4 or shape[2] != shape[3]:
            raise ShapeError(f"bilinear fills a weight with a square kernel, not {shape}")

    def fill(self, shape: Shape, generator: torch.Generator) -> Tensor:
        """The same kernel everywhere; nothing is drawn."""
        self.check(shape)
        size = shape[3]
        factor = math.ceil(size / 2)
        centre = (size - 1) / (2 * factor)
        hat = 1 - (torch.arange(size, dtype=torch.float64) / factor - centre).abs()
        return torch.outer(hat, hat).float().expand(shape).clone()


def _uniform(shape: Shape, low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.empty(shape, dtype=torch.float32).uniform_(low, high, generator=generator)


AnyFiller = Annotated[
    Constant | Uniform | Gaussian | Xavier | Msra | PositiveUnitball | Bilinear,
    Field(discriminator="type"),
]
