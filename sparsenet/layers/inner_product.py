"""InnerProduct: y = W x + b over all of an example's values (Caffe's, axis 1)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from sparsenet.layers.base import Shape, ShapeError, register
from sparsenet.layers.bridgeout import BridgeoutModule, bridgeout_of
from sparsenet.layers.weights import FilledLayer
from sparsenet.layout import flatten


@register
class InnerProduct(FilledLayer):
    """A fully connected layer: weight (num_output, inputs), bias (num_output,).

    An image's values are its inputs in the order channel, row, column.
    """

    type: Literal["InnerProduct"] = Field("InnerProduct", description="a fully connected layer")

    def weight_shape(self, bottom: Shape) -> Shape:
        """(num_output, the number of the bottom's values); raises ShapeError for a label."""
        if not bottom:
            raise ShapeError("InnerProduct needs features or an image, not one value an example")
        return self.num_output, math.prod(bottom)

    def output_shapes(self, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """num_output features."""
        self.check_weights(self.weight_shape(bottoms[0]))
        return ((self.num_output,),)

    def multiply_accumulates(self, bottoms: tuple[Shape, ...]) -> int:
        """Each weight once."""
        return math.prod(self.weight_shape(bottoms[0]))

    def build(self, bottoms: tuple[Shape, ...], generator: torch.Generator) -> nn.Module:
        """A module with the filled `weight` and `bias`; raises ShapeError."""
        weight, bias = self.fill_weights(self.weight_shape(bottoms[0]), generator)
        return InnerProductModule(weight, bias, bridgeout_of(self.regularization))


class InnerProductModule(nn.Module):
    """Examples (N, ...) to (N, num_output)."""

    def __init__(
        self, weight: Tensor, bias: Tensor | None, bridgeout: BridgeoutModule | None = None
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.bias = None if bias is None else nn.Parameter(bias)
        self.bridgeout = bridgeout

    def forward(self, examples: Tensor) -> Tensor:
        """W x + b; flatten counts C, H, W whatever the memory format."""
        inputs = flatten(examples)
        if self.bridgeout is not None and self.training:
            top: Tensor = self.bridgeout(inputs, self.weight, self._together, self._apart)
            return top
        return self._together(inputs, self.weight)

    def _together(self, examples: Tensor, weight: Tensor) -> Tensor:
        return F.linear(examples, weight, self.bias)

    def _apart(self, examples: Tensor, weights: Tensor) -> Tensor:
        columns = examples[:, :, None]
        if self.bias is None:
            return torch.bmm(weights, columns)[:, :, 0]
        return torch.baddbmm(self.bias[:, None], weights, columns)[:, :, 0]
