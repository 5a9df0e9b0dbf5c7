"""A budget as a contract: the file on the disk takes no more bytes, or the command says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sparsenet.checkpoint import Checkpoint, Constraint, load_checkpoint
from sparsenet.config.constraints import weight_shapes
from sparsenet.config.load import Configuration
from sparsenet.errors import ConfigError
from sparsenet.packed.file import packed_bytes, write_packed
from sparsenet.packed.model import pack
from sparsenet.regularization.regularizers import L0, L1, Shrink
from sparsenet.workflows.build import build_net, memory_with

_SLACK = 256
"""Bytes by which a description may grow: the numbers of nonzeros, and an accuracy."""


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
    if least + description_bytes(configuration, {}) - _SLACK > budget:
        raise ConfigError(f"--budget of {budget:,} bytes: cannot be met: {words} {least:,}")


def description_bytes(configuration: Configuration, constraints: Mapping[str, int]) -> int:
    """At most what the description takes in the packed file of a net of this configuration.

    `constraints` are t by layer.
    """
    net = build_net(configuration.solver.net, 0, torch.device("cpu"))
    weights = net.weights()
    for blob in net.blobs:
        if blob.is_weight:
            weights[blob.name] = torch.zeros_like(blob.tensor)
    held = tuple(Constraint(name, (f"{name}.weight",), t) for name, t in constraints.items())
    accuracy = {"VAL": 1 / 3, "TEST": 1 / 3}
    empty = Checkpoint(configuration.data, configuration.solver.max_iter, weights, held, accuracy)
    packed = pack(empty, configuration.document.name)
    return len(packed_bytes(packed)) - packed.payload_bytes + _SLACK
