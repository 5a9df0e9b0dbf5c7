"""`sparsenet prune-threshold`: section 5.1 and Figure 5 of Collins & Kohli (2014)."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from sparsenet.checkpoint import Checkpoint
from sparsenet.config.constraints import learnt_weights, weight_shapes
from sparsenet.config.graph import has_phase
from sparsenet.config.load import Configuration, load_solver
from sparsenet.data.batches import Batches
from sparsenet.errors import ConfigError
from sparsenet.layers.base import Phase
from sparsenet.net import Net
from sparsenet.progress import Display
from sparsenet.run_folder import RunFolder
from sparsenet.solver.evaluate import evaluate
from sparsenet.workflows.build import choose_device, counted_memory, restored_net
from sparsenet.workflows.copying import copy_weights
from sparsenet.workflows.decimals import plain
from sparsenet.workflows.held_out import open_batches
from sparsenet.workflows.models import load_model
from sparsenet.workflows.pruning import Pruning
from sparsenet.workflows.pruning_options import PruningOptions
from sparsenet.workflows.retrain_all import retrain_all
from sparsenet.workflows.signals import StoppedError, stop_on_signals
from sparsenet.workflows.threshold_files import ThresholdFiles
from sparsenet.workflows.threshold_report import UNPRUNED, Measured, threshold_json

_MEASURED: tuple[Phase, ...] = ("VAL", "TEST")


@dataclass(frozen=True)
class PruneOptions:
    """What the command line adds; `output` left out is the checkpoint's folder."""

    prunings: PruningOptions = field(default_factory=PruningOptions)
    overrides: Sequence[str] = ()
    output: Path | None = None
    device: str | None = None
    retrain: bool = False


@dataclass(frozen=True)
class PruneResult:
    """The network as given and after each pruning, in order; the table, and the JSON document."""

    points: tuple[Measured, ...]
    text: str
    document: dict[str, Any]


def prune_threshold(
    solver: Path, checkpoint: Path, options: PruneOptions, display: Display
) -> PruneResult:
    """Prune a trained network in several ways, measure each, and write a table, CSV and figure.

    With `retrain`, for each a network is then trained under l0 constraints of the same counts, in
    a folder of its own; one that is finished there is not trained again.

    Raises ConfigError before anything is written, CheckpointError, DataError, FileError, and
    StoppedError after a signal; what was measured until then has been written.
    """
    configuration, prunings = _read(solver, options)
    device = choose_device(configuration.solver.solver_mode, options.device)
    given, net = _trained(checkpoint, configuration, device)
    folder = RunFolder(options.output or checkpoint.parent)
    files = ThresholdFiles(folder, f"{checkpoint} under {solver}", retrained=options.retrain)
    files.check()
    batches = open_batches(net, configuration, given, _MEASURED, device, display)
    files.open()
    points = _measure_all(net, given, [Pruning(UNPRUNED), *prunings], batches, files, display)
    if options.retrain:
        retrain_all(configuration, points, prunings, files, options.device, display)
    display.note(f"Written: {', '.join(map(str, files.paths))}")
    document = {
        "solver": str(solver),
        "checkpoint": str(checkpoint),
        "points": threshold_json(points),
        "files": [str(path) for path in files.paths],
    }
    return PruneResult(tuple(points), files.table(points), document)


def _read(solver: Path, options: PruneOptions) -> tuple[Configuration, list[Pruning]]:
    if zipfile.is_zipfile(solver):
        raise ConfigError(f"{solver}: is a checkpoint; the solver file comes first, then CKPT")
    configuration = load_solver(solver, options.overrides)
    net = configuration.solver.net
    if not has_phase(net, "TEST"):
        raise ConfigError(f"{solver}: its net has no data for phase TEST")
    shapes = weight_shapes(net)
    return configuration, options.prunings.prunings(
        {name: shape for name, (_, shape) in shapes.items()}, learnt_weights(net)
    )


def _trained(
    checkpoint: Path, configuration: Configuration, device: torch.device
) -> tuple[Checkpoint, Net]:
    given = load_model(checkpoint)
    try:
        net = restored_net(given, configuration, device)
    except ConfigError as error:
        raise ConfigError(f"{checkpoint}: {error}") from None
    if net.accuracy_blob("TEST") is None:
        raise ConfigError("the net has no Accuracy in phase TEST, by which results are compared")
    return given, net


def _measure_all(
    net: Net,
    given: Checkpoint,
    prunings: Sequence[Pruning],
    batches: Mapping[Phase, Batches],
    files: ThresholdFiles,
    display: Display,
) -> list[Measured]:
    points: list[Measured] = []
    with stop_on_signals() as stopping:
        for pruning in prunings:
            points.append(_measured(net, given, pruning, batches))
            display.note(_progress(points[-1]))
            if stopping():
                files.write(points)
                words = (
                    f"stopped after {len(points)} of {len(prunings)} networks, which are written"
                )
                raise StoppedError(stopping.signal or 0, words)
    files.write(points)
    return points


def _measured(
    net: Net, given: Checkpoint, pruning: Pruning, batches: Mapping[Phase, Batches]
) -> Measured:
    copy_weights(net, given.weights)
    pruning.prune_({blob.layer.name: blob.tensor.detach() for blob in net.blobs if blob.is_weight})
    scores = {phase: evaluate(net, held_out, phase) for phase, held_out in batches.items()}
    delta = None if pruning.delta is None else plain(pruning.delta)
    return Measured(pruning.label, delta, scores, counted_memory(net))


def _progress(point: Measured) -> str:
    accuracy = 100 * (point.scores["TEST"].accuracy or 0.0)
    density = 100 * point.memory.weights.density
    return f"{point.label}: density = {density:.3g}%, TEST accuracy = {accuracy:.2f}%"
