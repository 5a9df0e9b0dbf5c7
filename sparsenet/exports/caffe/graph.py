"""A net of Caffe's as it grows, in the names of the net, and the place of one layer in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from sparsenet.caffe.blobs import serialized
from sparsenet.caffe.caffe_pb2 import BlobProto, LayerParameter, NetParameter
from sparsenet.config.graph import Node
from sparsenet.layers.base import Layer, Shape

Writer = Callable[[Any, "Place"], None]
"""Adds Caffe's layers for a layer."""
WRITERS: dict[type[Layer], Writer] = {}
IN_PLACE = {"BatchNorm", "BatchNormScale", "Dropout", "ELU", "PReLU", "Power"}
IN_PLACE |= {"ReLU", "Scale", "Sigmoid", "TanH"}
"""Types that may write the blob that they read, in Caffe."""


def writes(*kinds: type[Layer]) -> Callable[[Writer], Writer]:
    """Register the writer of kinds of layers."""

    def register(writer: Writer) -> Writer:
        WRITERS.update(dict.fromkeys(kinds, writer))
        return writer

    return register


class NetWriter:
    """A NetParameter without blobs, and these by the names of its layers."""

    def __init__(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        self.message = NetParameter(name=name)
        self.tensors = tensors
        self.blobs: dict[str, list[Tensor]] = {}
        self._layers: set[str] = set()
        self._tops: set[str] = set()

    def add(
        self, images: str, shape: Shape, source: str, nodes: Sequence[Node]
    ) -> Mapping[str, str]:
        """Write an Input `source` of one example and layers in order; Caffe's name of each blob.

        All names stay, but where a blob is written in place by a layer that cannot, in Caffe.
        """
        self._layers = {source, *(node.layer.name for node in nodes)}
        self._tops = {images, *(top for node in nodes for top in node.tops)}
        made = self.message.layer.add(name=source, type="Input", top=[images])
        made.input_param.shape.add(dim=[1, *shape])
        names = {images: images}
        for node in nodes:
            tops = [self._top(top, node) for top in node.tops]
            place = Place(self, node, [names[blob] for blob in node.bottoms], tops)
            WRITERS[type(node.layer)](node.layer, place)
            names.update(zip(node.tops, tops, strict=True))
        return names

    def caffemodel(self) -> bytes:
        """The net with its blobs, bit for bit, as a binary message."""
        whole = NetParameter()
        whole.CopyFrom(self.message)
        for layer in whole.layer:
            blobs = self.blobs.get(layer.name, ())
            layer.blobs.extend(BlobProto.FromString(serialized(blob)) for blob in blobs)
        return whole.SerializeToString()

    def _top(self, top: str, node: Node) -> str:
        if top not in node.bottoms or node.layer.type in IN_PLACE:
            return top
        return self.top(f"{top}/{node.layer.name}")

    def top(self, name: str) -> str:
        """The name, or it with `_`s, that no blob has."""
        return _unused(name, self._tops)

    def layer(self, name: str) -> str:
        """The same for a layer."""
        return _unused(name, self._layers)


def _unused(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name


@dataclass(frozen=True)
class Place:
    """A layer in the net, with Caffe's names of the blobs that it reads and has to write."""

    net: NetWriter
    node: Node
    bottoms: Sequence[str]
    tops: Sequence[str]

    def tensor(self, name: str) -> Tensor:
        """A tensor that the layer has learnt: `weight`, `bias`, `mean`."""
        return self.net.tensors[f"{self.node.layer.name}.{name}"]

    def learnt(self, *names: str) -> list[Tensor]:
        """Those of these tensors that the layer has, in this order."""
        names = tuple(f"{self.node.layer.name}.{name}" for name in names)
        return [self.net.tensors[name] for name in names if name in self.net.tensors]

    def layer(self, kind: str, blobs: Sequence[Tensor] = ()) -> LayerParameter:
        """Add a layer of this type under the layer's name, from its bottoms to its tops."""
        return self.step(kind, self.node.layer.name, self.bottoms, self.tops, blobs)

    def step(
        self,
        kind: str,
        name: str,
        bottoms: Sequence[str],
        tops: Sequence[str],
        blobs: Sequence[Tensor] = (),
    ) -> LayerParameter:
        """Add any layer, where one alone does not do."""
        if blobs:
            self.net.blobs[name] = list(blobs)
        return self.net.message.layer.add(name=name, type=kind, bottom=bottoms, top=tops)
