"""The net of one phase: which layers are in it, which blobs they read and write, and the shapes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sparsenet.config.net import NetConfig
from sparsenet.errors import nearest
from sparsenet.layers.base import Layer, Phase, Shape, ShapeError
from sparsenet.layers.data import Data
from sparsenet.record import KeyPath


@dataclass(frozen=True)
class Node:
    """A layer in its place: `index` in the file, blob names, and one example's shapes."""

    index: int
    layer: Layer
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    in_shapes: tuple[Shape, ...]
    out_shapes: tuple[Shape, ...]


@dataclass(frozen=True)
class Graph:
    """One phase of a net: its Data layer and, in order, the layers that compute from it."""

    phase: Phase
    data: Data
    nodes: tuple[Node, ...]


GraphProblem = tuple[KeyPath, str]


def in_phase(layer: Layer, phase: Phase) -> bool:
    """Whether a layer is part of a phase. What serves TEST serves VAL, except for the data."""
    if isinstance(layer, Data):
        return phase in layer.phases
    return phase in layer.phases or (phase == "VAL" and "TEST" in layer.phases)


def has_phase(net: NetConfig, phase: Phase) -> bool:
    """Whether the net has data for a phase."""
    return any(isinstance(layer, Data) and in_phase(layer, phase) for layer in net.layers)


def build_graph(net: NetConfig, phase: Phase) -> tuple[Graph | None, list[GraphProblem]]:
    """Wire the layers of a phase and infer their shapes; problems are by the layers' key paths.

    A bottom left out is the previous layer's first top, and for a layer of two bottoms (a loss,
    an accuracy) also the Data layer's label.
    """
    chosen = [(i, layer) for i, layer in enumerate(net.layers) if in_phase(layer, phase)]
    data = [(i, layer) for i, layer in chosen if isinstance(layer, Data)]
    if len(data) != 1:
        return None, [(("layers",), f"phase {phase} needs one Data layer, not {len(data)}")]
    problems = _repeated_names(chosen)
    shapes: dict[str, Shape] = {}
    nodes: list[Node] = []
    previous = ""
    for index, layer in chosen:
        node, found = _node(index, layer, previous, shapes, data[0][1])
        problems += found
        if node is None:
            # What follows may fail only because this layer did: report causes, not consequences.
            return None, problems
        shapes.update(zip(node.tops, node.out_shapes, strict=True))
        previous = node.tops[0] if node.tops else previous
        nodes.append(node)
    if problems:
        return None, problems
    computing = tuple(node for node in nodes if not isinstance(node.layer, Data))
    return Graph(phase, data[0][1], computing), []


def _repeated_names(chosen: list[tuple[int, Layer]]) -> list[GraphProblem]:
    counts = Counter(layer.name for _, layer in chosen)
    return [
        (("layers", index, "name"), f"{layer.name!r} names {counts[layer.name]} layers of a phase")
        for index, layer in chosen
        if counts[layer.name] > 1
    ]


def _node(
    index: int, layer: Layer, previous: str, shapes: dict[str, Shape], data: Data
) -> tuple[Node | None, list[GraphProblem]]:
    path = ("layers", index)
    bottoms = _bottoms(layer, previous, data)
    tops = layer.top if layer.top is not None else (layer.name,)[: layer.tops]
    if len(bottoms) != layer.bottoms:
        return None, [((*path, "bottom"), f"{layer.type} reads {layer.bottoms}, not {bottoms}")]
    if len(tops) != layer.tops:
        return None, [((*path, "top"), f"{layer.type} writes {layer.tops}, not {tops}")]
    unknown = [name for name in bottoms if name not in shapes]
    if unknown:
        words = f"no layer before this one writes {unknown[0]!r}{nearest(unknown[0], shapes)}"
        return None, [((*path, "bottom"), words)]
    in_shapes = tuple(shapes[name] for name in bottoms)
    try:
        out_shapes = layer.output_shapes(in_shapes)
    except ShapeError as error:
        return None, [(path, str(error))]
    return Node(index, layer, bottoms, tops, in_shapes, out_shapes), []


def _bottoms(layer: Layer, previous: str, data: Data) -> tuple[str, ...]:
    if layer.bottom is not None:
        return layer.bottom
    return (previous, data.top[-1])[: layer.bottoms]
