"""From a net to a program: operations in order, with every blob placed in one arena."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from torch import Tensor

from sparsenet.config.graph import Graph, Node
from sparsenet.config.readers import Readers, tested_phase
from sparsenet.errors import ConfigError
from sparsenet.net import Net
from sparsenet.program import lower_others, lower_weighted  # noqa: F401  they register
from sparsenet.program.arena import placed
from sparsenet.program.lowering import LOWERS, Lowering
from sparsenet.program.operation import Blob, Operation
from sparsenet.storage.encoded import Encoded


@dataclass(frozen=True)
class Program:
    """Scores from images, `group` at a time. `places` are floats an image from the arena's start.

    The arena has `arena` floats an image, and that of a group so many times as many.

    The image and the scores are the caller's and have no place there.
    """

    operations: tuple[Operation, ...]
    image: Blob
    scores: Blob
    places: Mapping[Blob, int]
    arena: int
    group: int


def plan(net: Net, encoded: Mapping[str, Encoded], group: int = 1) -> Program:
    """The program that computes a net's scores in TEST, or in VAL where it has no TEST.

    The scores are what the first Accuracy reads, else the last loss, else the last blob; for an
    ensemble, and where a Softmax ends the net, these are probabilities. A group is 1 image, or a
    multiple of 8, of 32 above 64: more take more memory, and with them a weight is decoded once for
    all of a group.

    Raises ConfigError naming every layer that no kernel computes.
    """
    return plan_graph(net.graphs[tested_phase(net.config)], net.weights(), encoded, group)


def plan_graph(
    graph: Graph, numbers: Mapping[str, Tensor], encoded: Mapping[str, Encoded], group: int = 1
) -> Program:
    """As `plan`, of a phase and its tensors that are not packed, by `layer.bias` and the like."""
    readers = Readers(graph)
    nodes = readers.needed()
    if wrong := [node.layer for node in nodes if not _is_known(node)]:
        names = ", ".join(f"{layer.name} ({layer.type})" for layer in wrong)
        raise ConfigError(f"there is no C for {names}")
    image = Blob("image", prod(graph.data.image_shape))
    to = Lowering(numbers, encoded, readers.uses(nodes), image, group)
    to.blobs[graph.data.top[0]] = image
    to.counts[image] = sum(graph.data.top[0] in node.bottoms for node in nodes)
    for node in nodes:
        LOWERS[type(node.layer)](to, node)
    scores = to.blobs[readers.scores]
    if scores is image:
        raise ConfigError("the net has no layer that computes scores from the images")
    return _program(to, scores)


def plan_layer(
    node: Node, numbers: Mapping[str, Tensor], encoded: Mapping[str, Encoded], group: int = 1
) -> Program:
    """The program of one layer alone: from its one bottom to its one top."""
    image = Blob(node.bottoms[0], prod(node.in_shapes[0]))
    to = Lowering(numbers, encoded, {}, image, group, {node.bottoms[0]: image}, {image: 1})
    LOWERS[type(node.layer)](to, node)
    return _program(to, to.blobs[node.tops[0]])


def _program(to: Lowering, scores: Blob) -> Program:
    places, arena = placed(to.operations, {to.image, scores})
    return Program(tuple(to.operations), to.image, scores, places, arena, to.group)


def _is_known(node: Node) -> bool:
    by_batch = getattr(node.layer, "use_global_stats", None) is False
    return type(node.layer) in LOWERS and not by_batch
