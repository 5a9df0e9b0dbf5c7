"""`sparsenet prune`: the pruning protocol of Khan & Stavness (2020), accuracy against intensity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from sparsenet.checkpoint import Checkpoint
from sparsenet.config.load import from_data
from sparsenet.data.batches import Batches
from sparsenet.errors import ConfigError
from sparsenet.layers.base import Phase
from sparsenet.progress import Display
from sparsenet.run_folder import RunFolder
from sparsenet.solver.evaluate import Score, evaluate
from sparsenet.workflows.build import counted_memory
from sparsenet.workflows.constraining import without_constraints
from sparsenet.workflows.copying import copy_weights
from sparsenet.workflows.criteria import choose
from sparsenet.workflows.decimals import plain
from sparsenet.workflows.finetune import Start, check_finetuning, finetune
from sparsenet.workflows.held_out import open_batches
from sparsenet.workflows.prune_files import PruneFiles, write_solver
from sparsenet.workflows.prune_points import Point, Shrunk, trainings_of
from sparsenet.workflows.prune_report import prune_json
from sparsenet.workflows.prune_request import (
    PruneRequest,
    labels_of,
    require_drawable,
    stems_of,
)
from sparsenet.workflows.shrink import shrink
from sparsenet.workflows.signals import StoppedError, stop_on_signals
from sparsenet.workflows.stored import StoredNet, open_stored

_MEASURED: tuple[Phase, ...] = ("VAL", "TEST")
Held = Mapping[Phase, Batches]


@dataclass(frozen=True)
class PruneResult:
    """Each net at each fraction, in order; the table, and the JSON document."""

    points: tuple[Point, ...]
    text: str
    document: dict[str, Any]


@dataclass(frozen=True)
class _Subject:
    """A trained net that is pruned: what it and its training are called, and its files."""

    label: str
    training: str
    stem: str
    stored: StoredNet
    layers: list[str]


def prune(checkpoints: Sequence[Path], request: PruneRequest, display: Display) -> PruneResult:
    """Prune trained nets by fractions, measure each, and write a table, CSV and figure.

    Nothing is trained unless `finetune` is asked for, and then what is finished is not trained
    again. Raises ConfigError before anything is written, CheckpointError, PackError, DataError,
    FileError, and StoppedError after a signal; what was measured until then has been written.
    """
    request.check()
    fractions = request.fractions()
    subjects = _opened(checkpoints, request)
    files = PruneFiles(RunFolder(request.folder(checkpoints)), request.rule)
    files.check(
        [
            files.model(subject.stem, fraction, shrunk=shrunk)
            for subject in subjects
            for fraction in fractions
            for shrunk in (False, True)
        ]
    )
    protocol = _Protocol(request, files, display)
    protocol.measure(subjects, fractions)
    protocol.finetune()
    display.note(f"Written: {', '.join(map(str, files.paths))}")
    points = protocol.points
    document = {
        **vars(request.rule),
        "points": prune_json(points),
        "files": [str(path) for path in files.paths],
    }
    return PruneResult(tuple(points), files.table(points), document)


def _opened(checkpoints: Sequence[Path], request: PruneRequest) -> list[_Subject]:
    labels = labels_of(checkpoints)
    nets = [open_stored(path, request.overrides, request.device) for path in checkpoints]
    trainings = trainings_of(labels, [net.checkpoint.config for net in nets])
    require_drawable(trainings)
    layers = [_layers_of(net, path, request) for net, path in zip(nets, checkpoints, strict=True)]
    named = zip(labels, trainings, stems_of(labels), nets, layers, strict=True)
    return [_Subject(*each) for each in named]


def _layers_of(stored: StoredNet, path: Path, request: PruneRequest) -> list[str]:
    if "TEST" not in stored.net.graphs:
        raise ConfigError(f"{path}: its net has no data for phase TEST")
    if stored.net.accuracy_blob("TEST") is None:
        words = "its net has no Accuracy in phase TEST, by which results are compared"
        raise ConfigError(f"{path}: {words}")
    return request.layers_of(stored.configuration.solver.net, str(path))


class _Protocol:
    """What has been measured so far, and the trainings that are to follow, by place in `points`."""

    def __init__(self, request: PruneRequest, files: PruneFiles, display: Display) -> None:
        self.request, self.files, self.display = request, files, display
        self.points: list[Point] = []
        self.starts: dict[int, Start] = {}

    def measure(self, subjects: Sequence[_Subject], fractions: Sequence[Decimal]) -> None:
        """Measure each net at each fraction, and write what was asked for."""
        request, count = self.request, len(subjects) * len(fractions)
        models = request.save or request.shrink or request.finetune is not None
        with stop_on_signals() as stopping:
            for subject in subjects:
                stored = subject.stored
                asked = (stored.net, stored.configuration, stored.checkpoint, _MEASURED)
                with ExitStack() as stack:
                    batches = open_batches(*asked, stored.device, self.display)
                    for each in batches.values():
                        stack.enter_context(closing(each))
                    self.files.open(models=models)
                    for fraction in fractions:
                        self.points.append(self._point(subject, fraction, batches))
                        self.display.note(_progress(self.points[-1]))
                        if stopping():
                            self.files.write(self.points)
                            words = f"stopped after {len(self.points)} of {count} networks"
                            raise StoppedError(stopping.signal or 0, f"{words}, which are written")
        self.files.write(self.points)

    def finetune(self) -> None:
        """Train what is to be trained, and write the files after each."""
        check_finetuning([*self.starts.values()])
        for number, (place, start) in enumerate(self.starts.items(), start=1):
            self.display.note(f"Training {number} of {len(self.starts)}: {start.model.name}")
            tuned = finetune(start, self.request.device, self.display)
            self.points[place] = replace(self.points[place], finetuned=tuned)
            self.files.write(self.points)

    def _point(self, subject: _Subject, fraction: Decimal, batches: Held) -> Point:
        stored, request = subject.stored, self.request
        given, net = stored.checkpoint, stored.net
        weights = {name: given.weights[f"{name}.weight"] for name in subject.layers}
        chosen = choose(weights, request.rule, fraction)
        copy_weights(net, given.weights)
        own = net.weights()
        for name, mask in chosen.masks.items():
            own[f"{name}.weight"].masked_fill_(mask.to(stored.device), 0.0)
        left = [own[f"{name}.weight"].flatten(1).any(dim=1) for name in subject.layers]
        point = Point(
            source=subject.label,
            training=subject.training,
            fraction=fraction,
            units=chosen.units,
            pruned=chosen.pruned,
            filters=sum(map(len, left)),
            zero_filters=sum(int((~each).sum()) for each in left),
            scores=self._scores(stored, batches),
            memory=counted_memory(net),
        )
        goes = request.shrink and chosen.pruned > 0
        if request.save or (request.finetune is not None and not goes):
            point = replace(point, path=self._save(subject, point))
        if goes:
            point = replace(point, shrunk=self._shrunk(subject, point, chosen.filters, batches))
        elif point.path is not None:
            self._plan_training(point.path, without_constraints(stored.configuration))
        return point

    def _scores(self, stored: StoredNet, batches: Held) -> dict[Phase, Score]:
        return {phase: evaluate(stored.net, held, phase) for phase, held in batches.items()}

    def _save(self, subject: _Subject, point: Point) -> Path:
        """Write the pruned net as it is measured."""
        stored, path = subject.stored, self.files.model(subject.stem, point.fraction)
        kept = {name: tensor.clone() for name, tensor in stored.net.weights().items()}
        checkpoint = replace(
            stored.checkpoint,
            config=stored.configuration.data,
            weights=kept,
            accuracy=_accuracies(point.scores),
            solver=None,
        )
        self.files.save(path, checkpoint)
        return path

    def _shrunk(
        self, subject: _Subject, point: Point, pruned: dict[str, set[int]], batches: Held
    ) -> Shrunk:
        """Write and measure the smaller net."""
        stored = subject.stored
        path = self.files.model(subject.stem, point.fraction, shrunk=True)
        small = shrink(stored.net, stored.configuration, pruned, batches["TEST"], "TEST")
        net = replace(stored, net=small.net)
        scores, memory = self._scores(net, batches), counted_memory(small.net)
        checkpoint = Checkpoint(
            config=small.configuration.data,
            iter=stored.checkpoint.iter,
            weights=small.weights,
            accuracy=_accuracies(scores),
            mean_image=stored.checkpoint.mean_image,
            classes=stored.checkpoint.classes,
        )
        self.files.save(path, checkpoint)
        write_solver(path, small.configuration)
        self._plan_training(path, small.configuration.data)
        plan = small.plan
        removed = sum(plan.filters.values())
        return Shrunk(path, removed, plan.outputs, plan.kept, scores, memory)

    def _plan_training(self, path: Path, data: dict[str, Any]) -> None:
        """Note that the net there, the next point's, is to be trained, if nets are."""
        if (updates := self.request.finetune) is not None:
            longer = data | ({"max_iter": updates} if updates else {})
            self.starts[len(self.points)] = Start(path, from_data(longer, str(path)))


def _accuracies(scores: Mapping[Phase, Score]) -> dict[str, float]:
    return {phase: s.accuracy for phase, s in scores.items() if s.accuracy is not None}


def _progress(point: Point) -> str:
    accuracy = 100 * (point.scores["TEST"].accuracy or 0.0)
    words = f"{point.source}, fraction {plain(point.fraction)}: TEST accuracy = {accuracy:.2f}%"
    if point.shrunk is None:
        return words
    left = 100 * (point.shrunk.scores["TEST"].accuracy or 0.0)
    return f"{words}; without {point.shrunk.removed} filters {left:.2f}%"
