"""`sparsenet verify`: whether a packed model is what it says it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsenet.checkpoint import violations
from sparsenet.packed.file import header_limit, read_packed
from sparsenet.packed.model import PackedModel, unpack
from sparsenet.progress import Display
from sparsenet.tables import aligned
from sparsenet.workflows.build import counted_memory
from sparsenet.workflows.held_out import scores_of
from sparsenet.workflows.pack import require_packed
from sparsenet.workflows.stored import open_stored

TOLERANCE = 1e-3
"""Of the accuracy: another machine sums float32 in another order, and an image may tip over."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: what it is, whether it holds, and the figures."""

    name: str
    holds: bool
    words: str


def verify(
    path: Path, overrides: Sequence[str], device: str | None, data: bool, display: Display
) -> list[Check]:
    """Look at everything a packed model says of itself; without `data` not at its accuracy.

    Raises ConfigError where it is no packed model, PackError where it is not whole or its digest
    is another, DataError where its test data cannot be had.
    """
    require_packed(path)
    packed = read_packed(path)
    checkpoint = unpack(packed, str(path))
    stored = open_stored(path, overrides, device)
    expected = counted_memory(stored.net, packed.values).total.bytes["best"]
    header, limit = path.stat().st_size - packed.payload_bytes, header_limit(path.stat().st_size)
    too_many = violations(checkpoint)
    dead = [name for name, weight in packed.weights.items() if weight.nonzeros == 0]
    sizes = f"{packed.payload_bytes:,} bytes of payload, {expected:,} by the accounting"
    checks = [
        Check("digest", True, "whole, and as it was written"),
        Check("counts", not too_many, "; ".join(too_many) or _counts(packed)),
        Check("layers", not dead, f"dead: {', '.join(dead)}" if dead else "none is dead"),
        Check("payload", packed.payload_bytes == expected, sizes),
        Check("header", header <= limit, f"{header:,} bytes of at most {limit:,}"),
    ]
    if data:
        scores = scores_of(stored, ["TEST"], display)
        measured = scores["TEST"].accuracy if "TEST" in scores else None
        checks.append(_accuracy(packed.accuracy.get("TEST"), measured))
    return checks


def _counts(packed: PackedModel) -> str:
    held = f"{len(packed.constraints)} constraints hold" if packed.constraints else "none bounded"
    return f"{packed.nonzeros:,} nonzero weights, {held}"


def _accuracy(said: float | None, measured: float | None) -> Check:
    if said is None or measured is None:
        words = "the file says none" if said is None else "there are no test data"
        return Check("accuracy", said is measured, words)
    words = f"{100 * measured:.2f} % measured, {100 * said:.2f} % in the file"
    return Check("accuracy", abs(said - measured) <= TOLERANCE, words)


def verify_text(checks: Sequence[Check]) -> str:
    """A line a check."""
    rows = [[check.name, "ok" if check.holds else "FAILED", check.words] for check in checks]
    return "\n".join(line.rstrip() for line in aligned(rows, left=(0, 1, 2)))


def verify_json(checks: Sequence[Check]) -> dict[str, Any]:
    """The same as plain data, by check."""
    return {check.name: {"holds": check.holds, "words": check.words} for check in checks}
