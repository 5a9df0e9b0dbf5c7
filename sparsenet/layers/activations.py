"""The layers that act on each value, and the two that only rearrange or normalise: Caffe's."""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import Field
from torch import nn

from sparsenet.layers.base import Layer, Shape, ShapeError, register


@register
class ReLU(Layer):
    """y = max(x, 0) + negative_slope * min(x, 0)."""

    type: Literal["ReLU"] = Field("ReLU", description="the rectifier")
    negative_slope: float = Field(0.0, description="slope for values below 0")

    def build(self, bottoms: tuple[Shape, ...], generator: torch.Generator) -> nn.Module:
        """A module without parameters; its derivative at 0 is negative_slope."""
        return nn.LeakyReLU(self.negative_slope) if self.negative_slope else nn.ReLU()


@register
class Sigmoid(Layer):
    """y = 1 / (1 + exp(-x))."""

    type: Literal["Sigmoid"] = Field("Sigmoid", description="the logistic function")

    def build(self, bottoms: tuple[Shape, ...], generator: torch.Generator) -> nn.Module:
        """A module without parameters."""
        return nn.Sigmoid()


@register
class TanH(Layer):
    """y = (1 - exp(-2x)) / (1 + exp(-2x))."""

    type: Literal["TanH"] = Field("TanH", description="the hyperbolic tangent")

    def build(self, bottoms: tuple[Shape, ...], generator: torch.Generator) -> nn.Module:
        """A module without parameters."""
        return nn.Tanh()


@register
class Flatten(Layer):
    """(channels, height, width) to (channels * height * width,), in that order."""

    type: Literal["Flatten"] = Field("Flatten", description="an image as a row of features")

    def output_shapes(self, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """One axis; raises ShapeError for a label."""
        _need_channels("Flatten", bottoms[0])
        return ((math.prod(bottoms[0]),),)

    def build(self, bottoms: tuple[Shape, ...], generator: torch.Generator) -> nn.Module:
        """A module without parameters."""
        return nn.Flatten()


@register
class Softmax(Layer):
    """y_c = exp(x_c) / sum_k exp(x_k) over the channels, at each pixel of an image."""

    type: Literal["Softmax"] = Field("Softmax", description="scores as probabilities")

    def output_shapes(self, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """The bottom's; raises ShapeError for a label."""
        _need_channels("Softmax", bottoms[0])
        return bottoms

    def build(self, bottoms: tuple[Shape, ...], generator: torch.Generator) -> nn.Module:
        """A module without parameters."""
        return nn.Softmax(dim=1)


def _need_channels(layer: str, shape: Shape) -> None:
    if not shape:
        raise ShapeError(f"{layer} needs features or an image, not one value an example")
