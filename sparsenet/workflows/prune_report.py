"""What pruning by fractions came to: as a table to read, as CSV, as one JSON document."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from typing import Any

from sparsenet.layers.base import Phase
from sparsenet.shrinking.plan import Kept
from sparsenet.solver.evaluate import Score
from sparsenet.tables import aligned
from sparsenet.workflows.criteria import Rule
from sparsenet.workflows.decimals import plain
from sparsenet.workflows.prune_means import mean_lines
from sparsenet.workflows.prune_points import Point, Shrunk
from sparsenet.workflows.retrain import Retrained

TITLE = "Trained networks pruned by"
CSV_BEGINS = "checkpoint,criterion,scope,"
"""How prune.txt and .csv begin: by it they are told from other files of their name."""

_NOTE = (
    "Accuracies in %; loss on TEST; fraction as asked, pruned as it came out; nonzeros and dens% "
    "of all\nweights of the net."
)
_SHRUNK_NOTE = (
    "removed: filters that are gone for good; left: the weights of the smaller dense net, and its "
    "accuracy,\nwhich is that of the pruned net with the biases and shifts of pruned filters at 0."
)
_FINETUNED_NOTE = "tuned: after a training in which zero weights stay zero."


def prune_csv(points: Sequence[Point], rule: Rule) -> str:
    """A line a net and fraction; accuracies and fractions from 0 to 1, empty what is not there."""
    out = io.StringIO()
    rows = [_csv_row(point, rule) for point in points]
    writer = csv.DictWriter(out, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _csv_row(point: Point, rule: Rule) -> dict[str, object]:
    test, val = point.scores["TEST"], point.scores.get("VAL")
    weights, shrunk = point.memory.weights, point.shrunk
    tuned = point.finetuned.accuracy if point.finetuned else {}
    return {
        "checkpoint": point.source,
        "criterion": rule.criterion,
        "scope": rule.scope,
        "seed": rule.seed if rule.criterion == "random" else None,
        "fraction": plain(point.fraction),
        "real_fraction": _decimal(point.pruned / point.units),
        "test_accuracy": _decimal(test.accuracy),
        "val_accuracy": _decimal(val.accuracy if val else None),
        "test_loss": _decimal(test.loss),
        "val_loss": _decimal(val.loss if val else None),
        "weights": weights.params,
        "nonzeros": weights.nonzeros,
        "zeros": weights.params - weights.nonzeros,
        "filters": point.filters,
        "zero_filters": point.zero_filters,
        "filters_removed": shrunk.removed if shrunk else None,
        "shrunk_weights": shrunk.memory.weights.params if shrunk else None,
        "shrunk_test_accuracy": _decimal(shrunk.scores["TEST"].accuracy if shrunk else None),
        "finetuned_test_accuracy": _decimal(tuned.get("TEST")),
        "finetuned_val_accuracy": _decimal(tuned.get("VAL")),
        "training": point.training,
    }


def _decimal(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


def prune_table(points: Sequence[Point], rule: Rule) -> str:
    """The same for a reader, and below it why filters were not removed."""
    header, *rows = _with_values([_HEADER, *map(_cells, points)])
    lines = aligned([header, *rows])
    within = "all layers at once" if rule.scope == "net" else "each layer by itself"
    seed = f", seed {rule.seed}" if rule.criterion == "random" else ""
    notes = [_NOTE]
    if any(point.shrunk for point in points):
        notes += [_SHRUNK_NOTE]
    if any(point.finetuned for point in points):
        notes += [_FINETUNED_NOTE]
    head = [f"{TITLE} {rule.criterion}{seed}, {within}", "", lines[0], "-" * len(lines[0])]
    below = [*mean_lines(points), *notes, *_kept_lines(points), ""]
    return "\n".join([*head, *lines[1:], "", *below])


_HEADER = ["net", "fraction", "pruned", "TEST", "VAL", "loss", "nonzeros", "dens%", "removed",
           "left", "left TEST", "tuned TEST"]  # fmt: skip


def _with_values(rows: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """The rows without the columns in which no row below the first has a value."""
    columns = [column for column in zip(*rows, strict=True) if set(column[1:]) != {"-"}]
    return list(zip(*columns, strict=True))


def _cells(point: Point) -> list[str]:
    test, val = point.scores["TEST"], point.scores.get("VAL")
    weights, shrunk = point.memory.weights, point.shrunk
    tuned = point.finetuned.accuracy if point.finetuned else {}
    return [
        point.source,
        plain(point.fraction),
        f"{point.pruned / point.units:.3f}",
        _percent(test.accuracy),
        _percent(val.accuracy if val else None),
        "-" if test.loss is None else f"{test.loss:.4g}",
        f"{weights.nonzeros:,}",
        f"{100 * weights.density:.2f}",
        f"{shrunk.removed:,} of {shrunk.of:,}" if shrunk else "-",
        f"{shrunk.memory.weights.params:,}" if shrunk else "-",
        _percent(shrunk.scores["TEST"].accuracy if shrunk else None),
        _percent(tuned.get("TEST")),
    ]


def _percent(accuracy: float | None) -> str:
    return "-" if accuracy is None else f"{100 * accuracy:.2f}"


def _kept_lines(points: Sequence[Point]) -> list[str]:
    """For each net, at its largest fraction, the layers of which pruned filters stay, and why."""
    largest: dict[str, Point] = {}
    for point in sorted(points, key=lambda each: each.fraction):
        if point.shrunk:
            largest[point.source] = point
    lines = []
    for source, point in largest.items():
        assert point.shrunk is not None
        rows = [(each.layer, f"{each.filters:,}", each.why) for each in by_layer(point.shrunk.kept)]
        if rows:
            lines += ["", f"{source} at {plain(point.fraction)}, filters that stay as zeros:"]
            lines += aligned(rows, left=(0, 2))
    return [line.rstrip() for line in lines]


def by_layer(kept: Iterable[Kept]) -> list[Kept]:
    """One for each layer, with the reason that most of its filters have."""
    layers: dict[str, list[Kept]] = {}
    for each in kept:
        layers.setdefault(each.layer, []).append(each)
    return [
        Kept(layer, sum(e.filters for e in found), max(found, key=lambda e: e.filters).why)
        for layer, found in layers.items()
    ]


def prune_json(points: Iterable[Point]) -> list[dict[str, Any]]:
    """The same as plain data for `json.dumps`, null where nothing was measured."""
    return [
        {
            "checkpoint": point.source,
            "training": point.training,
            "fraction": float(point.fraction),
            "real_fraction": point.pruned / point.units,
            **_scores_json(point.scores),
            "weights": point.memory.weights.params,
            "nonzeros": point.memory.weights.nonzeros,
            "filters": point.filters,
            "zero_filters": point.zero_filters,
            "file": str(point.path) if point.path else None,
            "shrunk": _shrunk_json(point.shrunk),
            "finetuned": _finetuned_json(point.finetuned),
        }
        for point in points
    ]


def _scores_json(scores: dict[Phase, Score]) -> dict[str, Any]:
    return {
        phase: {"samples": s.samples, "accuracy": s.accuracy, "loss": _finite(s.loss)}
        for phase, s in scores.items()
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _shrunk_json(shrunk: Shrunk | None) -> dict[str, Any] | None:
    if shrunk is None:
        return None
    return {
        "file": str(shrunk.path),
        "filters_removed": shrunk.removed,
        "of_filters": shrunk.of,
        **_scores_json(shrunk.scores),
        "weights": shrunk.memory.weights.params,
        "kept": [vars(each) for each in shrunk.kept],
    }


def _finetuned_json(tuned: Retrained | None) -> dict[str, Any] | None:
    if tuned is None:
        return None
    accuracy = {phase: {"accuracy": value} for phase, value in tuned.accuracy.items()}
    return {"folder": str(tuned.folder.path), **accuracy, "nonzeros": tuned.nonzeros}
