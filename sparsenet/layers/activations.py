"""The layers that act on each value, and the two that only rearrange or normalise: Caffe's."""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from sparsenet.layers.base import Elementwise, Layer, Shape, need_channels, register
from sparsenet.layout import flatten
from sparsenet.record import KeyProblem


@register
class ReLU(Elementwise):
    """y = max(x, 0) + negative_slope * min(x, 0), or with clip y = min(max(x, 0), clip)."""

    type: Literal["ReLU"] = Field("ReLU", description="the rectifier")
    negative_slope: float = Field(0.0, description="slope for values below 0")
    clip: float | None = Field(
        None, gt=0, description="the largest value, 6 for ReLU6; left out: there is none"
    )

    @model_validator(mode="after")
    def _clip_or_slope(self) -> ReLU:
        if self.clip is not None and self.negative_slope:
            raise KeyProblem("clip", "cannot stand beside negative_slope; give one of them")
        return self

    def build(self, bottoms: tuple[Shape, ...], generator: torch.Generator) -> nn.Module:
        """A module without parameters; its derivative at 0 is negative_slope, at clip 0."""
        if self.clip is not None:
            return nn.Hardtanh(0.0, self.clip)
        return nn.LeakyReLU(self.negative_slope) if self.negative_slope else nn.ReLU()


@register
class ELU(Elementwise):
    """y = max(x, 0) + alpha (exp(min(x, 0)) - 1) (Clevert et al. 2016)."""

    type: Literal["ELU"] = Field("ELU", description="the exponential linear unit")
    alpha: float = Field(1.0, description="-y far below 0, and the derivative at 0")

    def build(self, bottoms: tuple[Shape, ...], generator: torch.Generator) -> nn.Module:
        """A module without parameters."""
        return nn.ELU(self.alpha)


@register
class Sigmoid(Elementwise):
    """y = 1 / (1 + exp(-x))."""

    type: Literal["Sigmoid"] = Field("Sigmoid", description="the logistic function")

    def build(self, bottoms: tuple[Shape, ...], generator: torch.Generator) -> nn.Module:
        """A module without parameters."""
        return nn.Sigmoid()


@register
class TanH(Elementwise):
    """y = (1 - exp(-2x)) / (1 + exp(-2x))."""

    type: Literal["TanH"] = Field("TanH", description="the hyperbolic tangent")

    def build(self, bottoms: tuple[Shape, ...], generator: torch.Generator) -> nn.Module:
        """A module without parameters."""
        return nn.Tanh()


@register
class Power(Layer):
    """y = (shift + scale * x)^power.

    Its derivative at a base of 0 is the function's, where Caffe's divides 0 by 0.
    """

    type: Literal["Power"] = Field("Power", description="a power of a linear function")
    power: float = Field(1.0, description="the exponent")
    scale: float = Field(1.0, description="factor of the bottom")
    shift: float = Field(0.0, description="what is added to it")

    def build(self, bottoms: tuple[Shape, ...], generator: torch.Generator) -> nn.Module:
        """A module without parameters."""
        return PowerModule(self.power, self.scale, self.shift)


class PowerModule(nn.Module):
    """A tensor to another of its shape."""

    def __init__(self, power: float, scale: float, shift: float) -> None:
        super().__init__()
        self.power, self.scale, self.shift = power, scale, shift

    def forward(self, x: Tensor) -> Tensor:
        """(shift + scale * x)^power; NaN for a base below 0 and a fractional exponent."""
        base = self.shift + self.scale * x
        return base if self.power == 1 else base**self.power


@register
class Flatten(Layer):
    """(channels, height, width) to (channels * height * width,), in that order."""

    type: Literal["Flatten"] = Field("Flatten", description="an image as a row of features")

    def output_shapes(self, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """One axis; raises ShapeError for a label."""
        need_channels("Flatten", bottoms[0])
        return ((math.prod(bottoms[0]),),)

    def build(self, bottoms: tuple[Shape, ...], generator: torch.Generator) -> nn.Module:
        """A module without parameters."""
        return FlattenModule()


class FlattenModule(nn.Module):
    """Examples (N, ...) to (N, features)."""

    def forward(self, examples: Tensor) -> Tensor:
        """The values in the order C, H, W whatever the memory format."""
        return flatten(examples)


@register
class Softmax(Layer):
    """y_c = exp(x_c) / sum_k exp(x_k) over the channels, at each pixel of an image."""

    type: Literal["Softmax"] = Field("Softmax", description="scores as probabilities")

    def output_shapes(self, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """The bottom's; raises ShapeError for a label."""
        need_channels("Softmax", bottoms[0])
        return bottoms

    def build(self, bottoms: tuple[Shape, ...], generator: torch.Generator) -> nn.Module:
        """A module without parameters."""
        return nn.Softmax(dim=1)
