"""`sparsenet sweep`: one solver under many settings (Collins & Kohli, sections 4.1, 5.2, 5.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import prod
from pathlib import Path
from typing import Any

from sparsenet.amounts import resolve_amount
from sparsenet.config.constraints import weight_shapes
from sparsenet.config.load import Configuration
from sparsenet.config.sweep import SweepConfig
from sparsenet.errors import ConfigError, Problem
from sparsenet.files import write_text
from sparsenet.layers.base import Phase
from sparsenet.studies.grid import Setting, settings_of
from sparsenet.studies.ranges import Bracket, NoRangeError, bracket, points_within
from sparsenet.studies.study import (
    StudyOptions,
    document_of,
    folder_of,
    open_study,
    read_solver,
)
from sparsenet.studies.sweep_report import Row, sweep_csv, sweep_json, sweep_table
from sparsenet.study_folder import StudyFolder
from sparsenet.trials.engine import Engine, TrialError
from sparsenet.trials.result import Result
from sparsenet.trials.show import Show
from sparsenet.trials.trial import Trial
from sparsenet.workflows.pruning import Pruning
from sparsenet.workflows.train import MISSED, run_folder_of


@dataclass(frozen=True)
class SweepOptions:
    """What the command line adds; `overrides` win over the sweep's settings."""

    overrides: Sequence[str] = ()
    study: StudyOptions = field(default_factory=StudyOptions)


@dataclass(frozen=True)
class SweepResult:
    """A row for each trial, in the order of the sweep, and the ranges of strengths found."""

    folder: StudyFolder
    rows: tuple[Row, ...]
    ranges: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """3 where a trial diverged, else 0."""
        return MISSED if any(row.result.failed is not None for row in self.rows) else 0

    @property
    def text(self) -> str:
        """Means over the seeds as a table for the reader."""
        return sweep_table(self.rows, self.ranges)

    @property
    def document(self) -> dict[str, Any]:
        """The rows as one document for `json.dumps`."""
        folder = str(self.folder.path)
        return {"folder": folder, "ranges": list(self.ranges), "rows": sweep_json(self.rows)}


def sweep(name: Path, spec: SweepConfig, options: SweepOptions, show: Show) -> SweepResult:
    """Run every trial of a sweep; `name` is the file it is of, by which its folder is called.

    Raises ConfigError before anything is written, for each combination that cannot be; what
    `Engine.run` raises, with the finished trials kept; TrialError where a range of strengths is not
    found.
    """
    plan = _Plan(name, spec, options.overrides)
    folder = StudyFolder(options.study.output or plan.folder)
    settings = spec.model_dump(mode="json", exclude={"solver"}) | {
        "set_over": list(options.overrides)
    }
    document = document_of("sweep", plan.solver, plan.configuration, settings)
    fixed = plan.fixed()
    with open_study(folder, document, options.study, show) as engine:
        show.expected(*plan.expected(fixed))
        found, ranges = _Ranges(plan, engine).found()
        planned = [*fixed, *found]
        engine.run([trial for _, trial in planned])
        rows = tuple(Row(s, trial, engine.journal.results[trial.key]) for s, trial in planned)
        write_text(folder.sweep, sweep_csv(rows))
        return SweepResult(folder, rows, tuple(ranges))


Planned = tuple[Setting, Trial]


class _Plan:
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
        """Where it is written if nothing else is said: by the name of the sweep's file."""
        if self.solver == self.name:
            return folder_of(self.solver, "sweep", self.configuration, None)
        return run_folder_of(self.name, self.configuration, None).path

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
        label = ", ".join([*_words(setting), f"seed {seed}"])
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
        sizes = {
            n: prod(shape) for n, (_, shape) in weight_shapes(configuration.solver.net).items()
        }
        try:
            counts = {name: resolve_amount(setting.prune, sizes[name]) for name in setting.acts_on}
        except ValueError as error:
            raise ConfigError(f"{self.name}: methods.{setting.method}: prune: {error}") from None
        return Pruning(f"{setting.prune}", counts=counts)


def _words(setting: Setting) -> list[str]:
    values = [f"{key.rpartition('.')[2]} {value}" for key, value in setting.columns.items()]
    return [setting.method, *([setting.layers] if setting.layers else []), *values]


def _below(delta: float, layers: tuple[str, ...]) -> Pruning:
    return Pruning(f"below {delta}", delta=Decimal(str(delta)), layers=layers or None)


class _Ranges:
    """Finds the strengths that are `auto`, for all methods and sets of layers side by side."""

    def __init__(self, plan: _Plan, engine: Engine) -> None:
        self.plan, self.engine = plan, engine
        self.seed = plan.spec.seeds[0]

    def found(self) -> tuple[list[Planned], list[str]]:
        """The trials that were needed to find them, those within them, and each range in words."""
        searches = [(setting, bracket()) for setting in self.plan.automatic]
        asked = {place: next(search) for place, (_, search) in enumerate(searches)}
        tried: list[Planned] = []
        ends: dict[int, tuple[float, float]] = {}
        while asked:
            now = [(p, searches[p][0].at(float(f"{s:.3g}"))) for p, s in asked.items()]
            trials = [(setting, self.plan.trial(setting, self.seed)) for _, setting in now]
            results = self.engine.run([trial for _, trial in trials])
            tried += trials
            for (place, setting), result in zip(now, results, strict=True):
                search = searches[place][1]
                density = _density(result, setting.acts_on)
                following = self._answered(search, searches[place][0], density)
                if isinstance(following, tuple):
                    ends[place] = following
                    del asked[place]
                else:
                    asked[place] = following
        ranges = [_range_words(searches[p][0], *end) for p, end in sorted(ends.items())]
        return self._in_order(tried, ends), ranges

    def _in_order(
        self, tried: Sequence[Planned], ends: dict[int, tuple[float, float]]
    ) -> list[Planned]:
        """By method and layers, each by rising strength, every trial once."""
        every = [*tried, *(one for place, end in ends.items() for one in self._within(place, end))]
        places = {(s.method, s.layers): at for at, s in enumerate(self.plan.automatic)}
        once = {trial.key: (setting, trial) for setting, trial in every}.values()
        return sorted(once, key=lambda it: (places[it[0].method, it[0].layers], it[0].strength))

    def _answered(
        self, search: Bracket, setting: Setting, density: float
    ) -> float | tuple[float, float]:
        """The next strength asked for, or the two ends of the range."""
        try:
            return search.send(density)
        except StopIteration as end:
            ends: tuple[float, float] = end.value
            return ends
        except NoRangeError as error:
            raise TrialError(f"{', '.join(_words(setting))}: {error}") from None

    def _within(self, place: int, ends: tuple[float, float]) -> list[Planned]:
        setting = self.plan.automatic[place]
        strengths = points_within(*ends, setting.rule.points)
        return [
            (setting.at(strength), self.plan.trial(setting.at(strength), seed))
            for strength in strengths
            for seed in self.plan.spec.seeds
        ]


def _density(result: Result, layers: Sequence[str]) -> float:
    """The density of these layers together; of a training that diverged 0."""
    if result.failed is not None:
        return 0.0
    weights = sum(result.layers[name].weights for name in layers)
    return sum(result.layers[name].nonzeros for name in layers) / weights


def _range_words(setting: Setting, weak: float, strong: float) -> str:
    where = ", ".join(_words(setting))
    return f"{where}: {setting.rule.automatic} from {weak:.3g} (dense) to {strong:.3g} (empty)"
