"""What is wrong between the stages of a solver, its l0 constraints, and its length."""

from __future__ import annotations

from sparsenet.amounts import resolve_amount
from sparsenet.config.constraints import ConstraintProblem, count_problem, declared_balls
from sparsenet.config.graph import has_phase, in_phase
from sparsenet.config.solver import SolverConfig
from sparsenet.errors import suggested
from sparsenet.record import KeyPath
from sparsenet.record_words import shown
from sparsenet.regularization.regularizers import L0
from sparsenet.regularization.schedule import Ball
from sparsenet.regularization.stages import Ramp, Stage


def stage_problems(solver: SolverConfig) -> list[ConstraintProblem]:
    """What is wrong with the stages of a solver whose net is right, as (key path, message)."""
    balls = {ball.name: ball for ball in declared_balls(solver.net)}
    problems: list[ConstraintProblem] = []
    for index, stage in enumerate(solver.stages):
        for name, target in stage.t.items():
            problems += _target_problems(("stages", index, "t", name), name, target, balls)
        problems += _waiting_problems(("stages", index, "until", "accuracy"), stage, solver)
    return problems + _time_problems(solver) + _unbounded(solver, balls)


def _target_problems(
    path: KeyPath, name: str, target: int | str | Ramp, balls: dict[str, Ball]
) -> list[ConstraintProblem]:
    if name not in balls:
        words = f"is not a layer or group with regularization type l0{suggested(name, balls)}"
        return [(path, words)]
    size = balls[name].size
    if not isinstance(target, Ramp):
        return count_problem(path, target, size)
    problems = [
        *count_problem((*path, "from"), target.from_, size),
        *count_problem((*path, "to"), target.to, size),
    ]
    if not problems and resolve_amount(target.to, size) > resolve_amount(target.from_, size):
        words = f"{shown(target.to)} is more than from, {shown(target.from_)}: a ramp tightens"
        problems.append(((*path, "to"), words))
    return problems


def _waiting_problems(path: KeyPath, stage: Stage, solver: SolverConfig) -> list[ConstraintProblem]:
    """What a stage lacks that waits for a validation accuracy."""
    if stage.until is None or stage.until.accuracy is None:
        return []
    layers = solver.net.layers
    lacks = []
    if not has_phase(solver.net, "VAL"):
        lacks.append("is judged on validation data: give the Data layer of phase TRAIN a split")
    if not any(layer.is_accuracy and in_phase(layer, "VAL") for layer in layers):
        lacks.append("is judged by an Accuracy layer: there is none for phase TEST or VAL")
    if not solver.test_interval:
        lacks.append("is judged at tests: give test_interval")
    return [(path, words) for words in lacks]


def _time_problems(solver: SolverConfig) -> list[ConstraintProblem]:
    """Stages without an end, and those that max_iter cuts off before their constraint holds.

    A stage that waits for an accuracy may take no time at all.
    """
    problems: list[ConstraintProblem] = []
    began = 0
    for index, stage in enumerate(solver.stages):
        path: KeyPath = ("stages", index)
        left = solver.max_iter - began
        if left <= 0:
            words = f"would begin after {began} updates, but max_iter is {solver.max_iter}"
            return [*problems, (path, words)]
        until = stage.until
        length = until and (until.iters or until.max_iters)
        room = (length, "of the stage") if length and length <= left else (left, "before max_iter")
        for name, target in stage.t.items():
            if isinstance(target, Ramp) and target.over > room[0]:
                words = f"{target.over} updates do not fit the {room[0]} {room[1]}"
                problems.append(((*path, "t", name, "over"), words))
        if until is None and index < len(solver.stages) - 1:
            problems.append(((*path, "until"), "is missing: another stage follows"))
        began += (until.iters or 0) if until else 0
    return problems


def _unbounded(solver: SolverConfig, balls: dict[str, Ball]) -> list[ConstraintProblem]:
    """Layers with l0 that are never given a t."""
    staged = {name for stage in solver.stages for name in stage.t}
    problems: list[ConstraintProblem] = []
    for index, layer in enumerate(solver.net.layers):
        rule = getattr(layer, "regularization", None)
        if isinstance(rule, L0):
            ball = balls[rule.group or layer.name]
            if ball.t is None and ball.name not in staged:
                key: KeyPath = ("net", "layers", index, "regularization", "t")
                problems.append((key, "is missing, here and in every stage"))
    return problems
