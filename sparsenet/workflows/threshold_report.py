"""What pruning came to: as a table to read, as CSV, as one JSON document."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sparsenet.layers.base import Phase
from sparsenet.solver.evaluate import Score
from sparsenet.storage.accounting import ModelMemory
from sparsenet.storage.report import human_bytes
from sparsenet.tables import aligned
from sparsenet.workflows.retrain import Retrained

UNPRUNED = "unpruned"
TITLE = "Weights set to zero without training"
CSV_BEGINS = "label,delta,test_accuracy,"
"""How threshold.txt and .csv begin: by it they are told from other files of their name."""

_NOTE = (
    "Accuracies in %; loss on TEST; nonzeros and dens% of the weights; bytes in the best formats, "
    "biases included,\nand the ratio of dense to them."
)
_RETRAINED_NOTE = (
    "l0: trained from scratch with as many nonzeros in each layer as the pruning left."
)


@dataclass(frozen=True)
class Measured:
    """A network after a pruning: `delta` as text, scores by phase, its memory.

    `note` says why it has not been `retrained`, where that was to be done and cannot be.
    """

    label: str
    delta: str | None
    scores: dict[Phase, Score]
    memory: ModelMemory
    retrained: Retrained | None = None
    note: str = ""

    @property
    def counts(self) -> dict[str, int]:
        """Nonzero weights by layer."""
        return {layer.name: layer.nonzeros for layer in self.memory.layers}


def threshold_csv(points: Sequence[Measured]) -> str:
    """One line for each network, the unpruned one first.

    Accuracies and density are fractions, bytes are those of the best formats with biases. What was
    not measured is empty. The last columns are the nonzeros of each layer.
    """
    out = io.StringIO()
    rows = [_csv_row(point) for point in points]
    writer = csv.DictWriter(out, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _csv_row(point: Measured) -> dict[str, object]:
    test, val = point.scores["TEST"], point.scores.get("VAL")
    retrained = point.retrained.accuracy if point.retrained else {}
    total = point.memory.weights
    return {
        "label": point.label,
        "delta": point.delta,
        "test_accuracy": _decimal(test.accuracy),
        "val_accuracy": _decimal(val.accuracy if val else None),
        "test_loss": _decimal(test.loss),
        "val_loss": _decimal(val.loss if val else None),
        "weights": total.params,
        "nonzeros": total.nonzeros,
        "density": _decimal(total.density),
        "bytes": point.memory.total.bytes["best"],
        "ratio": _decimal(point.memory.total.ratio),
        "retrained_test_accuracy": _decimal(retrained.get("TEST")),
        "retrained_val_accuracy": _decimal(retrained.get("VAL")),
        "retrained_nonzeros": point.retrained.nonzeros if point.retrained else None,
        "note": point.note,
        **{f"nonzeros.{name}": count for name, count in point.counts.items()},
    }


def _decimal(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


def threshold_table(points: Sequence[Measured], source: str, *, retrained: bool) -> str:
    """The same for a reader; `source` names the network, `retrained` adds the l0 columns."""
    rows = [_cells(point, retrained=retrained) for point in points]
    lines = aligned(_with_values([_header(retrained=retrained), *rows]))
    notes = [f"{point.label}: {point.note}" for point in points if point.note]
    explained = [_NOTE, _RETRAINED_NOTE] if retrained else [_NOTE]
    rule = "-" * max(map(len, lines))
    head = [f"{TITLE}: {source}", "", lines[0], rule]
    return "\n".join([*head, *lines[1:], "", *explained, *notes, ""])


def _with_values(rows: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """The rows without the columns in which no row below the first has a value."""
    columns = [column for column in zip(*rows, strict=True) if set(column[1:]) != {"-"}]
    return list(zip(*columns, strict=True))


def _header(*, retrained: bool) -> list[str]:
    columns = ["pruning", "TEST", "VAL", "loss", "nonzeros", "dens%", "bytes", "ratio"]
    return [*columns, "l0 TEST", "l0 VAL"] if retrained else columns


def _cells(point: Measured, *, retrained: bool) -> list[str]:
    test, val = point.scores["TEST"], point.scores.get("VAL")
    weights, total = point.memory.weights, point.memory.total
    cells = [
        point.label,
        _percent(test.accuracy),
        _percent(val.accuracy if val else None),
        "-" if test.loss is None else f"{test.loss:.4f}",
        f"{weights.nonzeros:,}",
        f"{100 * weights.density:.2f}",
        human_bytes(total.bytes["best"]),
        "-" if total.ratio is None else f"{total.ratio:.1f}",
    ]
    if retrained:
        accuracy = point.retrained.accuracy if point.retrained else {}
        cells += [_percent(accuracy.get("TEST")), _percent(accuracy.get("VAL"))]
    return cells


def _percent(accuracy: float | None) -> str:
    return "-" if accuracy is None else f"{100 * accuracy:.2f}"


def threshold_json(points: Iterable[Measured]) -> list[dict[str, Any]]:
    """The same as plain data for `json.dumps`, null where nothing was measured."""
    return [
        {
            "label": point.label,
            "delta": None if point.delta is None else float(point.delta),
            **{
                phase: {"samples": s.samples, "accuracy": s.accuracy, "loss": s.loss}
                for phase, s in point.scores.items()
            },
            "weights": point.memory.weights.params,
            "nonzeros": point.memory.weights.nonzeros,
            "density": point.memory.weights.density,
            "bytes": point.memory.total.bytes["best"],
            "ratio": point.memory.total.ratio,
            "layers": point.counts,
            "retrained": _retrained_json(point.retrained),
            "note": point.note,
        }
        for point in points
    ]


def _retrained_json(retrained: Retrained | None) -> dict[str, Any] | None:
    if retrained is None:
        return None
    accuracy = {phase: {"accuracy": value} for phase, value in retrained.accuracy.items()}
    return {"folder": str(retrained.folder.path), **accuracy, "nonzeros": retrained.nonzeros}
