"""Which axes of which parameters are one channel, by the wiring of a net.

Every output of a layer with weights begins a channel. Layers that act on each channel by itself
pass it on, Concat, Slice and the like move it, and a layer with weights ends it: its weight reads
channels along its second axis. What Eltwise and depthwise convolutions join can only go together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from math import prod
from typing import TypeVar

from sparsenet.config.graph import Graph, Node, build_graph, has_phase
from sparsenet.config.net import NetConfig
from sparsenet.layers.activations import ELU, Flatten, Power, ReLU, Sigmoid, TanH
from sparsenet.layers.base import PHASES, Layer, Phase, Shape, WeightedLayer
from sparsenet.layers.convolution import Convolution
from sparsenet.layers.dividing import ChannelShuffle, Slice, Split
from sparsenet.layers.dropout import Dropout
from sparsenet.layers.joining import Concat, Eltwise
from sparsenet.layers.lrn import LRN
from sparsenet.layers.normalization import BatchNorm, BatchNormScale
from sparsenet.layers.pooling import Pooling
from sparsenet.layers.scale import PReLU, Scale

Row = tuple[int, ...]
"""The channels of a blob or of a parameter's axis, one for each index: a channel may repeat."""
T = TypeVar("T")

MOVING = (Concat, Slice, Split, Flatten, ChannelShuffle)
BY_CHANNEL = (ReLU, ELU, Sigmoid, TanH, Power, Dropout, Pooling, LRN, BatchNorm, BatchNormScale,
              Scale, PReLU)  # fmt: skip
_KEYS_BY_PLACE = ("kernel_pattern",)
"""Keys of a layer under which what it computes depends on its channels' numbers."""


@dataclass(frozen=True)
class Weight:
    """A weight across channels: `outputs` along its first axis, `inputs` those of all its groups.

    `index` is the layer's in the net.
    """

    index: int
    outputs: Row
    inputs: Row
    group: int

    @property
    def is_depthwise(self) -> bool:
        """Whether each output is made of one input alone, whose channel it then shares."""
        return is_depthwise(self.group, len(self.inputs))


@dataclass(frozen=True)
class Read:
    """Where the weight of a layer reads channels: at the node `index` of a phase."""

    phase: Phase
    index: int
    layer: str
    channels: Row


@dataclass(frozen=True)
class Limit:
    """Rows of which each keeps a channel at least, and which lose equally many where `alike`."""

    rows: tuple[Row, ...]
    why: str
    alike: bool = False


class Channels:
    """The channels of a checked net, by number; those that can only go together have one root.

    `weights` and the `rows` of other parameters and statistics go by layer and by tensor name,
    `slices` are the parts of each Slice by the layer's index, `pinned` says why a channel cannot
    go whatever its values are.
    """

    def __init__(self, net: NetConfig) -> None:
        self.weights: dict[str, Weight] = {}
        self.rows: dict[str, Row] = {}
        self.slices: dict[int, tuple[Row, ...]] = {}
        self.reads: list[Read] = []
        self.limits: list[Limit] = []
        self.pinned: dict[int, str] = {}
        self._parents: list[int] = []
        for graph in graphs_of(net):
            _Walk(self, graph).run()

    def root(self, channel: int) -> int:
        """The channel that stands for all that can only go together with this one."""
        while self._parents[channel] != channel:
            self._parents[channel] = self._parents[self._parents[channel]]
            channel = self._parents[channel]
        return channel

    @property
    def roots(self) -> set[int]:
        """One channel of each that can only go together."""
        return set(map(self.root, range(len(self._parents))))

    def fresh(self, count: int) -> Row:
        """New channels."""
        first = len(self._parents)
        self._parents.extend(range(first, first + count))
        return tuple(range(first, first + count))

    def join(self, *rows: Row) -> None:
        """Let the channels at equal places of the rows only go together."""
        for first, *others in zip(*rows, strict=True):
            for other in others:
                self._parents[self.root(other)] = self.root(first)

    def pin(self, row: Row, why: str) -> None:
        """Let channels stay."""
        for channel in row:
            self.pinned.setdefault(channel, why)


class _Walk:
    """One pass over the layers of a phase, in order."""

    def __init__(self, channels: Channels, graph: Graph) -> None:
        self.channels, self.graph = channels, graph
        images = channels.fresh(graph.data.image_shape[0])
        channels.pin(images, "it is a channel of the images")
        self.blobs: dict[str, Row] = dict(zip(graph.data.top, (images, ()), strict=True))
        self.unread: dict[str, Row] = {}

    def run(self) -> None:
        """Note everything of the phase."""
        for node in self.graph.nodes:
            bottoms = [self.blobs[name] for name in node.bottoms]
            for name in node.bottoms:
                self.unread.pop(name, None)
            tops = dict(zip(node.tops, self._tops(node, bottoms), strict=True))
            self.blobs |= tops
            self.unread |= tops
        for name, row in self.unread.items():
            self.channels.pin(row, f"{name!r} is an output of the net")

    def _tops(self, node: Node, bottoms: list[Row]) -> Sequence[Row]:
        layer = node.layer
        if isinstance(layer, WeightedLayer):
            return [self._weighted(node, layer, bottoms[0])]
        if isinstance(layer, Eltwise):
            self.channels.join(*bottoms)
            return bottoms[:1]
        if acts_by_channel(layer):
            names = parameters_by_channel(layer)
            self.channels.rows |= {f"{layer.name}.{name}": bottoms[0] for name in names}
            return bottoms
        if isinstance(layer, ChannelShuffle):
            self._shuffle(layer, bottoms[0])
        if isinstance(layer, MOVING):
            tops = moved(node, bottoms)
            if isinstance(layer, Slice):
                self.channels.slices[node.index] = tuple(tops)
                self._limit(tops, layer)
            return tops
        return self._opaque(node, bottoms)

    def _opaque(self, node: Node, bottoms: list[Row]) -> list[Row]:
        """The tops of a layer that takes all its channels together."""
        why = f"{node.layer.name!r} ({node.layer.type}) takes several channels together"
        for row in bottoms:
            self.channels.pin(row, why)
        tops = [self.channels.fresh(shape[0] if shape else 0) for shape in node.out_shapes]
        for row in tops:
            self.channels.pin(row, why)
        return tops

    def _weighted(self, node: Node, layer: WeightedLayer, bottom: Row) -> Row:
        """The outputs of a layer with weights, the same in each phase."""
        inputs = spread(bottom, node.in_shapes[0]) if len(node.out_shapes[0]) == 1 else bottom
        group = layer.group if isinstance(layer, Convolution) else 1
        known = self.channels.weights.get(layer.name)
        outputs = known.outputs if known else self.channels.fresh(node.out_shapes[0][0])
        weight = Weight(node.index, outputs, inputs, group)
        self.channels.weights.setdefault(layer.name, weight)
        if known:
            self.channels.join(known.inputs, inputs)
        if layer.has_bias:
            self.channels.rows[f"{layer.name}.bias"] = outputs
        if weight.is_depthwise:
            each = len(outputs) // group
            for first in range(each):
                self.channels.join(inputs, outputs[first::each])
            self._limit([inputs], layer)
        else:
            read = Read(self.graph.phase, node.index, layer.name, inputs)
            self.channels.reads.append(read)
            for row in (inputs, outputs):
                self._limit(divided(row, group), layer, alike=group > 1)
        for key in _KEYS_BY_PLACE:
            if getattr(layer, key, None) is not None:
                why = f"the {key} of {layer.name!r} goes by the numbers of its channels"
                self.channels.pin(inputs + outputs, why)
        return outputs

    def _limit(self, rows: Sequence[Row], layer: Layer, *, alike: bool = False) -> None:
        why = f"a channel at least must stay for {layer.name!r}"
        if alike:
            why = f"the {len(rows)} groups of {layer.name!r} must lose equally many"
        self.channels.limits.append(Limit(tuple(rows), why, alike))

    def _shuffle(self, layer: ChannelShuffle, row: Row) -> None:
        """Dealt out in turn, the channels at one place of all groups can only go together."""
        groups = divided(row, layer.group)
        self.channels.join(*groups)
        self._limit(groups, layer)


def graphs_of(net: NetConfig) -> list[Graph]:
    """The phases of a checked net."""
    phases = [phase for phase in PHASES if phase == "TRAIN" or has_phase(net, phase)]
    graphs = [build_graph(net, phase)[0] for phase in phases]
    return [graph for graph in graphs if graph is not None]


def is_depthwise(group: int, inputs: int) -> bool:
    """Whether each of several groups has one channel."""
    return group > 1 and group == inputs


def acts_by_channel(layer: Layer) -> bool:
    """Whether a layer acts on each channel by itself and leaves their order."""
    across = isinstance(layer, LRN) and layer.norm_region == "ACROSS_CHANNELS"
    return isinstance(layer, BY_CHANNEL) and not across


def parameters_by_channel(layer: Layer) -> tuple[str, ...]:
    """The parameters and statistics that such a layer has a number a channel of."""
    if isinstance(layer, BatchNorm):
        return ("mean", "variance")
    if isinstance(layer, BatchNormScale):
        return ("weight", "bias", "mean", "variance")
    if isinstance(layer, Scale):
        return ("weight", "bias") if layer.bias_term else ("weight",)
    return ("weight",) if isinstance(layer, PReLU) and not layer.channel_shared else ()


def spread(row: Sequence[T], shape: Shape) -> tuple[T, ...]:
    """The channels of a blob of this shape, one for each of its values in the order C, H, W."""
    each = prod(shape[1:])
    return tuple(chain.from_iterable((channel,) * each for channel in row))


def divided(row: Sequence[T], parts: int) -> list[tuple[T, ...]]:
    """A row in parts of equal size."""
    size = len(row) // parts
    return [tuple(row[first : first + size]) for first in range(0, len(row), size)]


def moved(node: Node, bottoms: Sequence[Sequence[T]]) -> list[tuple[T, ...]]:
    """The tops' channels of a layer that moves the bottoms' about and changes none."""
    layer, first = node.layer, tuple(bottoms[0])
    if isinstance(layer, Concat):
        return [tuple(chain.from_iterable(bottoms))]
    if isinstance(layer, Slice):
        sizes = [shape[0] for shape in node.out_shapes]
        starts = [sum(sizes[:place]) for place in range(len(sizes))]
        return [first[start : start + size] for start, size in zip(starts, sizes, strict=True)]
    if isinstance(layer, Flatten):
        return [spread(first, node.in_shapes[0])]
    if isinstance(layer, ChannelShuffle):
        groups = divided(first, layer.group)
        return [tuple(chain.from_iterable(zip(*groups, strict=True)))]
    assert isinstance(layer, Split)
    return [first] * len(node.tops)
