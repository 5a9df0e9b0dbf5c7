"""The processes that train together, as torch's launcher has started them: rank and size.

A process that was started alone is rank 0 of 1, and nothing here then communicates.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist


def size() -> int:
    """How many processes train together."""
    together = dist.is_available() and dist.is_initialized()
    return dist.get_world_size() if together else 1


def rank() -> int:
    """Which of them this one is, from 0."""
    return dist.get_rank() if size() > 1 else 0


def sum_(tensor: Tensor) -> Tensor:
    """Replace a tensor by its sum over the processes: the same bits in each. Returns it."""
    if size() > 1:
        dist.all_reduce(tensor)
    return tensor


class _Summed(torch.autograd.Function):
    """The sum over the processes; so is its gradient."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        return sum_(tensor.clone())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return sum_(gradients[0].clone(memory_format=torch.contiguous_format))


def summed(tensor: Tensor) -> Tensor:
    """The sum of each process's tensor, through which gradients flow back into all of them."""
    if size() == 1:
        return tensor
    result: Tensor = _Summed.apply(tensor)
    return result
