"""An ONNX graph as it grows, in the names of the net, and the place of one layer in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from torch import Tensor

from sparsenet.config.graph import Node
from sparsenet.layers.base import Layer, Shape

Writer = Callable[[Any, "Place"], None]
"""Adds the operators of a layer to the graph."""

WRITERS: dict[type[Layer], Writer] = {}


def writes(kind: type[Layer]) -> Callable[[Writer], Writer]:
    """Register the writer of a kind of layer."""

    def register(writer: Writer) -> Writer:
        WRITERS[kind] = writer
        return writer

    return register


class GraphWriter:
    """Operators and initializers; `tensors` are the net's own, by name."""

    def __init__(
        self, tensors: Mapping[str, Tensor], writers: Mapping[type[Layer], Writer]
    ) -> None:
        self.tensors, self.writers = tensors, writers
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}
        self._taken = set(tensors)

    def value(self, name: str) -> str:
        """A name for a value, which no other has: this one, or this with a number."""
        found, number = name, 1
        while found in self._taken:
            number += 1
            found = f"{name}_{number}"
        self._taken.add(found)
        return found

    def add(self, nodes: Sequence[Node], inputs: Mapping[str, str]) -> dict[str, str]:
        """Write layers in order; from the values of the blobs before them to those after, by blob.

        A blob that is rewritten in place has its own name where it is done, and before that the
        name of the layer that wrote it behind its own.
        """
        values = dict(inputs)
        last = {top: node for node in nodes for top in node.tops}
        done = {top: self.value(top) for top in last}
        for node in nodes:
            tops = [
                done[top] if last[top] is node else self.value(f"{top}/{node.layer.name}")
                for top in node.tops
            ]
            place = Place(self, node, [values[blob] for blob in node.bottoms], tops)
            self.writers[type(node.layer)](node.layer, place)
            values.update(zip(node.tops, tops, strict=True))
        return values


@dataclass(frozen=True)
class Place:
    """A layer in the graph, the values that it reads, and those that it has to write."""

    graph: GraphWriter
    node: Node
    bottoms: Sequence[str]
    tops: Sequence[str]

    def tensor(self, name: str) -> Tensor:
        """A tensor that the layer has learnt: `weight`, `bias`, `mean`."""
        return self.graph.tensors[f"{self.node.layer.name}.{name}"]

    def learnt(self, name: str, shape: Shape | None = None) -> str:
        """An initializer `layer.weight` with the bits of the net's tensor, if need be in a row."""
        full, values = f"{self.node.layer.name}.{name}", self.tensor(name).detach().contiguous()
        array = values.cpu().numpy().reshape(values.shape if shape is None else shape)
        self.graph.initializers[full] = onnx.numpy_helper.from_array(array, full)
        return full

    def row(self, name: str) -> str:
        """The same with an axis for each that the bottom has behind its channels."""
        return self.learnt(name, (-1, *[1] * (len(self.node.in_shapes[0]) - 1)))

    def constant(self, name: str, values: object, dtype: type = np.float32) -> str:
        """An initializer that the net has not learnt: numbers of its configuration."""
        full = self.graph.value(f"{self.node.layer.name}/{name}")
        array: np.ndarray = np.asarray(values, dtype=dtype)
        self.graph.initializers[full] = onnx.numpy_helper.from_array(array, full)
        return full

    def step(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add an operator in the middle of the layer; the value it writes."""
        name = self.graph.value(f"{self.node.layer.name}/{operator}")
        self._add(operator, name, inputs, [name], attributes)
        return name

    def end(self, operator: str, *inputs: str, **attributes: Any) -> None:
        """Add the operator that writes all tops, named as the layer."""
        self._add(operator, self.node.layer.name, inputs, self.tops, attributes)

    def copies(self) -> None:
        """Let every top be the bottom."""
        for top in self.tops:
            name = self.node.layer.name if len(self.tops) == 1 else f"{self.node.layer.name}/{top}"
            self._add("Identity", name, self.bottoms, [top], {})

    def _add(
        self,
        operator: str,
        name: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        attributes: dict[str, Any],
    ) -> None:
        made = onnx.helper.make_node(operator, list(inputs), list(outputs), name, **attributes)
        self.graph.nodes.append(made)
