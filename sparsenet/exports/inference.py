"""What of a trained net is deployed: the layers from its images to its scores, and no others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sparsenet.checkpoint import Checkpoint
from sparsenet.config.graph import Graph, Node
from sparsenet.errors import SparsenetError
from sparsenet.layers.activations import Softmax
from sparsenet.layers.base import Phase
from sparsenet.layers.data import Data
from sparsenet.net import Blob, Net


class ExportError(SparsenetError):
    """A net cannot be written in a format, or what was written is not the net."""


@dataclass(frozen=True)
class Encoded:
    """A net in some format, compared with the net: the file's bytes, and what is told of them.

    As a document of plain data, and as lines for a reader.
    """

    content: bytes
    document: dict[str, Any]
    lines: list[str]


@dataclass(frozen=True)
class Inference:
    """A checkpoint's net in its tests, from the blob `images` to the blob `scores`.

    `nodes` are the layers that the scores are computed from, in order.
    """

    net: Net
    checkpoint: Checkpoint
    phase: Phase
    nodes: tuple[Node, ...]
    images: str
    scores: str

    @property
    def data(self) -> Data:
        """The Data layer that would give the images."""
        return self.net.graphs[self.phase].data

    @property
    def blobs(self) -> list[Blob]:
        """The trained tensors of its layers, in the net's order."""
        names = {node.layer.name for node in self.nodes}
        return [blob for blob in self.net.blobs if blob.layer.name in names]

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        """All that the net has learnt, by `layer.weight`, `layer.bias`, `layer.mean`."""
        return self.net.weights()

    def compute(self, images: Tensor) -> Tensor:
        """The scores (N, ...) of images (N, channels, height, width), transformed already."""
        self.net.enter(self.phase if self.phase != "TRAIN" else "TEST")
        labels = torch.zeros(len(images), dtype=torch.int64)
        with torch.inference_mode():
            return self.net.compute(images, labels, self.phase)[1][self.scores]


def inference_of(net: Net, checkpoint: Checkpoint) -> Inference:
    """What of a net its tests judge: of TEST, else of VAL, else of TRAIN as a test computes it.

    Its scores are what the first accuracy reads, or where there is none the last loss; where a
    Softmax of these ends the net they are its probabilities. Raises ExportError.
    """
    phases: tuple[Phase, ...] = ("TEST", "VAL", "TRAIN")
    phase = next(phase for phase in phases if phase in net.graphs)
    graph = net.graphs[phase]
    scores = _scores(graph)
    nodes = _leading_to(scores, graph.nodes)
    if not nodes:
        raise ExportError(f"its scores, {scores!r}, are its images")
    return Inference(net, checkpoint, phase, nodes, graph.data.top[0], scores)


def _scores(graph: Graph) -> str:
    judges = [node for node in graph.nodes if node.layer.is_accuracy]
    judges = judges[:1] or [node for node in graph.nodes if node.layer.is_loss][-1:]
    if not judges:
        words = "neither an accuracy nor a loss, whose bottom would be its scores"
        raise ExportError(f"its phase {graph.phase} has {words}")
    scores = judges[0].bottoms[0]
    read = {blob for node in graph.nodes for blob in node.bottoms}
    ends = [node.tops[0] for node in graph.nodes if _softmax_of(node, scores)]
    return next((blob for blob in ends if blob not in read), scores)


def _softmax_of(node: Node, scores: str) -> bool:
    return isinstance(node.layer, Softmax) and node.bottoms[0] == scores


def _leading_to(scores: str, nodes: Sequence[Node]) -> tuple[Node, ...]:
    """The layers that a blob, as the last of them leaves it, is computed from, in order.

    Who rewrites a blob reads it, so all layers that write it are among them.
    """
    wanted, found = {scores}, []
    for node in reversed(nodes):
        if wanted.intersection(node.tops):
            found.append(node)
            wanted.update(node.bottoms)
    return tuple(reversed(found))
