"""The layers by `type`, each family in its file; importing this fills `LAYERS`."""

from sparsenet.layers import (
    activations,
    convolution,
    data,
    dropout,
    inner_product,
    loss,
    normalization,
    pooling,
    scale,
)
from sparsenet.layers.base import LAYERS

__all__ = [
    "LAYERS",
    "activations",
    "convolution",
    "data",
    "dropout",
    "inner_product",
    "loss",
    "normalization",
    "pooling",
    "scale",
]
