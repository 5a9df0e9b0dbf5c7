"""`sparsenet sweep`: one solver under many settings (Collins & Kohli, sections 4.1, 5.2, 5.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

from sparsenet.config.sweep import SweepConfig
from sparsenet.files import write_text
from sparsenet.studies.grid import Setting
from sparsenet.studies.ranges import EMPTY, Bracket, NoRangeError, Range, bracket, points_within
from sparsenet.studies.study import (
    StudyOptions,
    document_of,
    draw,
    open_study,
)
from sparsenet.studies.sweep_plan import Planned, SweepPlan, setting_words
from sparsenet.studies.sweep_report import Row, sweep_csv, sweep_json, sweep_table
from sparsenet.study_folder import StudyFolder
from sparsenet.trials.engine import Engine, TrialError
from sparsenet.trials.result import Result
from sparsenet.trials.show import Show
from sparsenet.workflows.train import MISSED


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
    plan = SweepPlan(name, spec, options.overrides)
    folder = StudyFolder(options.study.output or plan.folder)
    settings = spec.model_dump(mode="json", exclude={"solver"})
    settings |= {"set_over": list(options.overrides), "threads": options.study.threads}
    document = document_of("sweep", plan.solver, plan.configuration, settings)
    fixed = plan.fixed()
    with open_study(folder, document, options.study, show) as engine:
        made = engine.journal.results
        show.expected(*plan.expected([each for each in fixed if each[1].key not in made]))
        found, ranges = _Ranges(plan, engine).found()
        planned = [*fixed, *found]
        engine.run([trial for _, trial in planned])
        rows = tuple(Row(s, trial, engine.journal.results[trial.key]) for s, trial in planned)
        write_text(folder.sweep, sweep_csv(rows))
        draw(folder, show)
        return SweepResult(folder, rows, tuple(ranges))


class _Ranges:
    """Finds the strengths that are `auto`, for all methods and sets of layers side by side."""

    def __init__(self, plan: SweepPlan, engine: Engine) -> None:
        self.plan, self.engine = plan, engine
        self.seed = plan.spec.seeds[0]

    def found(self) -> tuple[list[Planned], list[str]]:
        """The trials that were needed to find them, those within them, and each range in words."""
        searches = [(setting, bracket()) for setting in self.plan.automatic]
        asked = {place: next(search) for place, (_, search) in enumerate(searches)}
        tried: list[Planned] = []
        ends: dict[int, Range] = {}
        while asked:
            now = [(p, searches[p][0].at(float(f"{s:.3g}"))) for p, s in asked.items()]
            trials = [(setting, self.plan.trial(setting, self.seed)) for _, setting in now]
            results = self.engine.run([trial for _, trial in trials])
            tried += trials
            for (place, setting), result in zip(now, results, strict=True):
                search = searches[place][1]
                density = _density(result, setting.acts_on)
                following = self._answered(search, searches[place][0], density)
                if isinstance(following, Range):
                    ends[place] = following
                    del asked[place]
                else:
                    asked[place] = following
        ranges = [_range_words(searches[p][0], end) for p, end in sorted(ends.items())]
        return self._in_order(tried, ends), ranges

    def _in_order(self, tried: Sequence[Planned], ends: dict[int, Range]) -> list[Planned]:
        """By method and layers, each by rising strength, every trial once."""
        every = [*tried, *(one for place, end in ends.items() for one in self._within(place, end))]
        places = {(s.method, s.layers): at for at, s in enumerate(self.plan.automatic)}
        once = {trial.key: (setting, trial) for setting, trial in every}.values()
        return sorted(once, key=lambda it: (places[it[0].method, it[0].layers], it[0].strength))

    def _answered(self, search: Bracket, setting: Setting, density: float) -> float | Range:
        """The next strength asked for, or the range."""
        try:
            return search.send(density)
        except StopIteration as end:
            found: Range = end.value
            return found
        except NoRangeError as error:
            raise TrialError(f"{', '.join(setting_words(setting))}: {error}") from None

    def _within(self, place: int, ends: Range) -> list[Planned]:
        setting = self.plan.automatic[place]
        strengths = points_within(ends.weak, ends.strong, setting.rule.points)
        return [
            (setting.at(strength), self.plan.trial(setting.at(strength), seed))
            for strength in strengths
            for seed in self.plan.spec.seeds
        ]


def _density(result: Result, layers: Sequence[str]) -> float:
    """The density of these layers together; of a training that diverged infinity."""
    if result.failed is not None:
        return inf
    weights = sum(result.layers[name].weights for name in layers)
    return sum(result.layers[name].nonzeros for name in layers) / weights


def _range_words(setting: Setting, ends: Range) -> str:
    where = ", ".join(setting_words(setting))
    end = "empty" if ends.least <= EMPTY else f"sparsest, {100 * ends.least:.1f} %"
    strengths = f"from {ends.weak:.3g} (dense) to {ends.strong:.3g} ({end})"
    return f"{where}: {setting.rule.automatic} {strengths}"
