"""`sparsenet test`: what a checkpoint scores, by its own configuration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sparsenet.errors import ConfigError
from sparsenet.layers.base import Phase
from sparsenet.progress import Display, Quiet
from sparsenet.solver.evaluate import Score
from sparsenet.workflows.held_out import scores_of
from sparsenet.workflows.stored import open_stored


def evaluate_checkpoint(
    path: Path,
    phase: Phase = "TEST",
    overrides: Sequence[str] = (),
    device: str | None = None,
    display: Display | None = None,
) -> Score:
    """Evaluate a checkpoint's weights on the whole set of a phase.

    Raises ConfigError, CheckpointError, DataError.
    """
    stored = open_stored(path, overrides, device)
    scores = scores_of(stored, [phase], display or Quiet())
    if phase not in scores:
        held_out = "; VAL is what the TRAIN Data layer's split holds out" if phase == "VAL" else ""
        raise ConfigError(f"{path}: its net has no {phase} data{held_out}")
    return scores[phase]
