"""Which layers of a net compute its scores, and who reads what they write."""

from __future__ import annotations

from collections import Counter

from sparsenet.config.graph import Graph, Node, has_phase
from sparsenet.config.net import NetConfig
from sparsenet.layers.activations import Softmax
from sparsenet.layers.base import Phase


def tested_phase(net: NetConfig) -> Phase:
    """The phase in which a net is used: TEST, else VAL, else TRAIN."""
    phases: tuple[Phase, ...] = ("TEST", "VAL")
    return next((phase for phase in phases if has_phase(net, phase)), "TRAIN")


class Readers:
    """Which node each bottom of a graph comes from; names may be written again.

    The scores are what its `judge` reads, the first accuracy, else the last loss; without one they
    are the last blob. Where a Softmax of them ends the net they are its probabilities.
    """

    def __init__(self, graph: Graph) -> None:
        self.nodes = [n for n in graph.nodes if not (n.layer.is_loss or n.layer.is_accuracy)]
        accuracies = [n for n in graph.nodes if n.layer.is_accuracy]
        judges = accuracies[:1] or [n for n in graph.nodes if n.layer.is_loss][-1:]
        self.judge = judges[0] if judges else None
        if self.judge:
            self.scores, self.until = self.judge.bottoms[0], self.judge.index
        else:
            last = self.nodes[-1] if self.nodes else None
            self.scores = last.tops[0] if last else graph.data.top[0]
            self.until = last.index + 1 if last else 0
        read = {blob for node in graph.nodes for blob in node.bottoms}
        ends = [n for n in self.nodes if self._is_softmax_of_scores(n) and n.tops[0] not in read]
        if ends:
            self.scores, self.until = ends[0].tops[0], ends[0].index + 1

    def _is_softmax_of_scores(self, node: Node) -> bool:
        if not isinstance(node.layer, Softmax) or node.bottoms[0] != self.scores:
            return False
        return self.writer(self.scores, node.index) is self.writer(self.scores, self.until)

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
