"""A packed model, or a dense one to compare it with, ready to compute."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

from sparsenet.config.constraints import weight_shapes
from sparsenet.config.load import from_data
from sparsenet.errors import ConfigError, listed
from sparsenet.execution.candidates import Candidates
from sparsenet.execution.dense_net import DenseNet
from sparsenet.execution.runnable import Runnable
from sparsenet.execution.sparse_net import SparseNet
from sparsenet.execution.structure import structure_of
from sparsenet.execution.weights import held
from sparsenet.packed.file import read_packed
from sparsenet.packed.model import PackedModel, PackError

Execution = Literal["auto", "sparse", "dense"]
EXECUTIONS: tuple[Execution, ...] = ("auto", "sparse", "dense")


def load_packed(
    path: str | Path, execution: Execution = "auto", threads: int | None = None
) -> Runnable:
    """A packed model as a module: float32 images (N, C, H, W) to scores (N, scores), on the CPU.

    The scores are what the net's accuracy reads, else its loss, and differ from the dense net's by
    rounding. `execution`: auto, the fastest that keeps weights in at most 1.1 times their packed
    bytes (where there is no C compiler, fully connected layers may take more); sparse, weights stay
    as they are packed; dense, torch with all zeros. `threads` share the images of a batch; left
    out, as many as torch's.

    Raises ConfigError where there is no such file, PackError where it is not whole.
    """
    file = Path(path)
    return runnable(read_packed(file), str(file), execution, threads)


def runnable(
    model: PackedModel, name: str, execution: Execution = "auto", threads: int | None = None
) -> Runnable:
    """As `load_packed`, of a model that is read already; `name` is for messages."""
    if execution not in EXECUTIONS:
        raise ConfigError(f"execution {execution!r}: it may be {listed(EXECUTIONS)}")
    if threads is not None and threads < 1:
        raise ConfigError(f"threads {threads}: must be at least 1")
    net = from_data(model.config, name).solver.net
    for layer, (_, shape) in weight_shapes(net).items():
        if (held_shape := model.weights[f"{layer}.weight"].shape) != shape:
            raise PackError(f"{name}: {layer}: a weight of shape {held_shape}, not {shape}")
    structure = structure_of(net)
    if not structure.nodes:
        raise ConfigError(f"{name}: the net has no layer that computes scores from the images")
    weights = held(model, name, roomy=execution == "auto")
    try:
        if execution == "dense":
            return DenseNet(structure, weights)
        return SparseNet(Candidates(structure, weights, threads or torch.get_num_threads()))
    except PackError as error:
        raise PackError(f"{name}: {error}") from None
