"""What a sweep came to: sweep.csv, a row a trial, and means over the seeds for the reader."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sparsenet.studies.grid import Setting
from sparsenet.studies.words import csv_text, decimal, score_columns, spread, value_words
from sparsenet.tables import aligned
from sparsenet.trials.result import Result
from sparsenet.trials.trial import Trial

_PHASES = ("TRAIN", "VAL", "TEST")


@dataclass(frozen=True)
class Row:
    """A trial of a sweep, and what it came to."""

    setting: Setting
    trial: Trial
    result: Result


def _axes(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(key for row in rows for key in row.setting.columns))


def sweep_csv(rows: Sequence[Row]) -> str:
    """A line for each trial, in the order of the sweep; accuracies are fractions.

    After `method` and `layers`, on which it acts, there is a column for each axis, empty where a
    method does not have it. `samples` are those trained on, where their accuracy was measured. In
    the end the nonzeros of each layer.
    """
    axes = _axes(rows)
    layers = list(dict.fromkeys(name for row in rows for name in row.result.layers))
    return csv_text([_line(row, axes, layers) for row in rows])


def _line(row: Row, axes: Sequence[str], layers: Sequence[str]) -> dict[str, object]:
    setting, result = row.setting, row.result
    there = result.failed is None
    counts = {name: count.nonzeros for name, count in result.layers.items() if there}
    return {
        "method": setting.method,
        "layers": setting.layers,
        **{key: setting.columns.get(key, "") for key in axes},
        "seed": row.trial.seed,
        "samples": result.samples.get("TRAIN", ""),
        "weights": result.weights if there else "",
        "nonzeros": result.nonzeros if there else "",
        "density": decimal(result.density if there else None),
        "bytes": result.bytes if there else "",
        **score_columns(result, _PHASES),
        "iterations": row.trial.updates,
        "failed": result.failed or "",
        "key": row.trial.key,
        **{f"nonzeros.{name}": counts.get(name, "") for name in layers},
    }


def sweep_table(rows: Sequence[Row], ranges: Sequence[str]) -> str:
    """Mean and standard deviation over the seeds, a line for each setting; then the ranges."""
    axes = _axes(rows)
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        setting = row.setting
        values = (str(setting.columns.get(axis, "")) for axis in axes)
        key = (setting.method, setting.layers, *values)
        groups.setdefault(key, []).append(row)
    names = [axis.rpartition(".")[2] for axis in axes]
    head = ["method", "layers", *names, "seeds", "nonzeros", "dens%", *_PHASES]
    body = [[*_words(same[0], axes), *_cells(same)] for same in groups.values()]
    table = _filled([head, *body])
    lines = aligned(table, left=(0, 1) if "layers" in table[0] else (0,))
    notes = ["Accuracies in %, mean and standard deviation over the seeds.", *ranges]
    failed = sum(row.result.failed is not None for row in rows)
    diverged = [f"{failed} of {len(rows)} trials diverged."] if failed else []
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:], "", *notes, *diverged, ""])


def _words(row: Row, axes: Sequence[str]) -> list[str]:
    setting = row.setting
    values = (value_words(setting.columns.get(axis, "")) for axis in axes)
    return [setting.method, setting.layers, *values]


def _filled(table: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """The table without the columns that are empty below their head."""
    columns = [column for column in zip(*table, strict=True) if set(column[1:]) - {"", "-"}]
    return list(zip(*columns, strict=True))


def _cells(same: Sequence[Row]) -> list[str]:
    there = [row.result for row in same if row.result.failed is None]
    if not there:
        return ["0", *["-"] * (2 + len(_PHASES))]
    nonzeros = f"{statistics.mean(result.nonzeros for result in there):,.0f}"
    density = f"{100 * statistics.mean(result.density for result in there):.2f}"
    return [str(len(there)), nonzeros, density, *(spread(there, phase) for phase in _PHASES)]


def sweep_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The same as plain data, an entry for each trial; accuracies are fractions."""
    return [
        {
            "method": row.setting.method,
            "layers": row.setting.layers or None,
            "values": dict(row.setting.columns),
            "seed": row.trial.seed,
            "nonzeros": row.result.nonzeros,
            "bytes": row.result.bytes,
            "accuracy": row.result.accuracy,
            "loss": row.result.loss,
            "failed": row.result.failed,
            "key": row.trial.key,
        }
        for row in rows
    ]
