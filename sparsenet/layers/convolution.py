"""Convolution: y_o = b_o + sum over the channels c of o's group of w_oc * x_c (Caffe's)."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from sparsenet.layers.base import Shape, ShapeError, need_image, register
from sparsenet.layers.bridgeout import BridgeoutModule, bridgeout_of
from sparsenet.layers.kernel_pattern import AnyPattern
from sparsenet.layers.weights import FilledLayer
from sparsenet.layers.window import Pair, Size, WindowLayer, by, check_pair, pair
from sparsenet.layout import flatten
from sparsenet.record import KeyProblem, OneOrMany


@register
class Convolution(FilledLayer, WindowLayer):
    """Cross-correlates an image with `num_output` kernels.

    An axis of n pixels becomes floor((n + 2 pad - (dilation (kernel - 1) + 1)) / stride) + 1. The
    weight is (num_output, channels / group, kernel_h, kernel_w), the bias (num_output,).
    """

    type: Literal["Convolution"] = Field("Convolution", description="a convolution of an image")
    dilation: OneOrMany[Size] | None = Field(
        None,
        description="pixels from one of the kernel's taps to the next: one number, or "
        "[down, right]; left out: 1",
    )
    group: int = Field(
        1, ge=1, description="output group g sees the channels of input group g alone"
    )
    kernel_pattern: AnyPattern | None = Field(
        None,
        description="the positions of its kernels that are learnt, all others being zero; left "
        "out: the net's kernel_pattern where that is for it, else all of them",
    )

    @model_validator(mode="after")
    def _kernel_and_groups(self) -> Convolution:
        if not self.has_kernel:
            raise KeyProblem("kernel_size", "is missing")
        check_pair("dilation", self.dilation)
        if self.num_output % self.group:
            message = f"{self.num_output} must be a multiple of group, {self.group}"
            raise KeyProblem("num_output", message)
        pattern = self.kernel_pattern
        if pattern is not None and (problem := pattern.kernel_problem(self.kernel_pair)):
            raise KeyProblem("kernel_pattern", problem)
        return self

    @property
    def detail(self) -> str:
        """Also of how many groups and how far apart the taps are: `3x3, 2 groups, dilation 2x2`."""
        groups = f", {self.group} groups" * (self.group > 1)
        dilation = f", dilation {by(self.dilation_pair)}" * (self.dilation_pair != (1, 1))
        return super().detail + groups + dilation

    @property
    def dilation_pair(self) -> Pair:
        """Pixels between the kernel's taps, down and right."""
        return pair(self.dilation, None, None, 1)

    def weight_shape(self, bottom: Shape) -> Shape:
        """(num_output, channels / group, kernel_h, kernel_w); raises ShapeError."""
        channels, _, _ = need_image("Convolution", bottom)
        if channels % self.group:
            raise ShapeError(
                f"Convolution's group, {self.group}, must divide its bottom's {channels} channels"
            )
        return (self.num_output, channels // self.group, *self.kernel_pair)

    def output_shapes(self, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """One image of num_output channels; raises ShapeError for a kernel that does not fit."""
        _, height, width = need_image("Convolution", bottoms[0])
        shape = self.weight_shape(bottoms[0])
        self.check_weights(shape)
        self._check_pattern(shape)
        (pad_h, pad_w), (stride_h, stride_w) = self.pad_pair, self.stride_pair
        padded = height + 2 * pad_h, width + 2 * pad_w
        kernel, dilation = self.kernel_pair, self.dilation_pair
        span = dilation[0] * (kernel[0] - 1) + 1, dilation[1] * (kernel[1] - 1) + 1
        if span[0] > padded[0] or span[1] > padded[1]:
            raise ShapeError(
                f"Convolution's kernel spans {by(span)} pixels, more than the {by(padded)} of its "
                f"padded bottom"
            )
        rows = (padded[0] - span[0]) // stride_h + 1
        columns = (padded[1] - span[1]) // stride_w + 1
        return ((self.num_output, rows, columns),)

    def _check_pattern(self, shape: Shape) -> None:
        """Raise ShapeError where a weight of this shape cannot have its pattern."""
        if self.kernel_pattern is None or self.kernel_pattern.is_dense:
            return
        if self.group > 1 and shape[1] == 1:
            raise ShapeError("kernel_pattern: a depthwise convolution stays dense; leave it out")
        if problem := self.kernel_pattern.shape_problem(shape):
            raise ShapeError(f"kernel_pattern: {problem}")

    def learnt(self, shape: Shape) -> int:
        """Those of its kernel_pattern."""
        pattern = self.kernel_pattern
        return super().learnt(shape) if pattern is None else pattern.count(shape)

    def learnt_where(self, shape: Shape) -> Tensor | None:
        """Those of its kernel_pattern."""
        pattern = self.kernel_pattern
        return None if pattern is None or pattern.is_dense else pattern.mask(shape)

    def index_bits(self, shape: Shape) -> int:
        """Those of its kernel_pattern."""
        pattern = self.kernel_pattern
        return 0 if pattern is None or pattern.is_dense else pattern.index_bits(shape)

    def multiply_accumulates(self, bottoms: tuple[Shape, ...]) -> int:
        """Each learnt weight once for each pixel of the tops: those over the padding count too."""
        (_, rows, columns), *_ = self.output_shapes(bottoms)
        return self.learnt(self.weight_shape(bottoms[0])) * rows * columns

    def build(self, bottoms: tuple[Shape, ...], generator: torch.Generator) -> nn.Module:
        """A module with the filled `weight` and `bias`; raises ShapeError."""
        shape = self.weight_shape(bottoms[0])
        weight, bias = self.fill_weights(shape, generator)
        if (learnt := self.learnt_where(shape)) is not None:
            weight.masked_fill_(~learnt.to(weight.device), 0.0)
        return ConvolutionModule(
            weight,
            bias,
            stride=self.stride_pair,
            pad=self.pad_pair,
            dilation=self.dilation_pair,
            group=self.group,
            bridgeout=bridgeout_of(self.regularization),
        )


class ConvolutionModule(nn.Module):
    """Images (N, C, H, W) to (N, num_output, H', W')."""

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        *,
        stride: Pair,
        pad: Pair,
        dilation: Pair,
        group: int,
        bridgeout: BridgeoutModule | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.bias = None if bias is None else nn.Parameter(bias)
        self.stride, self.pad, self.dilation, self.group = stride, pad, dilation, group
        self.bridgeout = bridgeout

    def forward(self, images: Tensor) -> Tensor:
        """The convolved images."""
        if self.bridgeout is not None and self.training:
            top: Tensor = self.bridgeout(images, self.weight, self._together, self._apart)
            return top
        return self._together(images, self.weight)

    def _together(self, images: Tensor, weight: Tensor) -> Tensor:
        return F.conv2d(images, weight, self.bias, self.stride, self.pad, self.dilation, self.group)

    def _apart(self, images: Tensor, weights: Tensor) -> Tensor:
        """One grouped convolution, in which each image is a group, or `group` of them."""
        count = len(images)
        bias = None if self.bias is None else self.bias.repeat(count)
        joined = flatten(images).view(1, -1, *images.shape[2:])
        weight, groups = weights.flatten(0, 1), count * self.group
        tops = F.conv2d(joined, weight, bias, self.stride, self.pad, self.dilation, groups)
        tops = tops.view(count, -1, *tops.shape[2:])
        last = images.is_contiguous(memory_format=torch.channels_last)
        return tops.contiguous(memory_format=torch.channels_last) if last else tops
