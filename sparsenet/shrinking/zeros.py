"""Which channels of a net are zero once filters are, and what else must become zero for that.

A filter without weights still puts out its bias, and a normalisation after it the shift: numbers
that no image changes. Silenced, its bias is 0, and of the normalisations that follow mean and
shift: the channel is then 0 at every pixel up to where a layer makes another number of 0.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sparsenet.config.graph import Graph, Node
from sparsenet.config.net import NetConfig
from sparsenet.layers.activations import Power, Sigmoid
from sparsenet.layers.base import Layer, Phase, WeightedLayer
from sparsenet.layers.convolution import Convolution
from sparsenet.layers.joining import Eltwise
from sparsenet.layers.normalization import BatchNorm, BatchNormScale
from sparsenet.layers.scale import Scale
from sparsenet.shrinking.channels import MOVING, acts_by_channel, divided, graphs_of, moved, spread

State = str | None
"""None of a channel that is zero, else why it is not, as far as there is more to say of it."""
LIVE = ""


class Zeros:
    """What follows where filters, by layer, have no weights.

    `read` has the states of what each layer with weights reads, by phase and the layer's index;
    `silent` the places of biases, shifts and means that must become zero, by tensor name.
    """

    def __init__(self, net: NetConfig, pruned: Mapping[str, Collection[int]]) -> None:
        self.pruned = pruned
        self.read: dict[tuple[Phase, int], tuple[State, ...]] = {}
        self.silent: dict[str, set[int]] = {}
        for graph in graphs_of(net):
            self._walk(graph)

    def _walk(self, graph: Graph) -> None:
        images = (LIVE,) * graph.data.image_shape[0]
        blobs: dict[str, Sequence[State]] = dict(zip(graph.data.top, (images, ()), strict=True))
        for node in graph.nodes:
            tops = self._tops(graph.phase, node, [blobs[name] for name in node.bottoms])
            blobs.update(zip(node.tops, tops, strict=True))

    def _tops(
        self, phase: Phase, node: Node, bottoms: list[Sequence[State]]
    ) -> Sequence[Sequence[State]]:
        layer = node.layer
        if isinstance(layer, WeightedLayer):
            return [self._weighted(phase, node, layer, bottoms[0])]
        if isinstance(layer, Eltwise):
            return [[_joined(layer, states) for states in zip(*bottoms, strict=True)]]
        if acts_by_channel(layer):
            return [self._by_channel(layer, bottoms[0])]
        if isinstance(layer, MOVING):
            return moved(node, bottoms)
        return [[LIVE] * (shape[0] if shape else 0) for shape in node.out_shapes]

    def _weighted(
        self, phase: Phase, node: Node, layer: WeightedLayer, bottom: Sequence[State]
    ) -> list[State]:
        """Zero are the pruned filters, and those of a group of which all channels are zero."""
        is_image = len(node.out_shapes[0]) > 1
        inputs = tuple(bottom) if is_image else spread(bottom, node.in_shapes[0])
        self.read[phase, node.index] = inputs
        group = layer.group if isinstance(layer, Convolution) else 1
        unfed = [not any(state is not None for state in part) for part in divided(inputs, group)]
        outputs, pruned = node.out_shapes[0][0], self.pruned.get(layer.name, ())
        zero = [place in pruned or unfed[place * group // outputs] for place in range(outputs)]
        if layer.has_bias:
            self._silence(layer, ("bias",), zero)
        return [None if each else LIVE for each in zero]

    def _by_channel(self, layer: Layer, bottom: Sequence[State]) -> list[State]:
        if not _keeps_zero(layer):
            why = f"{layer.name!r} ({layer.type}) makes another number of 0"
            return [why if state is None else state for state in bottom]
        self._silence(layer, _shifts(layer), [state is None for state in bottom])
        return list(bottom)

    def _silence(self, layer: Layer, names: Sequence[str], zero: Sequence[bool]) -> None:
        places = [place for place, each in enumerate(zero) if each]
        for name in names if places else ():
            self.silent.setdefault(f"{layer.name}.{name}", set()).update(places)


def _keeps_zero(layer: Layer) -> bool:
    """Whether a layer by channel, its shifts being 0, makes 0 of 0."""
    if isinstance(layer, Power):
        return layer.shift == 0 and layer.power > 0
    return not isinstance(layer, Sigmoid)


def _shifts(layer: Layer) -> tuple[str, ...]:
    """What a layer adds to a channel or takes from it."""
    if isinstance(layer, BatchNormScale):
        return ("mean", "bias")
    if isinstance(layer, BatchNorm):
        return ("mean",)
    return ("bias",) if isinstance(layer, Scale) and layer.bias_term else ()


def _joined(layer: Eltwise, states: Sequence[State]) -> State:
    """A product is zero where a factor is, a sum or maximum where all are."""
    zero = [state is None for state in states]
    if all(zero) or (layer.operation == "PROD" and any(zero)):
        return None
    if any(zero):
        return f"{layer.name!r} (Eltwise) joins it with a channel that is not zero"
    return next((state for state in states if state), LIVE)
