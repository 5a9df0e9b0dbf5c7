"""What a search will do: its candidates' configurations, and whether its target can be met."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch

from sparsenet.amounts import percentage
from sparsenet.checkpoint import Constraint, is_checkpoint, load_checkpoint
from sparsenet.config.constraints import declared_balls, learnt_weights, weight_shapes
from sparsenet.config.graph import has_phase, in_phase
from sparsenet.config.load import Configuration, from_data
from sparsenet.config.solver import SolverConfig
from sparsenet.errors import ConfigError, Problem, suggested
from sparsenet.layers.base import WeightedLayer
from sparsenet.regularization.regularizers import L0
from sparsenet.solver.lr_policies import learning_rate
from sparsenet.storage.report import human_bytes
from sparsenet.studies.strategies import STRATEGIES, Counts, Found, Strategy
from sparsenet.studies.study import StudyOptions
from sparsenet.studies.targets import Size, Target, target_of
from sparsenet.trials.trial import Trial
from sparsenet.workflows.budget import description_bytes
from sparsenet.workflows.build import memory_with, promised_memory, restored_net
from sparsenet.workflows.constraining import l0_beside

_GROUP = "all"
_LEAST_RATE = 1e-3  # of base_lr


@dataclass(frozen=True)
class SearchOptions:
    """What the command line asks of a search; `target` by flag, of which one is given."""

    target: Mapping[str, str | None]
    cut: str = "20%"
    iters: int = 500
    layers: str | None = None
    strategy: str = "greedy"
    base_lr: float | None = None
    weights: Path | None = None
    overrides: Sequence[str] = ()
    study: StudyOptions = field(default_factory=StudyOptions)


class Plan:
    """What a search will do, checked; and the configurations of its trials."""

    def __init__(self, configuration: Configuration, options: SearchOptions) -> None:
        """Raises ConfigError naming the flag or key that cannot be."""
        _require_validation(configuration)
        self.options = options
        self.shapes = _searched(configuration, options.layers)
        learnt = learnt_weights(configuration.solver.net)
        self.sizes = {name: learnt[name] for name in self.shapes}
        self.cut = _cut(options.cut)
        if options.strategy not in STRATEGIES:
            hint = suggested(options.strategy, STRATEGIES)
            raise ConfigError(f"--strategy {options.strategy}: there is none such{hint}")
        self._projected = _projected(configuration, self.shapes)
        self.base = _unconstrained(configuration, self.shapes)
        net = self.base.solver.net
        bounds = {ball.name: ball.t for ball in declared_balls(net) if ball.t is not None}
        kept = promised_memory(net, bounds).layers
        self._others = {m.name: m.nonzeros for m in kept if m.name not in self.sizes}
        self.base_lr = options.base_lr or _last_rate(self.base.solver)
        self.dense = self.size(self.sizes)
        self.target: Target = target_of(options.target, self.dense)
        if self.target.is_file:
            self.target = replace(self.target, description=self._description())
        self._require_feasible()
        self._require_fitting_weights()

    def settings(self) -> dict[str, Any]:
        """What study.json keeps of the flags."""
        weights = self.options.weights
        return {
            "strategy": self.options.strategy,
            "cut": self.options.cut,
            "iters": self.options.iters,
            "base_lr": self.base_lr,
            "layers": list(self.shapes),
            "weights": None if weights is None else str(weights),
            "target": self.target.flag,
            "threads": self.options.study.threads,
        }

    def size(self, counts: Counts) -> Size:
        """The size of a net whose searched layers have these nonzeros, besides the others."""
        return Size.of(memory_with(self.base.solver.net, self._others | counts))

    def first(self) -> Trial:
        """The network that the search starts from."""
        if self.options.weights is None:
            return Trial(self.base.data, label="dense")
        label = str(self.options.weights)
        return Trial(self.base.data, start=self.options.weights, trains=False, label=label)

    def candidate(self, start: Trial, label: str, counts: Counts, *, shared: bool) -> Trial:
        """A network trained from another under these constraints.

        The learning rate stays that at which the whole training ends.
        """
        data = from_data(self._candidate_data(counts, shared=shared), "search").data
        return Trial(data, start=start, label=label)

    def _candidate_data(self, counts: Counts, *, shared: bool) -> dict[str, Any]:
        data = self._constrained(counts, shared=shared)
        for key in ("gamma", "power", "stepsize", "stepvalue"):
            data.pop(key, None)
        data |= {"lr_policy": "fixed", "base_lr": self.base_lr}
        return data | {"max_iter": self.options.iters, "test_interval": 0}

    def remaining(self, strategy: Strategy, current: Found) -> tuple[int, int]:
        """About how many trials and updates are to come, if the largest layers lose the most."""
        counts, trials = dict(current.counts), 0
        while not self.target.met(self.size(counts)):
            smaller = strategy.usual(counts)
            if smaller == counts:
                break
            trials += strategy.fewest(counts)
            counts = smaller
        return trials, trials * self.options.iters

    def _description(self) -> int:
        """At most what the description of a candidate's packed file takes."""
        counts = {name: max(1, size - 1) for name, size in self.sizes.items()}
        configuration = from_data(self._candidate_data(counts, shared=False), "search")
        held = (self._others | counts).items()
        return description_bytes(
            configuration, [Constraint(name, (f"{name}.weight",), t) for name, t in held]
        )

    def _constrained(self, counts: Counts, *, shared: bool) -> dict[str, Any]:
        data = copy.deepcopy(self.base.data)
        for layer, keys in zip(self.base.solver.net.layers, data["net"]["layers"], strict=True):
            name = layer.name
            if name not in counts or (counts[name] == self.sizes[name] and not shared):
                continue
            rule = l0_beside(getattr(layer, "regularization", None), self.base.solver)
            if shared:
                rule |= next(iter(self._projected.values()), {})
                rule |= {"group": _GROUP, "t": sum(counts.values())}
            else:
                rule |= self._projected.get(name, {}) | {"t": counts[name]}
            keys["regularization"] = rule
        return data

    def _require_fitting_weights(self) -> None:
        """Raise ConfigError where --weights are not those of a network of SOLVER."""
        path = self.options.weights
        if path is None:
            return
        if not is_checkpoint(path):
            raise ConfigError(f"--weights {path}: is not a checkpoint of sparsenet")
        try:
            restored_net(load_checkpoint(path), self.base, torch.device("cpu"))
        except ConfigError as error:
            lines = [Problem(f"--weights {path}", p.key, p.message) for p in error.problems]
            raise ConfigError(lines) from None

    def _require_feasible(self) -> None:
        """Raise ConfigError where even one weight a layer is too much for the target."""
        least = self.size(dict.fromkeys(self.sizes, 1))
        if self.target.met(least):
            return
        fixed = [name for name in weight_shapes(self.base.solver.net) if name not in self.sizes]
        kept = f", with {', '.join(fixed)} as they are," if fixed else ""
        memory = memory_with(self.base.solver.net, {})
        dense = human_bytes(memory.total.bytes["best"] - memory.weights.bytes["best"])
        of = f", {dense} of them for biases and the like" if self.target.nonzeros is None else ""
        if self.target.description:
            of += f", and {self.target.description:,} bytes are the file's description"
        raise ConfigError(
            f"{self.target.flag}: cannot be met: one weight a layer{kept} comes to {least.words()}"
            f"{of}"
        )


def _require_validation(configuration: Configuration) -> None:
    net = configuration.solver.net
    if not has_phase(net, "VAL"):
        words = (
            "a search chooses by validation accuracy: give the Data layer of phase TRAIN a split"
        )
        raise ConfigError(f"{configuration.document.name}: {words}")
    if not any(layer.is_accuracy and in_phase(layer, "VAL") for layer in net.layers):
        words = "a search chooses by validation accuracy: the net has no Accuracy for TEST or VAL"
        raise ConfigError(f"{configuration.document.name}: {words}")


def _last_rate(solver: SolverConfig) -> float:
    """The learning rate of the last update. Raises ConfigError where nothing is learnt by it."""
    rate = learning_rate(solver, solver.max_iter - 1)
    if not rate >= _LEAST_RATE * solver.base_lr:
        words = f"the last of SOLVER is {rate:.3g}, too small to train candidates with"
        raise ConfigError(f"--base-lr: is missing: {words}")
    return rate


def _searched(configuration: Configuration, layers: str | None) -> dict[str, tuple[int, ...]]:
    """The shapes of the layers to search over, in the net's order. Raises ConfigError."""
    known = {
        name: tuple(shape) for name, (_, shape) in weight_shapes(configuration.solver.net).items()
    }
    if layers is None:
        return known
    asked = layers.split(",")
    for name in asked:
        if name not in known:
            words = f"the net has no layer {name!r} with weights{suggested(name, known)}"
            raise ConfigError(f"--layers {layers}: {words}")
    return {name: shape for name, shape in known.items() if name in asked}


def _cut(text: str) -> Fraction:
    share = percentage(text)
    if share is None or not 0 < share < 1:
        raise ConfigError(f"--cut {text}: is not a percentage above 0% and below 100%, such as 20%")
    return share


def _projected(
    configuration: Configuration, searched: Mapping[str, object]
) -> dict[str, dict[str, Any]]:
    """How the layers that are searched over and have an l0 already are projected."""
    kept = {"interval", "velocity"}
    return {
        layer.name: layer.regularization.model_dump(include=kept)
        for layer in configuration.solver.net.layers
        if isinstance(layer, WeightedLayer)
        and layer.name in searched
        and isinstance(layer.regularization, L0)
    }


def _unconstrained(configuration: Configuration, searched: Mapping[str, object]) -> Configuration:
    """The training without stages, and without l0 in the layers that are searched over."""
    data = copy.deepcopy(configuration.data)
    data.pop("stages", None)
    for layer, keys in zip(configuration.solver.net.layers, data["net"]["layers"], strict=True):
        rule = getattr(layer, "regularization", None)
        if layer.name in searched and isinstance(rule, L0):
            decay = rule.weight_decay
            keys["regularization"] = {"type": "l2", "weight_decay": decay}
    return from_data(data, configuration.document.name)
