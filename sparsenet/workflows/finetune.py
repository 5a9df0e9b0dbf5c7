"""Training pruned nets further, their zeros held: each in a run folder of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sparsenet.config.load import Configuration
from sparsenet.progress import Display
from sparsenet.workflows.prune_files import run_of, solver_of, write_solver
from sparsenet.workflows.retrain import Retrained, check_same_run, trained_as
from sparsenet.workflows.signals import StoppedError
from sparsenet.workflows.train import TrainOptions, train


@dataclass(frozen=True)
class Start:
    """A pruned net that is to be trained further: its checkpoint, and how, without constraints."""

    model: Path
    configuration: Configuration


def check_finetuning(starts: Sequence[Start]) -> None:
    """Raise ConfigError where the folder of one holds a training under another configuration."""
    for start in starts:
        check_same_run(run_of(start.model), start.configuration)


def finetune(start: Start, device: str | None, display: Display) -> Retrained:
    """Train one, going on where an earlier call was stopped; what is finished is only read.

    The weights that are zero in the checkpoint stay zero. Raises what `train` raises.
    """
    model, folder = start.model, run_of(start.model)
    write_solver(model, start.configuration)
    going_on = bool(folder.snapshots())
    options = TrainOptions(
        output=folder.path,
        weights=None if going_on else model,
        resume="auto" if going_on else None,
        overwrite=not going_on,
        zeros_of=model,
        device=device,
    )
    try:
        result = train(solver_of(model), options, display)
    except StoppedError as error:
        words = f"stopped while training {model.name}; the same command goes on from what is saved"
        raise StoppedError(error.exit_code - 128, words) from None
    return trained_as(result, start.configuration)
