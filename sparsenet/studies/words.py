"""Numbers as the CSV files and tables of studies have them."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Iterable, Mapping, Sequence

from sparsenet.trials.result import Result

_HUGE = 1e9  # the loss of a network that is about to diverge


def csv_text(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows of the same columns as a CSV file, with its header."""
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def score_columns(result: Result, phases: Sequence[str]) -> dict[str, str]:
    """The columns val_accuracy, test_accuracy, val_loss, ... of a result, as fractions."""
    columns = {f"{phase.lower()}_accuracy": result.accuracy.get(phase) for phase in phases}
    columns |= {f"{phase.lower()}_loss": result.loss.get(phase) for phase in phases}
    return {name: decimal(value) for name, value in columns.items()}


def decimal(value: float | None) -> str:
    """A number with six decimals, a huge one with six digits; empty where there is none."""
    if value is None:
        return ""
    return f"{value:.6f}" if abs(value) < _HUGE else f"{value:.5e}"


def percent(accuracy: float | None) -> str:
    """An accuracy in percent, `-` where there is none."""
    return "-" if accuracy is None else f"{100 * accuracy:.2f}"


def spread(results: Iterable[Result], phase: str) -> str:
    """Mean and standard deviation of the accuracies of a phase, in percent."""
    known = [100 * a for r in results if (a := r.accuracy.get(phase)) is not None]
    if not known:
        return "-"
    deviation = f" ± {statistics.stdev(known):.2f}" if len(known) > 1 else ""
    return f"{statistics.mean(known):.2f}{deviation}"


def value_words(value: object) -> str:
    """A value of an axis as tables and lines have it; of stages their names."""
    if isinstance(value, list) and all(isinstance(it, dict) and "name" in it for it in value):
        return ", ".join(str(it["name"]) for it in value)
    return str(value)
