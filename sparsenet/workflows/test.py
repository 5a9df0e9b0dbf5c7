"""`sparsenet test`: what a checkpoint scores, by its own configuration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sparsenet.checkpoint import load_checkpoint
from sparsenet.config.load import Configuration, from_data
from sparsenet.data.phases import open_phase
from sparsenet.errors import ConfigError
from sparsenet.layers.base import Phase
from sparsenet.layout import memory_format_of
from sparsenet.solver.evaluate import Score, evaluate
from sparsenet.workflows.build import choose_device, restored_net


def evaluate_checkpoint(
    path: Path, phase: Phase = "TEST", overrides: Sequence[str] = (), device: str | None = None
) -> Score:
    """Evaluate a checkpoint's weights on the whole set of a phase.

    Raises ConfigError, CheckpointError, DataError.
    """
    checkpoint = load_checkpoint(path)
    configuration: Configuration = from_data(checkpoint.config, str(path), overrides)
    solver = configuration.solver
    chosen = choose_device(solver.solver_mode, device)
    net = restored_net(checkpoint, configuration, chosen)
    if phase not in net.graphs:
        raise ConfigError(f"{path}: its net has no data for phase {phase}")
    batches = open_phase(
        net.graphs[phase].data,
        phase,
        solver.random_seed,
        chosen,
        checkpoint.mean_image,
        training=net.graphs["TRAIN"].data,
        memory_format=memory_format_of(chosen),
    )
    assert batches is not None, "a phase of the net has data"
    return evaluate(net, batches, phase)
