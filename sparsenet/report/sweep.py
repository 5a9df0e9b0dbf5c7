"""What the report of a sweep says, from study.json and sweep.csv."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sparsenet.report import columns, tables
from sparsenet.report.html import Html
from sparsenet.report.page import Fact, Report, Section, settings
from sparsenet.report.tables import Cell, Column, Table, table
from sparsenet.results.rows import DENSE, Study, Trial
from sparsenet.results.words import counted, kib, known, mean, spread, whole

_FIGURES = {"convergence": 3, "sweep": 6, "datasize": 7}
_WITHIN = 0.01 + 1e-9


@dataclass(frozen=True)
class Setting:
    """The trials of a method at one point of the grid, a seed each."""

    method: str
    grid: Mapping[str, str]
    trials: Sequence[Trial]

    @property
    def name(self) -> str:
        """The method and where in the grid it stands."""
        where = [f"{key} {value}" for key, value in self.grid.items() if value]
        return ", ".join([self.method, *where])

    @property
    def nonzeros(self) -> float | None:
        """The mean over the seeds."""
        return mean(known(trial.nonzeros for trial in self.trials))

    @property
    def bytes(self) -> float | None:
        """The mean over the seeds."""
        return mean(known(trial.bytes for trial in self.trials))

    def accuracies(self, split: str) -> list[float]:
        """Those measured on `train`, `val` or `test`."""
        return known(getattr(trial, f"{split}_accuracy") for trial in self.trials)


def sweep_report(study: Study, trials: Sequence[Trial]) -> Report:
    """The report. `trials` has a row."""
    found = _settings(trials)
    sections = [
        Section("means", "Means over the seeds", [_means(found)]),
        Section("trials", "Trials", [_every(trials)]),
        Section("layers", "Layers", [columns.study_layers(study)]),
        Section("settings", "Settings", [settings({"solver": study.solver, **study.settings})]),
    ]
    return Report(f"Sweep of {study.net}", _lead(study, trials, found), _facts(found), sections)


def _settings(trials: Sequence[Trial]) -> list[Setting]:
    """In the order of the grid."""
    groups: dict[tuple[str, ...], list[Trial]] = {}
    for trial in trials:
        groups.setdefault((trial.method, *trial.grid.values()), []).append(trial)
    return [Setting(group[0].method, group[0].grid, group) for group in groups.values()]


def _lead(study: Study, trials: Sequence[Trial], found: Sequence[Setting]) -> list[str]:
    methods = list(dict.fromkeys(trial.method for trial in trials))
    number = _FIGURES.get(study.figure)
    why = f", for the paper's Figure {number}" if number else ""
    first = f"{counted(len(trials), 'trial')} at {counted(len(found), 'setting')}{why}"
    failed = sum(bool(trial.failed) for trial in trials)
    ends = f"; {failed:,} failed." if failed else "."
    return [f"{first}: the methods are {', '.join(methods)}{ends}", *_comparison(found)]


def _comparison(found: Sequence[Setting]) -> list[str]:
    """Each method's smallest networks that are within 1 point of the dense ones on validation."""
    if (dense := _dense(found)) is None:
        return []
    words = f"Dense networks have {spread(dense.accuracies('test'))} % on test"
    words += f" with {whole(dense.nonzeros)} nonzero weights."
    return [words, *(_in_words(each) for each in _close(found, dense))]


def _dense(found: Sequence[Setting]) -> Setting | None:
    return next((s for s in found if s.method == DENSE and s.accuracies("test")), None)


def _close(found: Sequence[Setting], dense: Setting) -> list[Setting]:
    """A setting a method, of those that any is close enough with."""
    least = mean(dense.accuracies("val"))
    best: dict[str, Setting] = {}
    for each in found:
        reached, size = mean(each.accuracies("val")), each.nonzeros
        if least is None or reached is None or size is None or each.method == DENSE:
            continue
        before = best.get(each.method)
        if reached >= least - _WITHIN and (before is None or size < (before.nonzeros or 0)):
            best[each.method] = each
    return list(best.values())


def _in_words(each: Setting) -> str:
    return (
        f"The fewest weights within 1 point of them on validation by {each.method}: "
        f"{whole(each.nonzeros)} nonzeros, {kib(each.bytes)} KiB, "
        f"{spread(each.accuracies('test'))} % on test ({each.name})."
    )


def _facts(found: Sequence[Setting]) -> list[Fact]:
    dense = _dense(found)
    shown = [dense, *_close(found, dense)] if dense else []
    return [
        Fact(each.method, f"{whole(each.nonzeros)} nonzeros",
             f"{spread(each.accuracies('test'))} % on test")
        for each in shown
    ]  # fmt: skip


def _means(found: Sequence[Setting]) -> Html:
    shown: list[Column[Setting]] = [
        Column("method", lambda each: tables.label(each.method), numeric=False),
        *_grid_columns(found),
        Column("seeds", lambda each: tables.whole(len(each.trials))),
        Column("nonzeros", lambda each: tables.whole(each.nonzeros)),
        Column("KiB", lambda each: tables.kib(each.bytes)),
        *(_accuracy(split) for split in ("train", "val", "test")),
        Column("failed", lambda each: tables.whole(sum(bool(t.failed) for t in each.trials))),
    ]
    title = "A row a setting; accuracies with the standard deviation over the seeds"
    return table(Table("table-means", title, shown, found))


def _accuracy(split: str) -> Column[Setting]:
    def cell(each: Setting) -> Cell:
        shares = each.accuracies(split)
        return Cell(spread(shares), mean(shares))

    return Column(f"{split} %", cell)


def _grid_columns(rows: Sequence[Setting | Trial]) -> list[Column[Setting | Trial]]:
    """A column a key of the grid, of numbers where all its values are."""
    return [_grid_column(key, rows) for key in rows[0].grid]


def _grid_column(key: str, rows: Sequence[Setting | Trial]) -> Column[Setting | Trial]:
    values = [tables.number_or_words(row.grid[key]) for row in rows]
    numeric = all(cell.value is not None for cell in values if cell.words)
    return Column(key, lambda row: tables.number_or_words(row.grid[key]), numeric)


def _every(trials: Sequence[Trial]) -> Html:
    shown: list[Column[Trial]] = [
        Column("method", lambda row: tables.label(row.method), numeric=False),
        *_grid_columns(trials),
        Column("seed", lambda row: tables.seed(row.seed)),
        Column("nonzeros", lambda row: tables.whole(row.nonzeros), hint="weights without biases"),
        Column("density %", lambda row: tables.percent(row.density)),
        Column("KiB", lambda row: tables.kib(row.bytes), hint="in the best formats, with biases"),
        Column("train %", lambda row: tables.percent(row.train_accuracy)),
        *columns.scores(),
        Column("updates", lambda row: tables.whole(row.iterations)),
        Column("failed", lambda row: tables.label(row.failed), numeric=False),
        columns.trial(),
    ]
    return table(Table("table-trials", "Every trial, in the order of the grid", shown, trials))
