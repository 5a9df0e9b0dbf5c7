"""From the layers of a net to operations: one function a type of layer.

A new layer is a function with `@lowers` above it, in `lower_*.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import prod

from torch import Tensor

from sparsenet.config.graph import Node
from sparsenet.layers.base import Layer
from sparsenet.program.operation import Argument, Blob, Numbers, Operation, Packed, Rectifier
from sparsenet.storage.encoded import Encoded

ALIGNED = 16
"""Floats to which sizes are rounded up: a vector may reach beyond the last value."""

LOWERS: dict[type[Layer], Callable[[Lowering, Node], None]] = {}
Lower = Callable[["Lowering", Node], None]


def lowers(*kinds: type[Layer]) -> Callable[[Lower], Lower]:
    """Make a function known as the one for some types of layers."""

    def register(function: Lower) -> Lower:
        LOWERS.update(dict.fromkeys(kinds, function))
        return function

    return register


@dataclass
class Lowering:
    """What is lowered so far. `uses` counts the readers of each blob that a node writes.

    Blobs are found by name as the node that is being lowered sees them; a name that is written
    again is another blob.
    """

    weights: Mapping[str, Tensor]
    encoded: Mapping[str, Encoded]
    uses: Mapping[tuple[int, str], int]
    image: Blob
    group: int
    blobs: dict[str, Blob] = field(default_factory=dict)
    counts: dict[Blob, int] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)

    def bottoms(self, node: Node) -> tuple[Blob, ...]:
        """The blobs that a node reads."""
        return tuple(self.blobs[name] for name in node.bottoms)

    def emit(
        self,
        node: Node,
        kernel: str,
        *arguments: Argument,
        scratch: tuple[int, ...] = (),
        in_place: bool = False,
    ) -> None:
        """One operation that reads all bottoms of the node and writes its first top."""
        reads, top = self.bottoms(node), self.top(node)
        self.call(node, kernel, reads, top, *arguments, scratch=scratch, in_place=in_place)

    def call(
        self,
        node: Node,
        kernel: str,
        reads: tuple[Blob, ...],
        write: Blob,
        *arguments: Argument,
        scratch: tuple[int, ...] = (),
        in_place: bool = False,
    ) -> None:
        """One operation on blobs that are given; `scratch` are floats an image."""
        spare = tuple(Blob(f"{node.layer.name} scratch", size) for size in scratch)
        self.operations.append(
            Operation(node.layer.name, kernel, reads, write, arguments, spare, in_place)
        )

    def top(self, node: Node, place: int = 0) -> Blob:
        """A new blob for a top of the node."""
        name = node.tops[place]
        self.blobs[name] = Blob(name, prod(node.out_shapes[place]))
        self.counts[self.blobs[name]] = self.uses.get((node.index, name), 0)
        return self.blobs[name]

    def alias(self, node: Node) -> None:
        """Let the tops of a node be its bottom, under their names."""
        (bottom,) = self.bottoms(node)
        names = node.tops
        self.counts[bottom] += sum(self.uses.get((node.index, name), 0) for name in names) - 1
        self.blobs.update(dict.fromkeys(names, bottom))

    def join(self, node: Node, more: Callable[[Operation], Operation | None]) -> bool:
        """Let the operation before do the node's work too, where nobody else reads what it writes.

        `more` makes one operation of both, or None where the kernel cannot do it.
        """
        (bottom,) = self.bottoms(node)
        last = self.operations[-1] if self.operations else None
        if last is None or last.write is not bottom or self.counts[bottom] != 1:
            return False
        if joined := more(last):
            layers = f"{last.layer}, {node.layer.name}"
            self.operations[-1] = replace(joined, write=self.top(node), layer=layers)
        return joined is not None

    def rectify(self, node: Node, by: Rectifier) -> None:
        """A rectifier, as a part of the operation before where it can be."""
        if not self.join(node, lambda last: last.followed(by)):
            self.emit(node, "rectify", prod(node.in_shapes[0]), by, in_place=True)

    def numbers(self, node: Node, parameter: str) -> Numbers | None:
        """A parameter or statistic of the node's layer as float32, or None where it has none."""
        name = f"{node.layer.name}.{parameter}"
        tensor = self.weights.get(name)
        return None if tensor is None else Numbers(name, tensor.float().cpu().numpy().reshape(-1))

    def packed(self, node: Node) -> Packed:
        """The weight of the node's layer."""
        return Packed(node.layer.name, self.encoded[node.layer.name])
