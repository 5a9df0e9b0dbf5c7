"""The trials of a sweep, checked before any of them is made."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from sparsenet.amounts import resolve_amount
from sparsenet.config.constraints import learnt_weights, weight_shapes
from sparsenet.config.load import Configuration
from sparsenet.config.sweep import SweepConfig
from sparsenet.errors import ConfigError, Problem
from sparsenet.layers.base import Phase
from sparsenet.studies.grid import Setting, settings_of
from sparsenet.studies.study import folder_of, read_solver
from sparsenet.studies.words import value_words
from sparsenet.trials.trial import Trial
from sparsenet.workflows.pruning import Pruning

Planned = tuple[Setting, Trial]


class SweepPlan:
    """The trials of a sweep, whose configurations are checked."""

    def __init__(self, name: Path, spec: SweepConfig, overrides: Sequence[str]) -> None:
        self.name, self.spec, self.overrides = name, spec, tuple(overrides)
        self.solver = name.parent / spec.solver
        if not self.solver.is_file():
            raise ConfigError(f"{name}: solver: there is no file {self.solver}")
        self.configuration = read_solver(self.solver, self.overrides)
        shapes = weight_shapes(self.configuration.solver.net)
        self.settings = settings_of(spec, self.configuration.solver.net.name, list(shapes))
        self._require_no_axis_set()
        phases: tuple[Phase, ...] = ("VAL", "TEST")
        self.measured: tuple[Phase, ...] = ("TRAIN", *phases) if spec.training_accuracy else phases
        self.automatic = [setting for setting in self.settings if setting.automatic]
        for setting in self.automatic:
            self.trial(setting.at(1.0), spec.seeds[0])  # it is wrong now or never

    def _require_no_axis_set(self) -> None:
        """Raise ConfigError for a --set of what the trials differ in: rows would be mislabelled."""
        given: dict[str, set[str]] = {}
        for setting in self.settings:
            for argument in setting.overrides:
                key, _, value = argument.partition("=")
                given.setdefault(key, set()).add(value)
        found = {path for setting in self.settings for path in setting.automatic}
        differing = {key for key, values in given.items() if len(values) > 1} | found
        for argument in self.overrides:
            key = argument.partition("=")[0]
            if key == "random_seed":
                raise ConfigError(f"--set {argument}: is what --seeds is for")
            if key in differing:
                raise ConfigError(f"--set {argument}: the sweep has values of its own for {key}")

    @property
    def folder(self) -> Path:
        """Where it is written if nothing else is said: by the solver's and the sweep's file."""
        what = "sweep" if self.solver == self.name else self.name.stem
        return folder_of(self.solver, what, self.configuration, None)

    def fixed(self) -> list[Planned]:
        """The trials whose values are given, by setting and then seed."""
        settings = [setting for setting in self.settings if not setting.automatic]
        return [(one, self.trial(one, seed)) for one in settings for seed in self.spec.seeds]

    def expected(self, fixed: Sequence[Planned]) -> tuple[int, int]:
        """About how many trials and updates there are: a range takes some six to find."""
        found = sum(6 + one.rule.points * len(self.spec.seeds) for one in self.automatic)
        each = self.configuration.solver.max_iter
        return len(fixed) + found, sum(t.updates for _, t in fixed) + found * each

    def trial(self, setting: Setting, seed: int) -> Trial:
        """One trial. Raises ConfigError naming the sweep's file and method."""
        label = ", ".join([*setting_words(setting), f"seed {seed}"])
        configuration = self._read(setting, seed)
        if setting.prune is None:
            delta = setting.rule.threshold
            pruning = None if delta is None else _below(delta, setting.acts_on)
            return Trial(configuration.data, pruning=pruning, measured=self.measured, label=label)
        dense = Trial(configuration.data, measured=self.measured, label=f"dense, seed {seed}")
        pruning = self._largest(configuration, setting)
        return Trial(
            configuration.data,
            start=dense,
            trains=False,
            pruning=pruning,
            measured=self.measured,
            label=label,
        )

    def _read(self, setting: Setting, seed: int) -> Configuration:
        seeded = (*setting.overrides, *self.overrides, f"random_seed={seed}")
        try:
            return read_solver(self.solver, seeded)
        except ConfigError as error:
            where = f"{self.name}: methods.{setting.method}"
            lines = [
                Problem(where, problem.where, f"{problem.key}: {problem.message}".strip(": "))
                for problem in error.problems
            ]
            raise ConfigError(lines) from None

    def _largest(self, configuration: Configuration, setting: Setting) -> Pruning:
        sizes = learnt_weights(configuration.solver.net)
        try:
            counts = {name: resolve_amount(setting.prune, sizes[name]) for name in setting.acts_on}
        except ValueError as error:
            raise ConfigError(f"{self.name}: methods.{setting.method}: prune: {error}") from None
        return Pruning(f"{setting.prune}", counts=counts)


def setting_words(setting: Setting) -> list[str]:
    """What tells a setting from the others of its sweep."""
    values = [f"{key.rpartition('.')[2]} {value_words(v)}" for key, v in setting.columns.items()]
    return [setting.method, *([setting.layers] if setting.layers else []), *values]


def _below(delta: float, layers: tuple[str, ...]) -> Pruning:
    return Pruning(f"below {delta}", delta=Decimal(str(delta)), layers=layers or None)
