"""The files of a study, as rows. Every function raises FileError, of one line with its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from sparsenet.files import FileError
from sparsenet.results.fields import Fields
from sparsenet.results.reading import read_csv, read_json
from sparsenet.results.rows import Candidate, Member, Point, Study, StudyLayer, Trial

_ACCURACIES = ("val_accuracy", "test_accuracy")


def read_study(path: Path) -> Study:
    """study.json."""
    fields = read_json(path)
    settings, layers = fields.below("settings"), fields.below("layers")
    try:
        words = {key: _setting(value) for key, value in settings.values.items()}
    except RecursionError:
        raise FileError(f"{path}: nested too deeply") from None
    return Study(
        command=fields.text("command"),
        solver=fields.text("solver"),
        net=fields.text("net"),
        layers=tuple(_layer(name, layers.below(name)) for name in layers.values),
        settings=words,
        strategy=settings.text("strategy"),
        figure=settings.text("figure"),
        sets=_sets(settings) if fields.text("command") == "sweep" else {},
        configuration=fields.below("configuration").values,
    )


def _layer(name: str, fields: Fields) -> StudyLayer:
    return StudyLayer(
        name,
        fields.counts("shape"),
        fields.needed_count("weights", least=1),
        fields.needed_count("biases"),
    )


def _sets(settings: Fields) -> dict[str, tuple[str, ...]]:
    sets = settings.below("layers")
    return {name: sets.texts(name) for name in sets.values}


def _setting(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_setting, value))
    if value is None or isinstance(value, bool):
        return "" if value is None else "yes" if value else "no"
    return str(value)


def read_front(path: Path) -> tuple[Candidate, ...]:
    """front.csv, the network that the search starts from first."""
    needed = ("strategy", "round", "accepted", "nonzeros", "density", "bytes", *_ACCURACIES, "key")
    return tuple(map(_candidate, read_csv(path, needed)))


def _candidate(row: Fields) -> Candidate:
    val, test = (row.fraction(key) for key in _ACCURACIES)
    size = row.count if val is test is None else row.needed_count
    return Candidate(
        strategy=row.text("strategy"),
        round=row.needed_count("round"),
        layer=row.text("layer"),
        accepted=row.flag("accepted"),
        nonzeros=size("nonzeros"),
        density=row.fraction("density"),
        bytes=size("bytes"),
        val_accuracy=val,
        test_accuracy=test,
        val_loss=row.number("val_loss"),
        test_loss=row.number("test_loss"),
        iterations=row.count("iterations"),
        spent=row.count("spent"),
        key=row.trial_key("key"),
        t=_by_layer(row, "t.", row.count),
        counts=_by_layer(row, "nonzeros.", size),
    )


def _by_layer(row: Fields, prefix: str, read: Callable[[str], int | None]) -> dict[str, int]:
    """The columns of a prefix that have a value, by what follows it."""
    counts = {key: read(key) for key in row.values if key.startswith(prefix)}
    return {key.removeprefix(prefix): n for key, n in counts.items() if n is not None}


def read_path(path: Path) -> list[Point]:
    """path.csv, the networks that a search went on from, in its order."""
    return list(map(_point, read_csv(path, ("round", "nonzeros", "bytes", *_ACCURACIES, "key"))))


def _point(row: Fields) -> Point:
    counts = _by_layer(row, "nonzeros.", row.needed_count)
    if not counts:
        raise FileError(f"{row.place}: has no nonzeros of a layer")
    return Point(
        round=row.needed_count("round"),
        nonzeros=row.needed_count("nonzeros"),
        bytes=row.needed_count("bytes"),
        val_accuracy=row.needed_fraction("val_accuracy"),
        test_accuracy=row.fraction("test_accuracy"),
        key=row.trial_key("key"),
        counts=counts,
    )


def read_ensemble(path: Path) -> tuple[Member, ...]:
    """ensemble.csv: of each ensemble the members and then the whole."""
    needed = ("members", "trial", "member", "nonzeros", "bytes", *_ACCURACIES, "key")
    return tuple(map(_member, read_csv(path, needed)))


def _member(row: Fields) -> Member:
    return Member(
        members=row.needed_count("members", least=1),
        trial=row.needed_count("trial"),
        member=row.count("member"),
        seed=row.count("seed"),
        nonzeros=row.needed_count("nonzeros"),
        bytes=row.needed_count("bytes"),
        val_accuracy=row.fraction("val_accuracy"),
        test_accuracy=row.fraction("test_accuracy"),
        val_loss=row.number("val_loss"),
        test_loss=row.number("test_loss"),
        key=row.trial_key("key"),
    )


def read_sweep(path: Path) -> tuple[Trial, ...]:
    """sweep.csv; the columns between method and seed are those that were varied."""
    needed = ("method", "seed", "nonzeros", "train_accuracy", *_ACCURACIES, "failed", "key")
    rows = read_csv(path, needed)
    columns = list(rows[0].values)
    grid = columns[columns.index("method") + 1 : columns.index("seed")]
    return tuple(_trial(row, grid) for row in rows)


def _trial(row: Fields, grid: Sequence[str]) -> Trial:
    failed = row.text("failed")
    return Trial(
        method=row.text("method"),
        grid={key: row.text(key) for key in grid},
        seed=row.needed_count("seed"),
        samples=row.count("samples"),
        nonzeros=row.count("nonzeros") if failed else row.needed_count("nonzeros"),
        density=row.fraction("density"),
        bytes=row.count("bytes"),
        train_accuracy=row.fraction("train_accuracy"),
        val_accuracy=row.fraction("val_accuracy"),
        test_accuracy=row.fraction("test_accuracy"),
        val_loss=row.number("val_loss"),
        test_loss=row.number("test_loss"),
        iterations=row.count("iterations"),
        failed=failed,
        key=row.trial_key("key"),
        counts=_by_layer(row, "nonzeros.", row.count),
    )
