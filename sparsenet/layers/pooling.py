"""Pooling: the maximum or mean of a sliding window, with Caffe's rounding and borders."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from sparsenet.layers.base import Shape, ShapeError, need_image, register
from sparsenet.layers.window import Pair, WindowLayer, by
from sparsenet.record import KeyProblem


@register
class Pooling(WindowLayer):
    """Pools each channel of an image.

    An axis of n pixels becomes ceil((n + 2 pad - kernel) / stride) + 1, less the last window where
    a pad is given and that window would begin beyond the image; `round_mode: FLOOR` rounds down.
    MAX leaves the pad out. AVE divides by the window's size within the padded image, as Caffe does.
    """

    type: Literal["Pooling"] = Field("Pooling", description="the maximum or mean of each window")
    pool: Literal["MAX", "AVE"] = Field("MAX", description="maximum or mean")
    global_pooling: bool = Field(False, description="one window over the whole image")
    round_mode: Literal["CEIL", "FLOOR"] = Field(
        "CEIL", description="whether a last window that the image cuts off counts"
    )

    @model_validator(mode="after")
    def _window_fits_the_mode(self) -> Pooling:
        if self.global_pooling:
            if self.has_kernel:
                key = "kernel_h" if self.kernel_size is None else "kernel_size"
                raise KeyProblem(key, "cannot stand beside global_pooling, which is the kernel")
            if self.pad_pair != (0, 0) or self.stride_pair != (1, 1):
                raise KeyProblem("global_pooling", "takes only pad 0 and stride 1")
        elif not self.has_kernel:
            raise KeyProblem("kernel_size", "is missing")
        else:
            for side, pad, size in zip("hw", self.pad_pair, self.kernel_pair, strict=True):
                if pad >= size:
                    key = f"pad_{side}" if self.pad is None else "pad"
                    raise KeyProblem(key, f"{pad} must be less than the kernel, {size}")
        return self

    @property
    def detail(self) -> str:
        """Its kind and window: `MAX 3x3 /2`, `AVE, global`."""
        return f"{self.pool}, global" if self.global_pooling else f"{self.pool} {super().detail}"

    def output_shapes(self, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """The pooled image; raises ShapeError for a window that finds no pixel."""
        channels, height, width = need_image("Pooling", bottoms[0])
        if self.global_pooling:
            return ((channels, 1, 1),)
        return ((channels, *self._pooled((height, width))),)

    def build(self, bottoms: tuple[Shape, ...], generator: torch.Generator) -> nn.Module:
        """A module without parameters; raises ShapeError."""
        _, height, width = need_image("Pooling", bottoms[0])
        kernel = (height, width) if self.global_pooling else self.kernel_pair
        pooled = self.output_shapes(bottoms)[0][1:]
        module = MaxPoolingModule if self.pool == "MAX" else AvePoolingModule
        ceil = self.round_mode == "CEIL"
        return module(kernel, self.stride_pair, self.pad_pair, ceil, (pooled[0], pooled[1]))

    def _pooled(self, image: Pair) -> Pair:
        rows, columns = (self._pooled_axis(image, axis) for axis in (0, 1))
        return rows, columns

    def _pooled_axis(self, image: Pair, axis: int) -> int:
        size, pad = image[axis], self.pad_pair[axis]
        kernel, stride = self.kernel_pair[axis], self.stride_pair[axis]
        slack = size + 2 * pad - kernel
        windows = (-(-slack // stride) if self.round_mode == "CEIL" else slack // stride) + 1
        if windows < 1:
            padded = image[0] + 2 * self.pad_pair[0], image[1] + 2 * self.pad_pair[1]
            raise ShapeError(
                f"Pooling's kernel is {by(self.kernel_pair)} pixels, more than the {by(padded)} of "
                f"its padded bottom"
            )
        start = (windows - 1) * stride
        if start < size + pad:
            return windows
        if self.pad_pair == (0, 0):
            # Caffe does not clip here: its maximum of no pixel is -FLT_MAX, which trains nothing.
            raise ShapeError(
                f"Pooling's last window begins at pixel {start} of {size}; give round_mode: FLOOR"
            )
        return windows - 1


class _PoolingModule(nn.Module):
    """Images (N, C, H, W) to (N, C, *pooled)."""

    border = 0.0
    """What the pad holds."""

    def __init__(self, kernel: Pair, stride: Pair, pad: Pair, ceil: bool, pooled: Pair) -> None:
        super().__init__()
        self.kernel, self.stride, self.pad = kernel, stride, pad
        self.ceil, self.pooled = ceil, pooled
        # torch pads by half a kernel at most; a wider pad is put there before.
        self.wide = 2 * pad[0] > kernel[0] or 2 * pad[1] > kernel[1]

    def forward(self, images: Tensor) -> Tensor:
        """The pooled images."""
        if not self.wide:
            return self.pool(images, self.pad)
        (pad_h, pad_w), (rows, columns) = self.pad, self.pooled
        padded = F.pad(images, (pad_w, pad_w, pad_h, pad_h), value=self.border)
        return self.pool(padded, (0, 0))[:, :, :rows, :columns]

    def pool(self, images: Tensor, pad: Pair) -> Tensor:
        """Pool, with at most half a kernel of pad."""
        raise NotImplementedError


class MaxPoolingModule(_PoolingModule):
    """The maximum of each window's pixels; of equal ones the first gets the gradient."""

    border = float("-inf")

    def pool(self, images: Tensor, pad: Pair) -> Tensor:
        """The maximum, which the pad never is."""
        return F.max_pool2d(images, self.kernel, self.stride, pad, ceil_mode=self.ceil)


class AvePoolingModule(_PoolingModule):
    """The sum of each window's pixels over its size within the padded image."""

    def pool(self, images: Tensor, pad: Pair) -> Tensor:
        """The mean, in which the pad counts as zeros."""
        if self.ceil and torch.compiler.is_compiling():
            return self._whole_windows(images, pad)
        return F.avg_pool2d(images, self.kernel, self.stride, pad, ceil_mode=self.ceil)

    def _whole_windows(self, images: Tensor, pad: Pair) -> Tensor:
        """The same from windows that all lie within zeros, each divided by its own size.

        torch 2.14's inductor divides the gradient of a window that ends beyond the image by the
        whole kernel's size, not by what was divided by before.
        """
        beyond, sizes = [], []
        for axis, windows in enumerate(self.pooled):
            before, kernel, stride = pad[axis], self.kernel[axis], self.stride[axis]
            size = images.shape[2 + axis]
            starts = torch.arange(windows, device=images.device) * stride - before
            sizes.append((starts + kernel).clamp(max=size + before) - starts)
            beyond.append(max(0, (windows - 1) * stride - before + kernel - size))
        padded = F.pad(images, (pad[1], beyond[1], pad[0], beyond[0]))
        sums = F.avg_pool2d(padded, self.kernel, self.stride, divisor_override=1)
        return sums / (sizes[0][:, None] * sizes[1])
