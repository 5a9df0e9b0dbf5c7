"""`sparsenet test`: what a checkpoint scores, by its own configuration."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from sparsenet.data.phases import open_phase
from sparsenet.data.sets import Sets
from sparsenet.errors import ConfigError
from sparsenet.layers.base import Phase
from sparsenet.layout import memory_format_of
from sparsenet.progress import Display, Quiet
from sparsenet.solver.evaluate import Score, evaluate
from sparsenet.workflows.build import require_scores
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
    graphs, shown = stored.net.graphs, display or Quiet()
    batches = phase in graphs and open_phase(
        graphs[phase].data,
        phase,
        stored.configuration.solver.random_seed,
        stored.device,
        stored.checkpoint.mean_image,
        training=graphs["TRAIN"].data,
        sets=Sets(
            shown.counting,
            shown.warn,
            classes=stored.checkpoint.classes,
            device=stored.device,
        ),
        memory_format=memory_format_of(stored.device),
    )
    if not batches:
        held_out = "; VAL is what the TRAIN Data layer's split holds out" if phase == "VAL" else ""
        raise ConfigError(f"{path}: its net has no {phase} data{held_out}")
    require_scores(stored.net, {phase: batches}, stored.configuration)
    with closing(batches):
        return evaluate(stored.net, batches, phase)
