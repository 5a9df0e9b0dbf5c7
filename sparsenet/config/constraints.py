"""The l0 constraints that a net declares, one by one and within each group that shares a ball."""

from __future__ import annotations

from sparsenet.amounts import resolve_amount
from sparsenet.config.graph import build_graph
from sparsenet.config.net import NetConfig
from sparsenet.layers.base import Shape, WeightedLayer
from sparsenet.record import KeyPath
from sparsenet.record_words import shown
from sparsenet.regularization.regularizers import L0
from sparsenet.regularization.schedule import Ball

ConstraintProblem = tuple[KeyPath, str]


def weight_shapes(net: NetConfig) -> dict[str, tuple[WeightedLayer, Shape]]:
    """Every layer with weights, by name in the net's order, with its weights' shape."""
    graph, _ = build_graph(net, "TRAIN")
    assert graph is not None, "a checked net has a TRAIN graph"
    return {
        node.layer.name: (node.layer, node.layer.weight_shape(node.in_shapes[0]))
        for node in graph.nodes
        if isinstance(node.layer, WeightedLayer)
    }


def learnt_weights(net: NetConfig) -> dict[str, int]:
    """How many weights each layer learns, by name in the net's order: all but for a pattern."""
    return {name: layer.learnt(shape) for name, (layer, shape) in weight_shapes(net).items()}


def declared_balls(net: NetConfig) -> list[Ball]:
    """One ball for each l0 layer without a group and for each group, in the net's order."""
    return [_ball(name, members) for name, members in _members(net).items()]


def _members(net: NetConfig) -> dict[str, list[tuple[str, L0, int]]]:
    """By ball: the name, rule and number of weights of each of its layers."""
    members: dict[str, list[tuple[str, L0, int]]] = {}
    for name, (layer, shape) in weight_shapes(net).items():
        rule = layer.regularization
        if isinstance(rule, L0):
            members.setdefault(rule.group or name, []).append((name, rule, layer.learnt(shape)))
    return members


def _ball(name: str, members: list[tuple[str, L0, int]]) -> Ball:
    size = sum(count for _, _, count in members)
    rule = members[0][1]
    t = next((rule.t for _, rule, _ in members if rule.t is not None), None)
    weights = tuple(f"{layer}.weight" for layer, _, _ in members)
    bound = None if t is None else resolve_amount(t, size)
    return Ball(name, weights, size, bound, rule.interval, rule.velocity)


def layer_problems(net: NetConfig) -> list[ConstraintProblem]:
    """Counts beyond their weights, and groups whose layers disagree, by the layers' key paths."""
    weighted = {
        layer.name: index
        for index, layer in enumerate(net.layers)
        if isinstance(layer, WeightedLayer)
    }
    problems: list[ConstraintProblem] = []
    for ball, members in _members(net).items():
        size = sum(count for _, _, count in members)
        agreed: dict[str, tuple[str, object]] = {}
        for layer, rule, _ in members:
            path: KeyPath = ("layers", weighted[layer], "regularization")
            if rule.group in weighted:
                problems.append(((*path, "group"), f"{ball!r} is the name of a layer already"))
            if rule.t is not None:
                problems += count_problem((*path, "t"), rule.t, size)
            for key in ("t", "interval", "velocity"):
                if (own := getattr(rule, key)) is None:
                    continue
                first, other = agreed.setdefault(key, (layer, own))
                if own != other:
                    words = f"{shown(own)} differs from the {shown(other)} of {first}"
                    problems.append(((*path, key), f"{words}, which shares group {ball!r}"))
    return problems


def count_problem(path: KeyPath, t: int | str, size: int) -> list[ConstraintProblem]:
    """The problem, if any, with t as a count among `size` weights."""
    try:
        resolve_amount(t, size)
    except ValueError as error:
        return [(path, str(error))]
    return []
