"""LRN: local response normalization (Krizhevsky et al. 2012, section 3.3), Caffe's."""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from sparsenet.layers.base import Layer, Shape, need_image, register, widened
from sparsenet.record import KeyProblem


@register
class LRN(Layer):
    """y = x (k + alpha/n sum x_j^2)^-beta over the window of n numbers around each, 0 beyond.

    ACROSS_CHANNELS: n is local_size channels at the same pixel. WITHIN_CHANNEL: n is local_size x
    local_size pixels of the same channel, and k is 1.
    """

    type: Literal["LRN"] = Field("LRN", description="local response normalization")
    norm_region: Literal["ACROSS_CHANNELS", "WITHIN_CHANNEL"] = Field(
        "ACROSS_CHANNELS", description="where the window lies"
    )
    local_size: int = Field(5, ge=1, description="the window, in channels or in pixels a side; odd")
    alpha: float = Field(1.0, ge=0, description="factor of the mean square of the window")
    beta: float = Field(0.75, description="the exponent")
    k: float = Field(1.0, gt=0, description="what is added to it; 1 within a channel")

    @model_validator(mode="after")
    def _as_caffe_computes_it(self) -> LRN:
        if self.local_size % 2 == 0:
            words = f"{self.local_size} must be odd, so that the window has a middle"
            raise KeyProblem("local_size", words)
        if self.norm_region == "WITHIN_CHANNEL" and self.k != 1:
            raise KeyProblem("k", f"{self.k:g} has no effect within a channel, where it is 1")
        return self

    def output_shapes(self, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """The bottom's; raises ShapeError for anything but an image."""
        return (need_image("LRN", bottoms[0]),)

    def build(self, bottoms: tuple[Shape, ...], generator: torch.Generator) -> nn.Module:
        """A module without parameters."""
        if self.norm_region == "WITHIN_CHANNEL":
            return WithinChannelModule(self.local_size, self.alpha, self.beta)
        return AcrossChannelsModule(self.local_size, self.alpha, self.beta, self.k)


class AcrossChannelsModule(nn.Module):
    """Images (N, C, H, W) to the same; computed in float32 at least, as the sum is near k."""

    def __init__(self, size: int, alpha: float, beta: float, k: float) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, images: Tensor) -> Tensor:
        """The normalized images, of the bottom's type."""
        wide = widened(images)
        normalized: Tensor = _AcrossChannels.apply(wide, self.size, self.alpha, self.beta, self.k)
        return normalized.to(images.dtype)


class _AcrossChannels(torch.autograd.Function):
    """The normalization with Caffe's backward pass, in which no power is taken.

    Of AlexNet's norm1 (32 x 96 x 55 x 55, channels last, one core) forward and backward take 0.24
    of the time of torch.nn.functional.local_response_norm, which pools a volume.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
        scale = _window_sums(x * x, size).mul_(alpha / size).add_(k)
        factor = scale.pow(-beta)
        ctx.save_for_backward(x, scale, factor)
        ctx.size, ctx.slope = size, -2 * alpha * beta / size
        return x * factor

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, scale, factor = ctx.saved_tensors
        direct = gradients[0] * factor
        by_scale = _window_sums((direct * x).div_(scale), ctx.size)
        return direct.add_(by_scale.mul_(x), alpha=ctx.slope), None, None, None, None


def _window_sums(values: Tensor, size: int) -> Tensor:
    """At each channel the sum over the `size` channels around it, those that there are."""
    channels = values.shape[1]
    sums = values.clone()
    for away in range(1, min(size // 2, channels - 1) + 1):
        sums[:, away:] += values[:, :-away]
        sums[:, :-away] += values[:, away:]
    return sums


class WithinChannelModule(nn.Module):
    """Images (N, C, H, W) to the same; computed in float32 at least, as the sum is near 1."""

    def __init__(self, size: int, alpha: float, beta: float) -> None:
        super().__init__()
        self.size, self.alpha, self.beta = size, alpha, beta

    def forward(self, images: Tensor) -> Tensor:
        """The normalized images, of the bottom's type."""
        wide = widened(images)
        mean = F.avg_pool2d(wide * wide, self.size, stride=1, padding=self.size // 2)
        return (wide * (1 + self.alpha * mean) ** -self.beta).to(images.dtype)
