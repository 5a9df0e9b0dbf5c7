"""A budget as a contract: the file on the disk takes no more bytes, or the command says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sparsenet.checkpoint import Checkpoint, Constraint, load_checkpoint
from sparsenet.config.constraints import declared_balls, weight_shapes
from sparsenet.config.graph import build_graph
from sparsenet.config.load import Configuration
from sparsenet.data.folders import class_names
from sparsenet.data.raw import DataError
from sparsenet.data.sources import IMAGE_FOLDER
from sparsenet.errors import ConfigError
from sparsenet.packed.file import packed_bytes, write_packed
from sparsenet.packed.model import pack
from sparsenet.regularization.regularizers import L0, L1, Shrink
from sparsenet.storage.accounting import ModelMemory
from sparsenet.workflows.build import build_net, memory_with, promised_memory, schedule_of

_SLACK, _SLACK_A_WEIGHT = 256, 16
"""Bytes by which a description may grow: totals and names of formats, and each weight's numbers."""


@dataclass(frozen=True)
class Within:
    """A packed file beside the budget that it was to keep to, in bytes."""

    path: Path
    bytes: int
    budget: int

    @property
    def met(self) -> bool:
        """Whether it is no larger."""
        return self.bytes <= self.budget

    @property
    def text(self) -> str:
        """A line for the reader."""
        over = f"OVER the budget of {self.budget:,} by {self.bytes - self.budget:,}"
        within = over if not self.met else f"within the budget of {self.budget:,}"
        return f"{self.path}: {self.bytes:,} bytes, {within}"

    @property
    def document(self) -> dict[str, Any]:
        """The same as plain data."""
        return {"file": str(self.path), "bytes": self.bytes, "budget": self.budget}


def write_within(checkpoint: Path, packed: Path, budget: int) -> Within:
    """Pack a checkpoint and compare. Raises CheckpointError, PackError, FileError."""
    model = pack(load_checkpoint(checkpoint), str(checkpoint))
    write_packed(packed, model)
    return Within(packed, packed.stat().st_size, budget)


@dataclass(frozen=True)
class Promise:
    """What a net will take by its constraints alone, and how its packed file keeps a budget.

    Nonzeros can lie so that their places take less, and be fewer: `most` is what the file takes at
    most, in bytes. Both are None where there is no budget.
    """

    memory: ModelMemory
    most: int | None = None
    budget: int | None = None

    @property
    def text(self) -> str:
        """A line for the reader about the budget. Empty where there is none."""
        if self.most is None or self.budget is None:
            return ""
        over = self.most - self.budget
        met = f"possibly OVER the budget of {self.budget:,}, by up to {over:,}"
        if over <= 0:
            met = f"within the budget of {self.budget:,}"
        return f"Packed: at most {self.most:,} bytes, {met}"

    @property
    def document(self) -> dict[str, Any]:
        """The same as plain data."""
        if self.most is None or self.budget is None:
            return {}
        fits = self.most <= self.budget
        return {"packed": {"most": self.most, "budget": self.budget, "fits": fits}}


def promise_of(configuration: Configuration, budget: int | None) -> Promise:
    """What the last stage asks for. Raises ConfigError as `require_possible`."""
    net = configuration.solver.net
    counts = schedule_of(configuration.solver).final_counts()
    memory = promised_memory(net, counts)
    if budget is None:
        return Promise(memory)
    require_possible(configuration, budget)
    held = [
        Constraint(ball.name, ball.weights, counts[ball.name])
        for ball in declared_balls(net)
        if ball.name in counts
    ]
    most = memory.total.bytes["best"] + description_bytes(configuration, held)
    return Promise(memory, most, budget)


def require_possible(configuration: Configuration, budget: int) -> None:
    """Raise ConfigError where not even a net without all that can become zero keeps a budget."""
    net = configuration.solver.net
    sparse = {
        name: 0
        for name, (layer, _) in weight_shapes(net).items()
        if isinstance(layer.regularization, L0 | L1 | Shrink)
    }
    least = memory_with(net, sparse).total.bytes["best"]
    words = "what no l0, l1 or shrink makes sparse, biases and the like take"
    if least + _empty_description(configuration, []) > budget:
        raise ConfigError(f"--budget of {budget:,} bytes: cannot be met: {words} {least:,}")


def description_bytes(configuration: Configuration, constraints: Sequence[Constraint]) -> int:
    """At most what the description takes in the packed file of a net of this configuration."""
    slack = _SLACK + _SLACK_A_WEIGHT * len(weight_shapes(configuration.solver.net))
    return _empty_description(configuration, constraints) + slack


def _empty_description(configuration: Configuration, constraints: Sequence[Constraint]) -> int:
    """What it takes where all weights are zero."""
    net = build_net(configuration.solver.net, 0, torch.device("cpu"))
    weights = net.weights()
    for blob in net.blobs:
        if blob.is_weight:
            weights[blob.name] = torch.zeros_like(blob.tensor)
    empty = Checkpoint(
        configuration.data,
        configuration.solver.max_iter,
        weights,
        tuple(constraints),
        {"VAL": 1 / 3, "TEST": 1 / 3},
        classes=_classes(configuration),
    )
    packed = pack(empty, configuration.document.name)
    return len(packed_bytes(packed)) - packed.payload_bytes


def _classes(configuration: Configuration) -> tuple[str, ...] | None:
    """The names of the classes where they are those of folders, and these are there already."""
    graph, _ = build_graph(configuration.solver.net, "TRAIN")
    assert graph is not None, "a checked net has a TRAIN graph"
    if graph.data.source != IMAGE_FOLDER:
        return None
    try:
        return class_names(graph.data.path)
    except (ConfigError, DataError):  # which is told when the data are read
        return None
