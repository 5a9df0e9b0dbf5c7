"""The memory layout in which convolution and pooling are fastest on a CPU: channels last.

Measured on two cores of an AVX-512 machine, batches of 64 and 100: LeNet's update takes 0.64 and
cifar10_quick's 0.71 of the time it takes with channels first (scripts/bench_train.py), nearly all
of it because torch's CPU pooling is vectorized over channels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def channels_last(images: Tensor) -> Tensor:
    """The same values (N, C, H, W) with strides (C*H*W, 1, C*W, C), and no others.

    With one channel, or one pixel, torch calls several strides channels last and may then choose
    its channels-first kernels; here they are always those that leave no choice.
    """
    count, channels, height, width = images.shape
    dense = images.contiguous(memory_format=torch.channels_last)
    strides = (channels * height * width, 1, channels * width, channels)
    return dense.as_strided((count, channels, height, width), strides)


class _Flatten(torch.autograd.Function):
    """Images (N, C, H, W) to (N, C*H*W), whose gradient comes back in the images' layout.

    Left to itself torch returns it channels first, and the pooling and convolution before then
    fall back to the slow kernels.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor) -> Tensor:
        ctx.shape = images.shape
        ctx.channels_last = images.is_contiguous(memory_format=torch.channels_last)
        return images.flatten(1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        gradient = gradients[0].view(ctx.shape)
        return channels_last(gradient) if ctx.channels_last else gradient


def flatten(examples: Tensor) -> Tensor:
    """Examples (N, ...) as (N, features), images in the order C, H, W whatever their layout."""
    if examples.dim() == 4:
        flat: Tensor = _Flatten.apply(examples)
        return flat
    return examples.flatten(1)


def memory_format_of(device: torch.device) -> torch.memory_format:
    """The layout of images on a device."""
    return torch.channels_last if device.type == "cpu" else torch.contiguous_format


@torch.no_grad()
def lay_out_(module: nn.Module, device: torch.device) -> None:
    """Give every convolution's weights the layout of the images on the device; values stay."""
    if memory_format_of(device) == torch.channels_last:
        for parameter in module.parameters():
            if parameter.dim() == 4:
                parameter.data = channels_last(parameter.data)
