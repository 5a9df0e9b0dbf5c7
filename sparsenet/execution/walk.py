"""A net computed by torch, layer after layer, each in the way that was chosen for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from sparsenet.config.graph import Node
from sparsenet.execution.structure import Structure
from sparsenet.execution.timed import Timed
from sparsenet.layout import channels_last

Compute = Callable[[Node, nn.Module, list[Tensor]], Any]


class Walk:
    """`modules` by layer, of all nodes; `methods` say how those with weights are computed."""

    def __init__(
        self, structure: Structure, modules: Mapping[str, nn.Module], methods: Mapping[str, str]
    ) -> None:
        self.structure, self.modules, self.methods = structure, modules, methods

    def __call__(self, images: Tensor) -> Tensor:
        """The scores (N, scores) of images (N, C, H, W)."""
        return self._computed(images, lambda node, module, bottoms: module(*bottoms))

    def timed(self, images: Tensor) -> list[Timed]:
        """How long each layer took, in order."""
        found = []

        def measure(node: Node, module: nn.Module, bottoms: list[Tensor]) -> Any:
            start = time.perf_counter()
            result = module(*bottoms)
            seconds = time.perf_counter() - start
            method = self.methods.get(node.layer.name, "torch")
            found.append(Timed((node.layer.name,), method, seconds))
            return result

        self._computed(images, measure)
        return found

    @torch.inference_mode()
    def _computed(self, images: Tensor, compute: Compute) -> Tensor:
        blobs = {self.structure.images: channels_last(images)}
        for node in self.structure.nodes:
            bottoms = [blobs[name] for name in node.bottoms]
            result = compute(node, self.modules[node.layer.name], bottoms)
            tops = [result] if isinstance(result, Tensor) else result
            blobs.update(zip(node.tops, tops, strict=True))
        return blobs[self.structure.scores].flatten(1)
