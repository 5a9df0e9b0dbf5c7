"""The l0 constraints that a configuration declares: which weights share which ball."""

from __future__ import annotations

from math import prod

from sparsenet.config.graph import build_graph, has_phase
from sparsenet.config.net import NetConfig
from sparsenet.config.solver import SolverConfig
from sparsenet.errors import nearest
from sparsenet.layers.base import Shape, WeightedLayer
from sparsenet.record import KeyPath
from sparsenet.regularization.regularizers import L0, resolve_count
from sparsenet.regularization.schedule import Ball
from sparsenet.regularization.stages import Ramp, Stage

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


def declared_balls(net: NetConfig) -> list[Ball]:
    """One ball for each l0 layer without a group and for each group, in the net's order."""
    members: dict[str, list[tuple[str, L0, int]]] = {}
    for name, (layer, shape) in weight_shapes(net).items():
        rule = layer.regularization
        if isinstance(rule, L0):
            members.setdefault(rule.group or name, []).append((name, rule, prod(shape)))
    return [_ball(name, layers) for name, layers in members.items()]


def _ball(name: str, layers: list[tuple[str, L0, int]]) -> Ball:
    size = sum(count for _, _, count in layers)
    rule = layers[0][1]
    t = next((rule.t for _, rule, _ in layers if rule.t is not None), None)
    weights = tuple(f"{layer}.weight" for layer, _, _ in layers)
    bound = None if t is None else resolve_count(t, size)
    return Ball(name, weights, size, bound, rule.interval, rule.velocity)


def constraint_problems(solver: SolverConfig) -> list[ConstraintProblem]:
    """What is wrong with the l0 constraints and their stages, as (key path, message)."""
    problems = _layer_problems(solver)
    if problems:
        return problems
    balls = {ball.name: ball for ball in declared_balls(solver.net)}
    for index, stage in enumerate(solver.stages):
        path: KeyPath = ("stages", index)
        problems += [((*path, *key), text) for key, text in _stage_problems(stage, balls)]
    problems += _unreachable(solver) + _unjudged(solver)
    staged = {name for stage in solver.stages for name in stage.t}
    for index, layer in enumerate(solver.net.layers):
        rule = getattr(layer, "regularization", None)
        if isinstance(rule, L0) and (rule.group or layer.name) not in staged:
            ball = balls[rule.group or layer.name]
            if ball.t is None:
                key: KeyPath = ("net", "layers", index, "regularization", "t")
                problems.append((key, "is missing, here and in every stage"))
    return problems


def _layer_problems(solver: SolverConfig) -> list[ConstraintProblem]:
    """Counts beyond their layer, and groups whose layers disagree."""
    shapes = weight_shapes(solver.net)
    rules = {name: layer.regularization for name, (layer, _) in shapes.items()}
    groups: dict[str, tuple[str, L0]] = {}
    sizes: dict[str, int] = {}
    for name, rule in rules.items():
        if isinstance(rule, L0):
            key = rule.group or name
            sizes[key] = sizes.get(key, 0) + prod(shapes[name][1])
    problems: list[ConstraintProblem] = []
    for index, layer in enumerate(solver.net.layers):
        rule = rules.get(layer.name)
        if not isinstance(rule, L0):
            continue
        path: KeyPath = ("net", "layers", index, "regularization")
        if rule.group in shapes:
            problems.append(((*path, "group"), f"{rule.group!r} is already a layer's name"))
        if rule.t is not None:
            problems += _count_problem((*path, "t"), rule.t, sizes[rule.group or layer.name])
        if rule.group is not None:
            first, shared = groups.setdefault(rule.group, (layer.name, rule))
            problems += [
                ((*path, key), f"differs from {first}'s, of the same group {rule.group!r}")
                for key in ("interval", "velocity", "t")
                if getattr(rule, key) != getattr(shared, key)
                and not (key == "t" and None in (rule.t, shared.t))
            ]
    return problems


def _count_problem(path: KeyPath, t: int | str, size: int) -> list[ConstraintProblem]:
    try:
        resolve_count(t, size)
    except ValueError as error:
        return [(path, str(error))]
    return []


def _stage_problems(stage: Stage, balls: dict[str, Ball]) -> list[ConstraintProblem]:
    problems: list[ConstraintProblem] = []
    until = stage.until
    length = until and (until.iters or until.max_iters)
    for name, target in stage.t.items():
        path: KeyPath = ("t", name)
        if name not in balls:
            words = "is not a layer or group with regularization type l0"
            problems.append((path, words + nearest(name, balls)))
        elif isinstance(target, Ramp):
            for key, t in (("from", target.from_), ("to", target.to)):
                problems += _count_problem((*path, key), t, balls[name].size)
            if length and target.over > length:
                words = f"{target.over} updates do not fit the stage's {length}"
                problems.append(((*path, "over"), words))
        else:
            problems += _count_problem(path, target, balls[name].size)
    return problems


def _unreachable(solver: SolverConfig) -> list[ConstraintProblem]:
    """Stages of a fixed length that max_iter cuts off before the last constraint holds."""
    used = 0
    for index, stage in enumerate(solver.stages):
        if used >= solver.max_iter:
            words = f"begins after {used} updates, but max_iter is {solver.max_iter}"
            return [(("stages", index), words)]
        ramps = [target.over for target in stage.t.values() if isinstance(target, Ramp)]
        if ramps and used + max(ramps) > solver.max_iter:
            words = f"its ramp ends after max_iter {solver.max_iter}"
            return [(("stages", index, "t"), words)]
        last = index == len(solver.stages) - 1
        if stage.until is None and not last:
            return [(("stages", index, "until"), "is missing: another stage follows")]
        used += (stage.until.iters or 0) if stage.until else 0
    return []


def _unjudged(solver: SolverConfig) -> list[ConstraintProblem]:
    """Stages that wait for a validation accuracy which is never measured."""
    problems: list[ConstraintProblem] = []
    for index, stage in enumerate(solver.stages):
        if stage.until is None or stage.until.accuracy is None:
            continue
        path: KeyPath = ("stages", index, "until", "accuracy")
        if not has_phase(solver.net, "VAL"):
            words = "is judged on validation data: give the TRAIN Data layer a split"
            problems.append((path, words))
        if not solver.test_interval:
            problems.append((path, "is judged at tests: give test_interval"))
    return problems
