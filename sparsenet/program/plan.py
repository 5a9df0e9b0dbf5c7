"""From a net to a program: operations in order, with every blob placed in one arena."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from sparsenet.config.graph import Graph, Node
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

    The scores are what the first Accuracy reads, else the first loss, else the last blob: for an
    ensemble these are probabilities. A group is 1 image, or a multiple of 8, of 32 above 64: more
    take more memory, and with them a weight is decoded once for all of a group.

    Raises ConfigError naming every layer that no kernel computes.
    """
    graph = net.graphs.get("TEST") or net.graphs.get("VAL") or net.graphs["TRAIN"]
    readers = _Readers(graph)
    nodes = readers.needed()
    if wrong := [node.layer for node in nodes if not _is_known(node)]:
        names = ", ".join(f"{layer.name} ({layer.type})" for layer in wrong)
        raise ConfigError(f"there is no C for {names}")
    image = Blob("image", prod(graph.data.image_shape))
    to = Lowering(net.weights(), encoded, readers.uses(nodes), image, group)
    to.blobs[graph.data.top[0]] = image
    to.counts[image] = sum(graph.data.top[0] in node.bottoms for node in nodes)
    for node in nodes:
        LOWERS[type(node.layer)](to, node)
    scores = to.blobs[readers.scores]
    if scores is image:
        raise ConfigError("the net has no layer that computes scores from the images")
    places, arena = placed(to.operations, {image, scores})
    return Program(tuple(to.operations), image, scores, places, arena, group)


def _is_known(node: Node) -> bool:
    by_batch = getattr(node.layer, "use_global_stats", None) is False
    return type(node.layer) in LOWERS and not by_batch


class _Readers:
    """Which node each bottom of a graph comes from; names may be written again."""

    def __init__(self, graph: Graph) -> None:
        self.nodes = [n for n in graph.nodes if not (n.layer.is_loss or n.layer.is_accuracy)]
        judges = sorted(
            (n for n in graph.nodes if n.layer.is_loss or n.layer.is_accuracy),
            key=lambda node: node.layer.is_loss,
        )
        last = judges[0] if judges else None
        self.scores = last.bottoms[0] if last else self.nodes[-1].tops[0]
        self.until = last.index if last else self.nodes[-1].index + 1

    def writer(self, name: str, before: int) -> Node | None:
        """The last node before a place that writes a name; None for the Data layer."""
        found = [n for n in self.nodes if n.index < before and name in n.tops]
        return found[-1] if found else None

    def needed(self) -> list[Node]:
        """The nodes that the scores depend on, in order."""
        wanted: dict[int, Node] = {}
        open_ends = [(self.scores, self.until)]
        while open_ends:
            node = self.writer(*open_ends.pop())
            if node is not None and node.index not in wanted:
                wanted[node.index] = node
                open_ends += [(name, node.index) for name in node.bottoms]
        return [wanted[index] for index in sorted(wanted)]

    def uses(self, nodes: list[Node]) -> Counter[tuple[int, str]]:
        """How often what a node writes is read; the scores once more."""
        ends = [(name, node.index) for node in nodes for name in node.bottoms]
        found: Counter[tuple[int, str]] = Counter()
        for name, before in [*ends, (self.scores, self.until)]:
            if (node := self.writer(name, before)) is not None:
                found[node.index, name] += 1
        return found
