"""front.csv: every candidate of a search, and which of them it went on from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sparsenet.storage.report import human_bytes
from sparsenet.studies.strategies import Found
from sparsenet.studies.words import csv_text, decimal, percent, score_columns
from sparsenet.tables import aligned


@dataclass(frozen=True)
class Candidate:
    """A candidate of round `round`; `spent` are the updates of all candidates up to it."""

    round: int
    accepted: bool
    spent: int
    found: Found


def front_csv(strategy: str, candidates: Sequence[Candidate]) -> str:
    """A line for each candidate, in the order of the search; the first is where it starts.

    Accuracies and densities are fractions; `nonzeros` are weights, `bytes` those of the best
    formats with biases. Of a candidate that diverged scores and sizes are empty.
    """
    return csv_text([_row(strategy, candidate) for candidate in candidates])


def _row(strategy: str, candidate: Candidate) -> dict[str, object]:
    found, result = candidate.found, candidate.found.result
    there = result.failed is None
    return {
        "strategy": strategy,
        "round": candidate.round,
        "layer": found.layer,
        "accepted": int(candidate.accepted),
        "nonzeros": result.nonzeros if there else "",
        "density": decimal(result.density if there else None),
        "bytes": result.bytes if there else "",
        **score_columns(result, ("VAL", "TEST")),
        "iterations": found.trial.updates,
        "spent": candidate.spent,
        "key": found.trial.key,
        **{f"t.{name}": t for name, t in found.counts.items()},
        **{f"nonzeros.{name}": result.counts.get(name, "") for name in found.counts},
    }


def path_table(strategy: str, path: Sequence[Candidate], spent: int) -> str:
    """The networks that a search went on from, for a reader; `spent` updates made all candidates.

    Those of the last network's round that were trained after it are among them.
    """
    layers = list(path[0].found.counts)
    head = ["round", "cut", *layers, "nonzeros", "dens%", "bytes", "VAL", "TEST"]
    rows = [head, *(_cells(candidate) for candidate in path)]
    lines = aligned(rows, left=(1,))
    counted = f"Strategy {strategy}: {spent:,} updates in all."
    note = (
        "Accuracies in %; nonzeros of the weights by layer; bytes in the best formats, with biases."
    )
    return "\n".join([*lines[:1], "-" * len(lines[0]), *lines[1:], "", note, counted, ""])


def _cells(candidate: Candidate) -> list[str]:
    found, result = candidate.found, candidate.found.result
    counts = [f"{result.counts[layer]:,}" for layer in found.counts]
    sizes = [f"{result.nonzeros:,}", f"{100 * result.density:.2f}", human_bytes(result.bytes)]
    measured = [percent(result.accuracy.get(phase)) for phase in ("VAL", "TEST")]
    return [str(candidate.round), found.layer or "-", *counts, *sizes, *measured]


def path_json(path: Sequence[Candidate]) -> list[dict[str, Any]]:
    """The same as plain data; accuracies are fractions."""
    return [
        {
            "round": candidate.round,
            "layer": candidate.found.layer or None,
            "t": candidate.found.counts,
            "nonzeros": candidate.found.result.counts,
            "bytes": candidate.found.result.bytes,
            "accuracy": candidate.found.result.accuracy,
            "loss": candidate.found.result.loss,
            "key": candidate.found.trial.key,
        }
        for candidate in path
    ]
