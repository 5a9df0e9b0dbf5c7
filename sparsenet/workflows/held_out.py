"""A trained net's scores on the samples of its phases."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack, closing

import torch

from sparsenet.checkpoint import Checkpoint
from sparsenet.config.load import Configuration
from sparsenet.data.batches import Batches
from sparsenet.data.phases import open_phase
from sparsenet.data.sets import Sets
from sparsenet.layers.base import Phase
from sparsenet.layout import memory_format_of
from sparsenet.net import Net
from sparsenet.progress import Display
from sparsenet.solver.evaluate import Score, evaluate
from sparsenet.workflows.build import require_scores
from sparsenet.workflows.stored import StoredNet


def open_batches(
    net: Net,
    configuration: Configuration,
    given: Checkpoint,
    phases: Iterable[Phase],
    device: torch.device,
    display: Display,
) -> dict[Phase, Batches]:
    """The batches of those `phases` that the net has data for.

    Their mean image and classes are what belongs to the weights `given`. Raises DataError, and
    ConfigError where the labels are of more classes than the net has scores.
    """
    sets = Sets(display.counting, display.warn, classes=given.classes, device=device)
    opened = {
        phase: open_phase(
            net.graphs[phase].data,
            phase,
            configuration.solver.random_seed,
            device,
            given.mean_image,
            training=net.graphs["TRAIN"].data,
            sets=sets,
            memory_format=memory_format_of(device),
        )
        for phase in phases
        if phase in net.graphs
    }
    batches = {phase: found for phase, found in opened.items() if found is not None}
    require_scores(net, batches, configuration)
    return batches


def scores_of(stored: StoredNet, phases: Iterable[Phase], display: Display) -> dict[Phase, Score]:
    """The scores of a stored net, by phase, on all samples of those `phases` that it has.

    Of TRAIN these are the samples trained on, scored as a test scores: nothing is random, and
    Dropout and the like are out of the way. Raises as `open_batches`.
    """
    asked = (stored.net, stored.configuration, stored.checkpoint, phases, stored.device, display)
    scores = {}
    with ExitStack() as stack:
        for phase, batches in open_batches(*asked).items():
            stack.enter_context(closing(batches))
            scores[phase] = evaluate(stored.net, batches, "TEST" if phase == "TRAIN" else phase)
    return scores
