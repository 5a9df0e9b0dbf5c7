"""The results of runs and studies as the figures take them.

Every function raises FileError as those of `reading`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsenet.errors import printable
from sparsenet.files import FileError
from sparsenet.plots.reading import Row, read_lines, read_mapping, read_rows
from sparsenet.plots.rows import Candidate, Course, Thresholded, Trial

_ACCURACIES = ("val_accuracy", "test_accuracy")
_FRONT = ("strategy", "accepted", "density", "bytes", *_ACCURACIES)
_SWEEP = ("method", "seed", "nonzeros", "train_accuracy", *_ACCURACIES, "failed", "key")
_RETRAINED = ("retrained_nonzeros", "retrained_test_accuracy")
_THRESHOLD = ("weights", "nonzeros", "test_accuracy", *_RETRAINED)

_GREATEST = 1e300  # what JSON has beyond it no float holds


@dataclass(frozen=True)
class Study:
    """What a study's study.json says: the weights of each layer, its strategy and its figure."""

    weights: Mapping[str, int]
    strategy: str | None
    figure: str | None


def read_study(path: Path) -> Study:
    """A study.json."""
    content = read_mapping(path)
    settings = content.get("settings", {})
    layers = content.get("layers", {})
    for key, value in (("settings", settings), ("layers", layers)):
        if not isinstance(value, dict):
            raise FileError(f"{path}: {key}: not a JSON object")
    for key in ("strategy", "figure"):
        if not isinstance(settings.get(key), str | None):
            raise FileError(f"{path}: settings.{key}: not a text")
    weights = {name: _weights(path, name, layer) for name, layer in layers.items()}
    return Study(weights, settings.get("strategy"), settings.get("figure"))


def _weights(path: Path, name: str, layer: Any) -> int:
    weights = layer.get("weights") if isinstance(layer, dict) else None
    if type(weights) is not int or not 0 < weights < 2**63:
        where = printable(f"layers.{name[:60]}.weights")
        raise FileError(f"{path}: {where}: not a whole number above 0")
    return weights


def read_front(path: Path) -> tuple[Candidate, ...]:
    """The candidates of a front.csv in their order."""
    return tuple(
        Candidate(
            strategy=row.text("strategy"),
            accepted=row.flag("accepted"),
            density=row.fraction("density"),
            bytes=row.whole("bytes"),
            val_accuracy=row.fraction_or_none("val_accuracy"),
            test_accuracy=row.fraction_or_none("test_accuracy"),
            counts=row.counts("nonzeros."),
        )
        for row in read_rows(path, _FRONT)
    )


def read_sweep(path: Path) -> tuple[Trial, ...]:
    """The trials of a sweep.csv; those that have not failed have a number of nonzeros."""
    return tuple(_trial(row) for row in read_rows(path, _SWEEP))


def _trial(row: Row) -> Trial:
    columns = list(row.cells)
    grid = columns[columns.index("method") + 1 : columns.index("seed")]
    failed = row.text("failed")
    return Trial(
        method=row.text("method"),
        grid={column: row.text(column) for column in grid},
        seed=row.whole("seed"),
        nonzeros=row.whole_or_none("nonzeros") if failed else row.whole("nonzeros"),
        train_accuracy=row.fraction_or_none("train_accuracy"),
        val_accuracy=row.fraction_or_none("val_accuracy"),
        test_accuracy=row.fraction_or_none("test_accuracy"),
        failed=failed,
        key=row.key("key"),
    )


def read_thresholds(path: Path) -> tuple[Thresholded, ...]:
    """The networks of a threshold.csv, the unpruned one first."""
    rows = read_rows(path, _THRESHOLD)
    if not (rows[0].whole("weights") and rows[0].text("test_accuracy")):
        raise FileError(f"{rows[0].where}: the unpruned network has no weights or no accuracy")
    return tuple(
        Thresholded(
            weights=row.whole("weights"),
            nonzeros=row.whole("nonzeros"),
            test_accuracy=row.fraction_or_none("test_accuracy"),
            retrained_nonzeros=row.whole_or_none("retrained_nonzeros"),
            retrained_test_accuracy=row.fraction_or_none("retrained_test_accuracy"),
        )
        for row in rows
    )


def read_course(path: Path) -> Course:
    """A metrics.jsonl: training losses of its display lines, accuracies of its test lines.

    What was not finite, which is null there, is left out.
    """
    losses: dict[int, float] = {}
    accuracies: dict[int, float] = {}
    phases: set[str] = set()
    for where, line in read_lines(path):
        iteration = line.get("iter")
        if type(iteration) is not int or not 0 <= iteration < 2**63:
            raise FileError(f"{where}: iter: not a whole number of 0 or more")
        if "phase" not in line:
            _note(losses, iteration, where, line, "loss")
        elif _note(accuracies, iteration, where, line, "accuracy"):
            phases.add(str(line["phase"]))
    return Course(losses, accuracies, frozenset(phases))


def _note(
    found: dict[int, float], iteration: int, where: str, line: Mapping[str, Any], key: str
) -> bool:
    """Note a number of a line, if it has one; whether it does."""
    value = line.get(key)
    if value is None:
        return False
    if type(value) not in (int, float) or not abs(value) < _GREATEST:
        raise FileError(f"{where}: {key}: not a number")
    if key == "accuracy" and not 0 <= value <= 1:
        raise FileError(f"{where}: {key}: not a number from 0 to 1")
    found[iteration] = float(value)
    return True
