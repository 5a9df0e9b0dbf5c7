"""The net that a checkpoint or a packed model holds, by the configuration that it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from sparsenet.checkpoint import Checkpoint, CheckpointError
from sparsenet.config.constraints import weight_shapes
from sparsenet.config.load import Configuration, from_data
from sparsenet.errors import ConfigError
from sparsenet.net import Net
from sparsenet.workflows.build import choose_device, restored_net
from sparsenet.workflows.models import load_model


@dataclass(frozen=True)
class StoredNet:
    """A checkpoint, its configuration checked, and its net with its weights on the device."""

    checkpoint: Checkpoint
    configuration: Configuration
    net: Net
    device: torch.device


def open_stored(path: Path, overrides: Sequence[str] = (), device: str | None = None) -> StoredNet:
    """Build the net of a checkpoint or packed model; the device left out is its solver_mode's.

    Raises ConfigError, and CheckpointError or PackError where the file is not whole or its weights
    do not fit its own configuration.
    """
    return stored_net(load_model(path), str(path), overrides, device)


def stored_net(
    checkpoint: Checkpoint, name: str, overrides: Sequence[str] = (), device: str | None = None
) -> StoredNet:
    """As `open_stored`, of a checkpoint that is or will be in the file `name`."""
    configuration = from_data(checkpoint.config, name, overrides)
    chosen = choose_device(configuration.solver.solver_mode, device)
    for layer, (_, shape) in weight_shapes(configuration.solver.net).items():
        # Before the net is built, for which it would take the memory that it says it needs.
        weight = checkpoint.weights.get(f"{layer}.weight")
        if weight is None or tuple(weight.shape) != tuple(shape):
            held = "none" if weight is None else _dims(weight.shape)
            words = f"its configuration has {_dims(shape)} weights in {layer}, the file {held}"
            raise CheckpointError(f"{name}: {words}")
    try:
        net = restored_net(checkpoint, configuration, chosen)
    except ConfigError as error:
        words = "; ".join(map(str, error.problems))
        raise CheckpointError(f"{name}: {words}") from None
    return StoredNet(checkpoint, configuration, net, chosen)


def _dims(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
