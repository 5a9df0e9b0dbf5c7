"""Several trained nets as one net, whose outputs are the mean of theirs.

An ensemble is so an ordinary net in Caffe's words, and its checkpoint an ordinary checkpoint: the
members' layers stand side by side over the same Data layers, `member1/conv1` and so on, each
member's scores go through a Softmax, and an Eltwise takes their mean.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from sparsenet.checkpoint import Checkpoint, Constraint
from sparsenet.config.graph import Graph, Node, build_graph, has_phase
from sparsenet.config.load import Configuration, from_data
from sparsenet.errors import ConfigError
from sparsenet.layers.base import Phase
from sparsenet.layers.data import Data
from sparsenet.layers.loss import SoftmaxWithLoss

AVERAGE = "prob"
_MEMBER = "member"


def joined_configuration(configuration: Configuration, members: int) -> Configuration:
    """The configuration of the mean of so many nets of a configuration, two or more.

    Of the net's layers it has those of its tests. Raises ConfigError where these do not end in one
    SoftmaxWithLoss, the mean of whose probabilities could be taken.
    """
    config = configuration.solver
    phase: Phase = "TEST" if has_phase(config.net, "TEST") else "VAL"
    graph, _ = build_graph(config.net, phase)
    ends = [n for n in graph.nodes if isinstance(n.layer, SoftmaxWithLoss)] if graph else []
    if graph is None or len(ends) != 1:
        words = f"has {len(ends)} SoftmaxWithLoss in its tests; an ensemble averages what one reads"
        raise ConfigError(f"{configuration.document.name}: the net {words}")
    data = copy.deepcopy(configuration.data)
    data.pop("stages", None)
    layers = data["net"]["layers"]
    nets = zip(config.net.layers, layers, strict=True)
    shared = [_without_bootstrap(keys) for layer, keys in nets if isinstance(layer, Data)]
    joined = [
        _member(layers[node.index], node, graph, place)
        for place in range(1, members + 1)
        for node in graph.nodes
        if not (node.layer.is_loss or node.layer.is_accuracy)
    ]
    data["net"] = {
        "name": f"{config.net.name}, {members} members",
        "layers": [*shared, *joined, *_mean(ends[0], members), *_judges(graph, layers, ends[0])],
    }
    return from_data(data, f"{configuration.document.name} as an ensemble")


def _without_bootstrap(keys: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in keys.items() if key != "bootstrap"}


def _member(keys: dict[str, Any], node: Node, graph: Graph, place: int) -> dict[str, Any]:
    """A layer of one member: its name and its blobs are its own, but for those of the data."""
    name = f"{_MEMBER}{place}/{node.layer.name}"
    own = {key: value for key, value in keys.items() if key not in ("phase", "include")}
    wiring = {
        "bottom": [_blob(blob, graph, place, node.index) for blob in node.bottoms],
        "top": [f"{_MEMBER}{place}/{blob}" for blob in node.tops],
    }
    rule = own.get("regularization")
    if rule is not None and "group" in rule:
        own["regularization"] = rule | {"group": f"{_MEMBER}{place}/{rule['group']}"}
    return {**own, "name": name, **wiring}


def _blob(name: str, graph: Graph, place: int, before: int) -> str:
    """What layer `before` of a member reads by this name: the data's blob till it is rewritten."""
    written = any(name in node.tops for node in graph.nodes if node.index < before)
    return f"{_MEMBER}{place}/{name}" if written or name not in graph.data.top else name


def _mean(end: Node, members: int) -> list[dict[str, Any]]:
    """Each member's probabilities, and their mean."""
    places = range(1, members + 1)
    outputs = [f"{_MEMBER}{place}/{AVERAGE}" for place in places]
    softmax = [
        {"name": output, "type": "Softmax", "bottom": f"{_MEMBER}{place}/{end.bottoms[0]}"}
        for place, output in zip(places, outputs, strict=True)
    ]
    mean = {"operation": "SUM", "bottom": outputs, "coeff": [1 / members] * members}
    return [*softmax, {"name": AVERAGE, "type": "Eltwise", **mean}]


def _judges(graph: Graph, layers: Sequence[dict[str, Any]], end: Node) -> list[dict[str, Any]]:
    """The accuracies and the loss, of the mean."""
    judged = [n for n in graph.nodes if n.layer.is_accuracy and n.bottoms[0] == end.bottoms[0]]
    accuracies = [
        layers[node.index]
        | {"bottom": [AVERAGE, _blob(node.bottoms[1], graph, 1, node.index)]}
        | {"top": list(node.tops)}
        for node in judged
    ]
    kept = ("ignore_label", "normalization", "loss_weight")
    own = {key: value for key, value in layers[end.index].items() if key in kept}
    loss = {"name": end.layer.name, "type": "MultinomialLogisticLoss"}
    bottoms = [AVERAGE, _blob(end.bottoms[1], graph, 1, end.index)]
    return [*accuracies, loss | own | {"bottom": bottoms, "top": list(end.tops)}]


def joined_checkpoint(configuration: Configuration, members: Sequence[Checkpoint]) -> Checkpoint:
    """The net of a joined configuration with the weights of its members.

    Raises ConfigError where these subtract different mean images, or have different classes.
    """
    first = members[0]
    for other in members[1:]:
        if not _same(first.mean_image, other.mean_image) or first.classes != other.classes:
            words = "the members do not see the same images: their mean image or classes differ"
            raise ConfigError(words)
    weights: dict[str, Tensor] = {}
    constraints: list[Constraint] = []
    for place, member in enumerate(members, start=1):
        prefix = f"{_MEMBER}{place}/"
        weights |= {prefix + name: tensor for name, tensor in member.weights.items()}
        constraints += [
            Constraint(prefix + item.name, tuple(prefix + w for w in item.weights), item.t)
            for item in member.constraints
        ]
    return Checkpoint(
        config=configuration.data,
        iter=max(member.iter for member in members),
        weights=weights,
        constraints=tuple(constraints),
        mean_image=first.mean_image,
        classes=first.classes,
    )


def _same(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None:
        return one is other
    return torch.equal(one, other)
