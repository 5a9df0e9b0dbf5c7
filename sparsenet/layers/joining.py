"""Eltwise and Concat: several blobs as one."""

from __future__ import annotations

from functools import reduce
from typing import ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from sparsenet.layers.base import Layer, Shape, ShapeError, need_channels, register
from sparsenet.record import KeyProblem, OneOrMany
from sparsenet.record_words import shown


@register
class Eltwise(Layer):
    """Value by value over blobs of one shape: sum_i coeff_i x_i, prod_i x_i, or max_i x_i."""

    bottoms: ClassVar[int] = 2
    more_bottoms: ClassVar[bool] = True

    type: Literal["Eltwise"] = Field("Eltwise", description="blobs of one shape, value by value")
    operation: Literal["SUM", "PROD", "MAX"] = Field("SUM", description="sum, product or maximum")
    coeff: OneOrMany[float] | None = Field(
        None, description="a factor for each blob of a SUM; left out: 1"
    )

    @model_validator(mode="after")
    def _coefficients_fit(self) -> Eltwise:
        if self.coeff is None:
            return self
        if self.operation != "SUM":
            raise KeyProblem("coeff", f"is for operation SUM, not {self.operation}")
        if self.bottom is not None and len(self.coeff) != len(self.bottom):
            words = f"{shown(self.coeff)} must have one number for each of {len(self.bottom)} blobs"
            raise KeyProblem("coeff", words)
        return self

    @property
    def detail(self) -> str:
        """The operation."""
        return self.operation

    def output_shapes(self, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """The shape that all bottoms have; raises ShapeError where they differ."""
        need_channels("Eltwise", bottoms[0])
        for shape in bottoms:
            if shape != bottoms[0]:
                raise ShapeError(f"Eltwise needs blobs of one shape, not {bottoms[0]} and {shape}")
        return (bottoms[0],)

    def build(self, bottoms: tuple[Shape, ...], generator: torch.Generator) -> nn.Module:
        """A module without parameters."""
        if self.operation == "SUM":
            return SumModule(self.coeff or (1.0,) * len(bottoms))
        return ProductModule() if self.operation == "PROD" else MaximumModule()


class SumModule(nn.Module):
    """Tensors of one shape to the sum of each times its coefficient."""

    def __init__(self, coefficients: tuple[float, ...]) -> None:
        super().__init__()
        self.coefficients = coefficients

    def forward(self, first: Tensor, *others: Tensor) -> Tensor:
        """The sum, from the first to the last."""
        head, *tail = self.coefficients
        total = first if head == 1 else first * head
        for other, coefficient in zip(others, tail, strict=True):
            total = torch.add(total, other, alpha=coefficient)
        return total


class ProductModule(nn.Module):
    """Tensors of one shape to their product."""

    def forward(self, *tensors: Tensor) -> Tensor:
        """The product, from the first to the last; its gradient is right at 0 too."""
        return reduce(torch.mul, tensors)


class MaximumModule(nn.Module):
    """Tensors of one shape to the largest; of equal first two the second gets the gradient."""

    def forward(self, first: Tensor, second: Tensor, *others: Tensor) -> Tensor:
        """The maximum: of a tie Caffe takes the second of the first two, then the earlier."""
        largest = first.where(first > second, second)
        for other in others:
            largest = other.where(other > largest, largest)
        return largest


@register
class Concat(Layer):
    """The bottoms' channels one after the other (Caffe's, axis 1), or their features."""

    more_bottoms: ClassVar[bool] = True

    type: Literal["Concat"] = Field("Concat", description="the channels of blobs in a row")

    def output_shapes(self, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """The channels added up; raises ShapeError where height or width differ."""
        need_channels("Concat", bottoms[0])
        for shape in bottoms:
            if len(shape) != len(bottoms[0]) or shape[1:] != bottoms[0][1:]:
                raise ShapeError(
                    f"Concat needs blobs that differ in their channels only, not {bottoms[0]} and "
                    f"{shape}"
                )
        return ((sum(shape[0] for shape in bottoms), *bottoms[0][1:]),)

    def build(self, bottoms: tuple[Shape, ...], generator: torch.Generator) -> nn.Module:
        """A module without parameters."""
        return ConcatModule()


class ConcatModule(nn.Module):
    """Tensors (N, C_i, ...) to one, (N, sum C_i, ...)."""

    def forward(self, *tensors: Tensor) -> Tensor:
        """The tensors in a row."""
        return torch.cat(tensors, dim=1)
