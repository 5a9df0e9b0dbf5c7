"""What `sparsenet pack` tells: each weight's format and size beside the least possible."""

from __future__ import annotations

from typing import Any

from sparsenet.solver.evaluate import Score
from sparsenet.storage.report import human_bytes, memory_json
from sparsenet.tables import aligned
from sparsenet.workflows.pack import Packed


def pack_text(packed: Packed) -> str:
    """The table of weights, the sizes and the accuracy."""
    header = ["weight", "shape", "nonzeros", "dens%", "format", "bytes", "floor", "bytes/floor"]
    rows = [
        [
            layer.name,
            "x".join(map(str, layer.shape)),
            f"{layer.nonzeros:,}",
            f"{100 * layer.density:.1f}",
            layer.best,
            f"{layer.bytes['best']:,}",
            f"{layer.bytes['floor']:,}",
            _ratio(layer.bytes["best"], layer.bytes["floor"]),
        ]
        for layer in packed.memory.layers
    ]
    total = packed.memory.weights
    best, floor = total.bytes["best"], total.bytes["floor"]
    sums = [f"{total.nonzeros:,}", f"{100 * total.density:.1f}", ""]
    rows.append(["total", "", *sums, f"{best:,}", f"{floor:,}", _ratio(best, floor)])
    return "\n".join([*aligned([header, *rows], left=(0, 1, 4)), "", *_lines(packed)]) + "\n"


def _lines(packed: Packed) -> list[str]:
    payload, dense = packed.model.payload_bytes, packed.model.dense_bytes
    rest = payload - packed.memory.weights.bytes["best"]
    lines = [
        f"{packed.path}: {packed.file_bytes:,} bytes, {human_bytes(packed.file_bytes)}: "
        f"{payload - rest:,} for weights, {rest:,} for biases and the like, "
        f"{packed.file_bytes - payload:,} of description.",
        f"Dense float32: {human_bytes(dense)}, {dense / packed.file_bytes:.1f} times as large.",
    ]
    if packed.after is not None:
        after = _score(packed.after)
        same = packed.before is packed.after or packed.before is None
        words = after if same else f"{after}; before {_score(packed.before)}"
        lines.append(f"TEST {words} ({packed.after.samples} samples), values {_values(packed)}.")
    return lines


def _values(packed: Packed) -> str:
    return packed.model.values.name


def _score(score: Score | None) -> str:
    parts = []
    if score is not None and score.accuracy is not None:
        parts.append(f"accuracy {100 * score.accuracy:.2f} %")
    if score is not None and score.loss is not None:
        parts.append(f"loss {score.loss:.4f}")
    return ", ".join(parts)


def _ratio(best: int, floor: int) -> str:
    return f"{best / floor:.3f}" if floor else ""


def pack_json(packed: Packed) -> dict[str, Any]:
    """The same as plain data: bytes, the scores before and after, and memsize's document."""
    return {
        "file": str(packed.path),
        "bytes": packed.file_bytes,
        "payload": packed.model.payload_bytes,
        "description": packed.file_bytes - packed.model.payload_bytes,
        "dense": packed.model.dense_bytes,
        "values": packed.model.values.name,
        "before": _score_json(packed.before),
        "after": _score_json(packed.after),
        "memory": memory_json(packed.memory),
    }


def _score_json(score: Score | None) -> dict[str, Any] | None:
    if score is None:
        return None
    return {"accuracy": score.accuracy, "loss": score.loss, "samples": score.samples}
