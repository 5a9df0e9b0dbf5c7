"""The same net by torch with all its zeros, to compare others with."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor

from sparsenet.execution.choice import Choice
from sparsenet.execution.methods import dense
from sparsenet.execution.modules import built
from sparsenet.execution.runnable import Runnable
from sparsenet.execution.structure import Structure
from sparsenet.execution.walk import Walk
from sparsenet.execution.weights import Weights
from sparsenet.layout import lay_out_
from sparsenet.storage.format import VALUE_BYTES


class DenseNet(Runnable):
    """Torch, layer by layer, in the layout of memory that is fastest for it."""

    def __init__(self, structure: Structure, weights: Weights) -> None:
        super().__init__()
        self.structure = structure
        modules = {node.layer.name: built(node, weights) for node in structure.nodes}
        modules |= {node.layer.name: dense(node, weights) for node in structure.weighted}
        for module in modules.values():
            lay_out_(module, torch.device("cpu"))
        self._shapes = {name: weights.packed[name].shape for name in _names(structure)}
        methods = dict.fromkeys(self._shapes, "dense")
        self._choice, self._walk = Choice(None, methods), Walk(structure, modules, methods)

    @property
    def resident_bytes(self) -> dict[str, int]:
        """Bytes of the weights of each layer."""
        return {layer: VALUE_BYTES * prod(shape) for layer, shape in self._shapes.items()}

    def choice(self, images: Tensor) -> Choice:
        """Dense, for any number of images."""
        return self._choice

    def _runner(self, images: Tensor) -> Walk:
        return self._walk


def _names(structure: Structure) -> list[str]:
    return [node.layer.name for node in structure.weighted]
