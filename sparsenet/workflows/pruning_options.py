"""The options that say how a trained network is to be pruned."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import prod
from pathlib import Path

import torch

from sparsenet.amounts import resolve_amount
from sparsenet.errors import ConfigError, Problem, listed, nearest
from sparsenet.layers.base import Shape
from sparsenet.record_words import shown
from sparsenet.workflows.decimals import decimals, plain, values_of
from sparsenet.workflows.models import load_model
from sparsenet.workflows.pruning import Pruning

PAPER_RANGE = "0:0.1:0.01"


@dataclass(frozen=True)
class PruningOptions:
    """The choices of which at most one is given; none means `delta` = PAPER_RANGE.

    `delta` is start:stop:step, the stop included, or a list of thresholds; `like` a checkpoint
    whose nonzeros are counted layer by layer; `t` counts or percentages by layer, such as
    `conv1=300,ip1=5%`; `density` a list of percentages, each of every layer's weights.
    """

    delta: str | None = None
    like: Path | None = None
    t: str | None = None
    density: str | None = None

    def prunings(
        self, shapes: Mapping[str, Shape], learnt: Mapping[str, int] | None = None
    ) -> list[Pruning]:
        """The prunings of a net whose layers have weights of these shapes, in the order given.

        `learnt` is how many of a layer's weights percentages and counts are of; left out: all.
        Raises ConfigError: several choices, what cannot be read, what does not fit the net.
        """
        given = [f"--{f.name}" for f in fields(self) if getattr(self, f.name) is not None]
        if len(given) > 1:
            raise ConfigError(f"{' and '.join(given)} exclude each other; give one of them")
        sizes = learnt or {name: prod(shape) for name, shape in shapes.items()}
        if self.like is not None:
            return [_like(self.like, shapes)]
        if self.t is not None:
            return [_by_layer(self.t, sizes)]
        if self.density is not None:
            return _by_density(self.density, sizes)
        values = decimals("--delta", PAPER_RANGE if self.delta is None else self.delta)
        return [Pruning(f"delta {plain(value)}", delta=value) for value in values]


def _like(path: Path, shapes: Mapping[str, Shape]) -> Pruning:
    """As many nonzeros in each layer as the checkpoint has there."""
    weights = load_model(path).weights
    counts: dict[str, int] = {}
    problems = []
    for name, shape in shapes.items():
        weight = weights.get(f"{name}.weight")
        if weight is None:
            problems.append(Problem(f"--like {path}", name, "has no weights there"))
        elif tuple(weight.shape) != tuple(shape):
            words = f"weights are {_dims(weight.shape)} there and {_dims(shape)} in the net"
            problems.append(Problem(f"--like {path}", name, words))
        else:
            counts[name] = int(torch.count_nonzero(weight))
    if problems:
        raise ConfigError(problems)
    return Pruning(f"like {path.resolve().parent.name}/{path.name}", counts=counts)


def _by_layer(text: str, sizes: Mapping[str, int]) -> Pruning:
    counts: dict[str, int] = {}
    problems = []
    for part in (item.strip() for item in text.split(",")):
        name, equals, count = part.rpartition("=")
        if not equals:
            words = f"{shown(part)} is not LAYER=COUNT, such as conv1=300 or conv1=5%"
            problems.append(Problem("--t", "", words))
        elif name not in sizes:
            near = nearest(name, sizes) or f"; it has {listed(sizes)}"
            problems.append(Problem("--t", name, f"the net has no such layer with weights{near}"))
        elif name in counts:
            problems.append(Problem("--t", name, "is given more than once"))
        else:
            try:
                counts[name] = resolve_amount(_count(count), sizes[name])
            except ValueError as error:
                problems.append(Problem("--t", name, str(error)))
    if problems:
        raise ConfigError(problems)
    return Pruning(",".join(item.strip() for item in text.split(",")), counts=counts)


def _count(text: str) -> int | str:
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else text


def _by_density(text: str, sizes: Mapping[str, int]) -> list[Pruning]:
    prunings, problems = [], []
    for percentage in values_of("--density", text, str):
        _check_percentage(percentage)
        counts = {}
        for name, size in sizes.items():
            try:
                counts[name] = resolve_amount(percentage, size)
            except ValueError as error:
                problems.append(Problem("--density", name, str(error)))
        prunings.append(Pruning(f"density {percentage}", counts=counts))
    if problems:
        raise ConfigError(problems)
    return prunings


def _check_percentage(text: str) -> None:
    try:
        if not text.endswith("%"):
            raise ValueError(f"{shown(text)} is not a percentage such as 5%")
        resolve_amount(text, 10**30)  # so many weights that only the text can be wrong
    except ValueError as error:
        raise ConfigError(Problem("--density", "", str(error))) from None


def _dims(shape: Shape) -> str:
    return "x".join(map(str, shape))
