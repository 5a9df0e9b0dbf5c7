"""What a study or run says of its networks, a record a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sparsenet.report.reading import Fields, read_csv


@dataclass(frozen=True)
class Scores:
    """Accuracies as fractions and losses on one set of data, None where not measured."""

    accuracy: float | None
    loss: float | None


@dataclass(frozen=True)
class StudyLayer:
    """A layer with weights: its weight's shape and the counts of weights and biases."""

    name: str
    shape: tuple[int, ...]
    weights: int
    biases: int


@dataclass(frozen=True)
class Study:
    """study.json. `settings` are the flags of the command, as texts."""

    command: str
    solver: str
    net: str
    layers: tuple[StudyLayer, ...]
    settings: Mapping[str, str]


@dataclass(frozen=True)
class Candidate:
    """A row of front.csv; `t` and `counts` (nonzeros) are by layer."""

    strategy: str
    round: int
    layer: str
    accepted: bool
    nonzeros: int
    density: float | None
    bytes: int
    val: Scores
    test: Scores
    iterations: int | None
    spent: int | None
    key: str
    t: Mapping[str, int]
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Member:
    """A row of ensemble.csv; `member` is None for the whole ensemble."""

    members: int
    trial: str
    member: int | None
    seed: str
    nonzeros: int
    bytes: int
    val: Scores
    test: Scores
    key: str


@dataclass(frozen=True)
class Trial:
    """A row of sweep.csv; `grid` are the columns of the grid's keys, as texts."""

    method: str
    grid: Mapping[str, str]
    seed: str
    nonzeros: int | None
    density: float | None
    bytes: int | None
    train: Scores
    val: Scores
    test: Scores
    iterations: int | None
    failed: str
    key: str


def study_of(fields: Fields) -> Study:
    """study.json, read. Raises FileError."""
    layers = fields.below("layers")
    return Study(
        command=fields.text("command"),
        solver=fields.text("solver"),
        net=fields.text("net"),
        layers=tuple(_layer(name, layers.below(name)) for name in layers.values),
        settings={key: _setting(value) for key, value in fields.below("settings").values.items()},
    )


def _layer(name: str, fields: Fields) -> StudyLayer:
    return StudyLayer(
        name,
        fields.counts("shape"),
        fields.needed_count("weights"),
        fields.needed_count("biases"),
    )


def _setting(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_setting, value))
    if value is None or isinstance(value, bool):
        return "" if value is None else "yes" if value else "no"
    return str(value)


def scores_of(fields: Fields, prefix: str) -> Scores:
    """The columns `val_accuracy` and `val_loss` for the prefix `val_`. Raises FileError."""
    return Scores(fields.fraction(f"{prefix}accuracy"), fields.number(f"{prefix}loss"))


def read_front(path: Path) -> list[Candidate]:
    """front.csv, the start of the search first. Raises FileError."""
    return [_candidate(row) for row in read_csv(path, ("round", "nonzeros", "bytes"))]


def _candidate(row: Fields) -> Candidate:
    return Candidate(
        strategy=row.text("strategy"),
        round=row.needed_count("round"),
        layer=row.text("layer"),
        accepted=row.count("accepted") == 1,
        nonzeros=row.needed_count("nonzeros"),
        density=row.fraction("density"),
        bytes=row.needed_count("bytes"),
        val=scores_of(row, "val_"),
        test=scores_of(row, "test_"),
        iterations=row.count("iterations"),
        spent=row.count("spent"),
        key=row.text("key"),
        t=_by_layer(row, "t."),
        counts=_by_layer(row, "nonzeros."),
    )


def _by_layer(row: Fields, prefix: str) -> dict[str, int]:
    """The columns of a prefix that have a value, by what follows it."""
    counts = {key: row.count(key) for key in row.values if key.startswith(prefix)}
    return {key.removeprefix(prefix): n for key, n in counts.items() if n is not None}


def read_ensemble(path: Path) -> list[Member]:
    """ensemble.csv. Raises FileError."""
    return [
        Member(
            members=row.needed_count("members"),
            trial=row.text("trial"),
            member=row.count("member"),
            seed=row.text("seed"),
            nonzeros=row.needed_count("nonzeros"),
            bytes=row.needed_count("bytes"),
            val=scores_of(row, "val_"),
            test=scores_of(row, "test_"),
            key=row.text("key"),
        )
        for row in read_csv(path, ("members", "member", "nonzeros", "bytes"))
    ]


def read_sweep(path: Path) -> list[Trial]:
    """sweep.csv; the columns between method and seed are the grid's. Raises FileError."""
    rows = read_csv(path, ("method", "seed"))
    return [_trial(row, _grid(list(row.values))) for row in rows]


def _grid(columns: Sequence[str]) -> Sequence[str]:
    return columns[columns.index("method") + 1 : columns.index("seed")]


def _trial(row: Fields, grid: Sequence[str]) -> Trial:
    return Trial(
        method=row.text("method"),
        grid={key: row.text(key) for key in grid},
        seed=row.text("seed"),
        nonzeros=row.count("nonzeros"),
        density=row.fraction("density"),
        bytes=row.count("bytes"),
        train=scores_of(row, "train_"),
        val=scores_of(row, "val_"),
        test=scores_of(row, "test_"),
        iterations=row.count("iterations"),
        failed=row.text("failed"),
        key=row.text("key"),
    )
