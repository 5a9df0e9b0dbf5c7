"""What of a net computes its scores in a test: its layers in order, whatever computes them."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from sparsenet.config.graph import Graph, Node, build_graph
from sparsenet.config.net import NetConfig
from sparsenet.config.readers import Readers, tested_phase
from sparsenet.layers.base import Shape, WeightedLayer


@dataclass(frozen=True)
class Structure:
    """`nodes` lead from the blob `images` to the blob `scores`, `width` values an image."""

    graph: Graph
    nodes: tuple[Node, ...]
    images: str
    scores: str

    @property
    def image_shape(self) -> Shape:
        """(channels, height, width)."""
        return self.graph.data.image_shape

    @property
    def weighted(self) -> tuple[Node, ...]:
        """The layers with weights."""
        return tuple(node for node in self.nodes if isinstance(node.layer, WeightedLayer))

    @property
    def width(self) -> int:
        """Scores of an image."""
        shapes = {
            name: shape
            for node in self.nodes
            for name, shape in zip(node.tops, node.out_shapes, strict=True)
        }
        return prod(shapes[self.scores])


def structure_of(net: NetConfig) -> Structure:
    """The structure of a net: of TEST, else of VAL, else of TRAIN."""
    graph, problems = build_graph(net, tested_phase(net))
    assert graph is not None, f"unchecked configuration: {problems}"
    readers = Readers(graph)
    return Structure(graph, tuple(readers.needed()), graph.data.top[0], readers.scores)
