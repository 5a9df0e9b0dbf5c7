"""How a GPU computes products: in float32 or TF32 (10 bits behind the point), and always alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def has_tf32(device: torch.device) -> bool:
    """Whether the device has TF32: NVIDIA's since Ampere."""
    return device.type == "cuda" and torch.cuda.is_tf32_supported()


@contextmanager
def tf32(allowed: bool, device: torch.device) -> Iterator[None]:
    """In the block matrix products and convolutions on a GPU are in TF32, or none is.

    And cuDNN takes only algorithms whose sums have one order, so that a run is the same bits again.
    After it torch's settings, which by themselves allow both for convolutions, are as before.
    """
    if device.type != "cuda":
        yield
        return
    # Not torch 2.9's `fp32_precision`: torch.compile still reads these, and torch raises where the
    # two kinds of settings disagree.
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32, cudnn.deterministic
    matmul.allow_tf32 = cudnn.allow_tf32 = allowed
    cudnn.deterministic = True
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32, cudnn.deterministic = before
