"""`sparsenet time`: how long each layer of a net takes, and how much memory, beside dense."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from sparsenet.checkpoint import is_checkpoint, load_checkpoint
from sparsenet.errors import ConfigError, SparsenetError
from sparsenet.execution.load import Execution, runnable
from sparsenet.execution.runnable import Runnable
from sparsenet.execution.timed import Timed
from sparsenet.packed.file import read_packed, write_packed
from sparsenet.packed.model import PackedModel, pack

SECONDS = 1.0
"""For each number of images; five rounds at least, and 200 at most."""


@dataclass(frozen=True)
class Row:
    """Layers that are computed together, by which method, and seconds beside dense ones."""

    layers: tuple[str, ...]
    method: str
    seconds: float
    dense: float


@dataclass(frozen=True)
class BatchTimes:
    """Medians over rounds in which the net and the dense one take turns, for so many images.

    `seconds` and `dense` are of the whole nets, on all threads.
    """

    images: int
    rows: tuple[Row, ...]
    seconds: float
    dense: float
    rounds: int


@dataclass(frozen=True)
class Peak:
    """The most bytes in the memory of a process, and those of them that came with the model."""

    peak: int
    growth: int


@dataclass(frozen=True)
class Timing:
    """What was measured. `resident` are bytes of weights by layer, `packed` in the file's formats.

    `peaks` are of fresh processes that compute `images` images, by execution.
    """

    path: Path
    execution: str
    threads: int
    batches: tuple[BatchTimes, ...]
    resident: dict[str, int]
    packed: int
    dense: int
    images: int
    peaks: dict[str, Peak]


def time_model(
    path: Path, batches: Sequence[int], execution: Execution, threads: int | None
) -> Timing:
    """Measure a packed model, or a checkpoint, which is packed for it; nothing is written.

    Raises ConfigError, CheckpointError and PackError; SparsenetError where a process fails.
    """
    if not batches or min(batches) < 1:
        raise ConfigError("--batch: a number of images is at least 1")
    model = _model(path)
    with _threads(threads) as count:
        net = runnable(model, str(path), execution, count)
        dense = runnable(model, str(path), "dense", count)
        times = tuple(_batch_times(net, dense, images) for images in batches)
        resident = net.resident_bytes
        total = sum(dense.resident_bytes.values())
        del net, dense
        peaks = _peaks(model, tuple(dict.fromkeys((execution, "dense"))), max(batches), count)
    packed = sum(weight.nbytes for weight in model.weights.values())
    return Timing(path, execution, count, times, resident, packed, total, max(batches), peaks)


def _model(path: Path) -> PackedModel:
    if is_checkpoint(path):
        return pack(load_checkpoint(path), str(path))
    return read_packed(path)


@contextmanager
def _threads(count: int | None) -> Iterator[int]:
    """In the block torch has so many threads too."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield count or before
    finally:
        torch.set_num_threads(before)


def _batch_times(net: Runnable, dense: Runnable, count: int) -> BatchTimes:
    shape = (count, *net.structure.image_shape)
    images = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    for one in (net, dense):  # the autotune, and torch's own first time
        one(images)
    totals: list[tuple[float, float]] = []
    parts: list[tuple[list[Timed], list[Timed]]] = []
    end = time.perf_counter() + SECONDS
    while len(totals) < 5 or (time.perf_counter() < end and len(totals) < 200):
        totals.append((_seconds(net, images), _seconds(dense, images)))
        parts.append((net.timed(images), dense.timed(images)))
    ours, theirs = (statistics.median(one) for one in zip(*totals, strict=True))
    mine, others = (_medians(one) for one in zip(*parts, strict=True))
    return BatchTimes(count, _rows(net, mine, others), ours, theirs, len(totals))


def _seconds(net: Runnable, images: Tensor) -> float:
    start = time.perf_counter()
    net(images)
    return time.perf_counter() - start


def _medians(rounds: Sequence[list[Timed]]) -> list[Timed]:
    """Of each part its median over the rounds."""
    return [
        Timed(same[0].layers, same[0].method, statistics.median(one.seconds for one in same))
        for same in zip(*rounds, strict=True)
    ]


def _rows(net: Runnable, ours: list[Timed], dense: list[Timed]) -> tuple[Row, ...]:
    """A row for what is computed together; a layer that nothing is computed for is one too."""
    by_layer = {one.layers[0]: one.seconds for one in dense}
    parts: dict[tuple[str, ...], Timed] = {}
    for one in ours:
        so_far = parts[one.layers].seconds if one.layers in parts else 0.0
        parts[one.layers] = Timed(one.layers, one.method, so_far + one.seconds)
    known = {layer for layers in parts for layer in layers}
    for layer in by_layer.keys() - known:
        parts[layer,] = Timed((layer,), "nothing", 0.0)
    order = {node.layer.name: place for place, node in enumerate(net.structure.nodes)}
    return tuple(
        Row(layers, one.method, one.seconds, sum(by_layer.get(layer, 0.0) for layer in layers))
        for layers, one in sorted(parts.items(), key=lambda item: order.get(item[0][0], 0))
    )


def _peaks(
    model: PackedModel, executions: Sequence[str], images: int, threads: int
) -> dict[str, Peak]:
    with tempfile.TemporaryDirectory(prefix="sparsenet-") as name:
        file = Path(name) / "model.safetensors"
        write_packed(file, model)
        return {execution: _peak(file, execution, images, threads) for execution in executions}


def _peak(file: Path, execution: str, images: int, threads: int) -> Peak:
    """Of a process of its own, so that nothing else is counted: the choices are known already."""
    command = [sys.executable, "-m", "sparsenet.execution.peak", str(file), execution]
    command += [str(images), str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        words = lines[-1] if lines else f"exit code {done.returncode}"
        raise SparsenetError(f"the process that measures its memory failed: {words}")
    return Peak(**json.loads(done.stdout))
