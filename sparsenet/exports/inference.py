"""What of a trained net is deployed: the layers from its images to its scores, and no others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sparsenet.checkpoint import Checkpoint
from sparsenet.config.graph import Node
from sparsenet.config.readers import Readers, tested_phase
from sparsenet.errors import SparsenetError
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
            blobs = self.net.compute(images, labels, self.phase, self.nodes[-1].index + 1)[1]
            return blobs[self.scores]


def inference_of(net: Net, checkpoint: Checkpoint) -> Inference:
    """What of a net its tests judge: of TEST, else of VAL, else of TRAIN as a test computes it.

    Its scores are what the first accuracy reads, or where there is none the last loss; where a
    Softmax of these ends the net they are its probabilities. Raises ExportError.
    """
    phase = tested_phase(net.config)
    graph = net.graphs[phase]
    readers = Readers(graph)
    if readers.judge is None:
        words = "neither an accuracy nor a loss, whose bottom would be its scores"
        raise ExportError(f"its phase {phase} has {words}")
    nodes = tuple(readers.needed())
    if not nodes:
        raise ExportError(f"its scores, {readers.scores!r}, are its images")
    return Inference(net, checkpoint, phase, nodes, graph.data.top[0], readers.scores)
