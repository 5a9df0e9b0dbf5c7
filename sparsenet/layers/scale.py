"""Scale and PReLU: the layers that learn a number a channel, or two (Caffe's)."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from sparsenet.layers.base import Param, ParameterLayer, Shape, need_channels, register
from sparsenet.layers.fillers import AnyFiller, Constant
from sparsenet.layers.weights import check_filler
from sparsenet.record import KeyProblem, Listed


@register
class Scale(ParameterLayer):
    """y_c = weight_c x_c + bias_c for the channels c: Caffe's with one bottom, over its axis 1."""

    type: Literal["Scale"] = Field("Scale", description="a factor, and a bias, for each channel")
    bias_term: bool = Field(False, description="whether a bias is added to each channel")
    filler: AnyFiller = Field(
        Constant(value=1.0), description="first values of the factors; left out: 1"
    )
    bias_filler: AnyFiller = Field(
        Constant(), description="first values of the biases; left out: 0"
    )

    @model_validator(mode="after")
    def _no_keys_of_a_bias_that_is_not(self) -> Scale:
        if not self.bias_term and self.bias_filler != Constant():
            raise KeyProblem("bias_filler", "has nothing to fill: bias_term is false")
        if not self.bias_term and len(self.param) > 1:
            raise KeyProblem("param", "has a second entry but no bias: bias_term is false")
        return self

    def parameter_shapes(self, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """A factor and, with bias_term, a bias a channel; raises ShapeError."""
        shape = (need_channels("Scale", bottoms[0]),)
        check_filler("filler", self.filler, shape)
        check_filler("bias_filler", self.bias_filler, shape)
        return (shape, shape) if self.bias_term else (shape,)

    def build(self, bottoms: tuple[Shape, ...], generator: torch.Generator) -> nn.Module:
        """A module with the filled `weight` and, with bias_term, `bias`."""
        shape, *biases = self.parameter_shapes(bottoms)
        weight = self.filler.fill(shape, generator)
        return ScaleModule(weight, self.bias_filler.fill(shape, generator) if biases else None)


class ScaleModule(nn.Module):
    """Examples (N, C, ...) scaled and shifted."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.bias = None if bias is None else nn.Parameter(bias)

    def forward(self, examples: Tensor) -> Tensor:
        """weight x + bias, in the precision of the examples."""
        row = [1, -1] + [1] * (examples.dim() - 2)
        scaled = examples * self.weight.view(row)
        if self.bias is not None:
            scaled = scaled + self.bias.view(row)
        return scaled.to(examples.dtype)


@register
class PReLU(ParameterLayer):
    """y = max(x, 0) + weight_c min(x, 0) for the channels c (He et al. 2015)."""

    type: Literal["PReLU"] = Field("PReLU", description="the rectifier with trained slopes")
    param: Listed[Param] = Field(
        (), max_length=1, description="lr_mult and decay_mult of the slopes"
    )
    filler: AnyFiller = Field(
        Constant(value=0.25), description="first values of the slopes below 0; left out: 0.25"
    )
    channel_shared: bool = Field(False, description="whether all channels have one slope")

    def parameter_shapes(self, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """A slope a channel, or one; raises ShapeError."""
        channels = need_channels("PReLU", bottoms[0])
        shape = (1 if self.channel_shared else channels,)
        check_filler("filler", self.filler, shape)
        return (shape,)

    def build(self, bottoms: tuple[Shape, ...], generator: torch.Generator) -> nn.Module:
        """A module with the filled `weight`, the slopes; the derivative at 0 is the slope."""
        (shape,) = self.parameter_shapes(bottoms)
        return PReLUModule(self.filler.fill(shape, generator))


class PReLUModule(nn.Module):
    """Examples (N, C, ...) rectified."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, examples: Tensor) -> Tensor:
        """max(x, 0) + weight min(x, 0), in the precision of the examples."""
        return F.prelu(examples, self.weight.to(examples.dtype))
