"""Bridgeout's perturbation of a weight (Khan, Shah and Stavness 2018; Khan and Stavness 2020).

With p the drop rate, q the norm and T the targets, 1 for a weight that is perturbed and else 0:

    W~ = W + S (m / (1 - p) - 1),    S = T (|W| + 1e-12)^(q/2),    m ~ Bernoulli(1 - p)

    dW~/dW = 1 + T (m / (1 - p) - 1) (q/2) (|W| + 1e-12)^(q/2 - 1) sign(W),    sign(0) = 0

On average W~ is W. The average squared error of a linear model, the sum of w x, is by W~ that by W
and p / (1 - p) times the sum of T |w|^q x^2. With q = 2 a positive w becomes w m / (1 - p), which
is DropConnect, and a negative one w (2 - m / (1 - p)), whose mean and variance are the same.

Functions of bare tensors of any float dtype, which autograd differentiates by W as above.
"""

from __future__ import annotations

import torch
from torch import Tensor

_EPS = 1e-12


def spread(weight: Tensor, q: float, target_fraction: float) -> Tensor:
    """S, in the shape and memory layout of W."""
    size = (weight.abs() + _EPS).pow(q / 2)
    if target_fraction == 1:
        return size
    return size * targets(weight, target_fraction)


@torch.no_grad()
def targets(weight: Tensor, fraction: float) -> Tensor:
    """T, as bool, broadcast over the pixels of kernels.

    Of each row of a matrix (num_output, inputs) those int(fraction * inputs) weights that are least
    in magnitude; in each filter of (num_output, channels, height, width) those
    int(fraction * channels) kernels that are least in l2 norm. Of equal ones any.
    """
    size = weight.abs() if weight.dim() == 2 else torch.linalg.vector_norm(weight, dim=(2, 3))
    least = size.topk(int(fraction * size.shape[1]), largest=False, sorted=False).indices
    found = torch.zeros_like(size, dtype=torch.bool).scatter_(1, least, value=True)
    return found if weight.dim() == 2 else found[:, :, None, None]


def drawn(weight: Tensor, p: float, examples: int | None = None) -> Tensor:
    """m, as bool, from torch's own generator: one for W, or one for each of so many examples.

    In the shape of W, with the examples before it. Drawn in the order of memory.
    """
    if examples is None:
        return torch.rand_like(weight) >= p
    return torch.rand(examples, *weight.shape, device=weight.device) >= p


def perturbed(weight: Tensor, spread: Tensor, kept: Tensor, p: float) -> Tensor:
    """W~ in the shape of the mask `kept`, m: of W, or of W for each of several examples."""
    return torch.where(kept, weight + spread * (p / (1 - p)), weight - spread)
