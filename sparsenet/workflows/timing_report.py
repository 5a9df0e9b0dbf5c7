"""What `sparsenet time` tells, for a reader and as plain data."""

from __future__ import annotations

from typing import Any

from sparsenet.storage.report import human_bytes
from sparsenet.tables import aligned
from sparsenet.workflows.timing import BatchTimes, Peak, Timing


def timing_text(timing: Timing) -> str:
    """A table for each number of images, then the memory."""
    plural = "s" * (timing.threads != 1)
    parts = [f"{timing.path}: execution {timing.execution}, {timing.threads} thread{plural}"]
    parts += [_table(batch) for batch in timing.batches]
    resident = sum(timing.resident.values())
    weights = (
        f"Weights in memory: {human_bytes(resident)}, packed {human_bytes(timing.packed)}, "
        f"dense {human_bytes(timing.dense)} ({timing.dense / resident:.1f} times as large)."
    )
    peaks = "; ".join(_peak_words(name, peak) for name, peak in timing.peaks.items())
    images = f"{timing.images} image{'s' * (timing.images != 1)} at a time"
    parts.append(f"{weights}\nPeak memory of a process, {images}: {peaks}.")
    return "\n\n".join(parts) + "\n"


def _table(batch: BatchTimes) -> str:
    header = [f"{batch.images} image{'s' * (batch.images != 1)}", "method", "ms", "dense ms"]
    rows = [
        [", ".join(row.layers), row.method, _ms(row.seconds), _ms(row.dense)] for row in batch.rows
    ]
    rows.append(["total", "", _ms(batch.seconds), _ms(batch.dense)])
    ratio = batch.dense / batch.seconds
    words = f"{ratio:.2f} times as fast as dense, median of {batch.rounds} rounds each"
    return "\n".join([*aligned([header, *rows], left=(0, 1)), words])


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.3f}"


def _peak_words(name: str, peak: Peak) -> str:
    return f"{name} {human_bytes(peak.peak)}, of these {human_bytes(peak.growth)} by the model"


def timing_json(timing: Timing) -> dict[str, Any]:
    """The same as plain data; times in milliseconds."""
    return {
        "model": str(timing.path),
        "execution": timing.execution,
        "threads": timing.threads,
        "batches": [_batch_json(batch) for batch in timing.batches],
        "weights": {
            "resident": sum(timing.resident.values()),
            "packed": timing.packed,
            "dense": timing.dense,
            "layers": timing.resident,
        },
        "peak_memory": {
            "images": timing.images,
            **{name: vars(peak) for name, peak in timing.peaks.items()},
        },
    }


def _batch_json(batch: BatchTimes) -> dict[str, Any]:
    return {
        "images": batch.images,
        "milliseconds": 1000 * batch.seconds,
        "dense_milliseconds": 1000 * batch.dense,
        "ratio": batch.dense / batch.seconds,
        "rounds": batch.rounds,
        "layers": [
            {
                "layers": list(row.layers),
                "method": row.method,
                "milliseconds": 1000 * row.seconds,
                "dense_milliseconds": 1000 * row.dense,
            }
            for row in batch.rows
        ],
    }
