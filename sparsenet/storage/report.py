"""A network's memory as a table to read, as CSV and as JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from sparsenet.storage.accounting import SIZES, LayerMemory, ModelMemory, Total
from sparsenet.storage.format import VALUE_BYTES
from sparsenet.storage.formats import FORMATS
from sparsenet.storage.values import FLOAT32
from sparsenet.tables import aligned

SPEED_NOTE = (
    "A smaller file is not by itself a faster network: dense code takes as long over zeros."
)


def human_bytes(count: int) -> str:
    """Bytes in B, KiB (2^10 bytes) or MiB (2^20 bytes), the last two with one decimal."""
    if count < 1024:
        return f"{count} B"
    kib = round(count / 1024, 1)
    return f"{kib:.1f} KiB" if kib < 1024 else f"{count / 1024**2:.1f} MiB"


def memory_table(memory: ModelMemory, counts: str = "nonzeros") -> str:
    """The per-layer table, the totals without and with biases, the ratio to dense and a warning.

    Where there are others than biases besides, parameters or statistics, it says how many.
    `counts` heads the column of the nonzeros: `t` where they are promised and not counted. The
    format of kernel patterns has a column only where a layer is smallest in it.
    """
    formats = [name for name in FORMATS if name != "periodic" or _has(memory, name)]
    header = ["layer", "shape", "weights", counts, "dens%", *formats, "best", "format", "floor"]
    sizes = (*formats, "best", "floor")
    rows = [_cells(one.name, _dims(one), one, sizes, one.best) for one in memory.layers]
    rows.append(_cells("total", "weights", memory.weights, sizes))
    rows.append(_cells("total", f"+ {_rest(memory)}", memory.total, sizes))
    lines = aligned([header, *rows], left=(0, 1, len(header) - 2))
    rule = "-" * len(lines[0])
    body = [lines[0], rule, *lines[1:-2], rule, *lines[-2:]]
    return "\n".join([*(line.rstrip() for line in body), "", *_summary(memory), SPEED_NOTE])


def memory_csv(memory: ModelMemory) -> str:
    """One line a layer and two of totals, sizes in bytes, density as a fraction, with a header.

    Layers that have no weights follow those that do; their bytes are with their statistics.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    sizes = [f"{name}_bytes" for name in SIZES]
    writer.writerow(["name", "shape", "params", "biases", "nonzeros", "density", *sizes, "best"])
    rows: list[tuple[str, str, int, LayerMemory | Total, str]] = [
        *((layer.name, _dims(layer), layer.biases, layer, layer.best) for layer in memory.layers),
        *((other.name, "", 0, other.total, "dense") for other in memory.others),
        ("total (weights)", "", 0, memory.weights, ""),
        (f"total (with {_rest(memory)})", "", memory.biases, memory.total, ""),
    ]
    for name, shape, count, part, best in rows:
        numbers = [part.params, count, part.nonzeros, f"{part.density:.6f}"]
        writer.writerow([name, shape, *numbers, *(part.bytes[key] for key in SIZES), best])
    return out.getvalue()


def memory_json(memory: ModelMemory) -> dict[str, Any]:
    """The same as plain data for `json.dumps`.

    A layer's `params`, `nonzeros` and `bytes` are of its weight, with its `biases` beside; `total`
    is with the biases, and `total.weights` without. `ratio` is null where the best takes no byte.
    Where layers have parameters of other kinds or statistics, `others` lists them, and `total`
    has them too: the statistics in its bytes alone.
    """
    layers = [
        {
            "name": layer.name,
            "shape": list(layer.shape),
            "params": layer.params,
            "nonzeros": layer.nonzeros,
            "bytes": dict(layer.bytes),
            "best": layer.best,
            "biases": layer.biases,
        }
        for layer in memory.layers
    ]
    others = [vars(other) for other in memory.others]
    return {
        "layers": layers,
        **({"others": others} if others else {}),
        "total": {
            **_total_json(memory.total),
            "dense_or_indexed": memory.dense_or_indexed,
            "weights": _total_json(memory.weights),
        },
    }


def _total_json(total: Total) -> dict[str, Any]:
    return {
        "params": total.params,
        "nonzeros": total.nonzeros,
        "bytes": dict(total.bytes),
        "ratio": total.ratio,
    }


def _dims(layer: LayerMemory) -> str:
    return "x".join(str(extent) for extent in layer.shape)


def _has(memory: ModelMemory, kind: str) -> bool:
    return any(layer.best == kind for layer in memory.layers)


def _cells(
    name: str, shape: str, part: LayerMemory | Total, keys: Sequence[str], best: str = ""
) -> list[str]:
    # Sizes without their space: one word a cell is read, and split, at a gap of one column.
    sizes = [human_bytes(part.bytes[key]).replace(" ", "") for key in keys]
    numbers = [f"{part.params:,}", f"{part.nonzeros:,}", f"{100 * part.density:.1f}"]
    return [name, shape, *numbers, *sizes[:-1], best, sizes[-1]]


def _summary(memory: ModelMemory) -> list[str]:
    lines = [_sentence("Weights", memory.weights)]
    lines.append(_sentence(f"With {_rest(memory)}", memory.total))
    if memory.others:
        dense = memory.total.params - memory.weights.params
        parameters = f"{dense:,} biases, scales and slopes"
        words = f"{parameters}, and {memory.statistics:,} statistics, which are no parameters"
        lines.append(f"Others: {words if memory.statistics else parameters}; 4 bytes each.")
    values = next((layer.values for layer in memory.layers), FLOAT32)
    dense, mixed = VALUE_BYTES * memory.total.params, memory.dense_or_indexed
    if values is not FLOAT32:
        plain = dense + VALUE_BYTES * memory.statistics
        ratio = plain / memory.total.bytes["best"]
        words = f"{human_bytes(plain)} ({ratio:.1f} times as large)"
        lines.append(f"Weights are stored as {values.name}; as float32, dense: {words}.")
    elif 0 < mixed < dense:
        words = f"{human_bytes(mixed)} (ratio {dense / mixed:.1f})"
        lines.append(f"As in the paper, each layer dense or indexed: {words}.")
    return lines


def _rest(memory: ModelMemory) -> str:
    """What the total has beside the weights."""
    return "others" if memory.others else "biases"


def _sentence(label: str, total: Total) -> str:
    dense, best, floor = (human_bytes(total.bytes[key]) for key in ("dense", "best", "floor"))
    ratio = "" if total.ratio is None else f" (ratio {total.ratio:.1f})"
    return f"{label}: {dense} dense, {best} in the best formats{ratio}, information floor {floor}."
