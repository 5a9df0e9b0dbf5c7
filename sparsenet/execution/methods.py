"""The ways to compute one layer with weights, each a torch module from its bottom to its top.

dense    torch, from the values with all zeros
decoded  torch, from values that are decoded at each call and dropped after it
csr      torch's product of a sparse matrix and a dense one, of a fully connected layer
program  C for this layer alone, from the packed bytes

A new one is a class here and a line in `allowed` of candidates.py.
"""

from __future__ import annotations

import warnings
from math import prod

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from sparsenet.config.graph import Node
from sparsenet.execution.modules import built
from sparsenet.execution.weights import Weights, is_plain
from sparsenet.layout import flatten
from sparsenet.program.compiled import Compiled
from sparsenet.program.plan import plan_layer
from sparsenet.storage.encoded import Encoded

GROUP = 8
"""Images that the program of a layer computes at a time, where there are several."""


def dense(node: Node, weights: Weights) -> nn.Module:
    """The layer's own module. Where the packed bytes are the values it takes no memory more."""
    module = built(node, weights)
    module.weight = nn.Parameter(values(weights.packed[node.layer.name]), requires_grad=False)
    return module


def values(encoded: Encoded) -> Tensor:
    """A weight with all its zeros; in the memory of its bytes where these are its values."""
    if is_plain(encoded):
        return torch.from_numpy(encoded.codes).view(torch.float32).reshape(encoded.shape)
    return encoded.decoded()


class Decoded(nn.Module):
    """The layer's own module, its weight decoded at each call."""

    def __init__(self, node: Node, weights: Weights) -> None:
        super().__init__()
        self.module = built(node, weights)
        self.encoded = weights.packed[node.layer.name]

    def forward(self, bottom: Tensor) -> Tensor:
        """Bottom (N, ...) to top (N, ...)."""
        top: Tensor = functional_call(self.module, {"weight": values(self.encoded)}, (bottom,))
        return top


class Csr(nn.Module):
    """y = W x + b with W as rows of columns and values, 32 bits each."""

    def __init__(self, node: Node, weights: Weights) -> None:
        super().__init__()
        encoded = weights.packed[node.layer.name]
        rows, columns = encoded.shape[0], prod(encoded.shape[1:])
        places, stored = encoded.stored()
        begins = np.searchsorted(places, np.arange(rows + 1) * columns).astype(np.int32)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse CSR", category=UserWarning)
            self.weight = torch.sparse_csr_tensor(
                torch.from_numpy(begins),
                torch.from_numpy((places % columns).astype(np.int32)),
                torch.from_numpy(np.array(stored)),
                (rows, columns),
                check_invariants=False,
            )
        self.bias = weights.numbers.get(f"{node.layer.name}.bias")

    def forward(self, bottom: Tensor) -> Tensor:
        """Bottom (N, ...) to top (N, outputs)."""
        product = (self.weight @ flatten(bottom).T).T
        return product if self.bias is None else product + self.bias


def csr_bytes(encoded: Encoded) -> int:
    """What Csr takes beside the packed bytes."""
    return 4 * (encoded.shape[0] + 1) + 8 * encoded.stored_count


class Alone(nn.Module):
    """The layer's program, for one image at a time or for GROUP. Raises NoCompiler."""

    def __init__(self, node: Node, weights: Weights, group: int) -> None:
        super().__init__()
        self.compiled = Compiled(plan_layer(node, weights.numbers, weights.packed, group))
        self.shape = node.out_shapes[0]

    def forward(self, bottom: Tensor) -> Tensor:
        """Bottom (N, ...) to top (N, ...)."""
        scores = self.compiled(bottom.contiguous().numpy())
        return torch.from_numpy(scores).reshape(len(bottom), *self.shape)
