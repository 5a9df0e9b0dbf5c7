"""`sparsenet train`: from a solver file to a run folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sparsenet.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from sparsenet.config.load import Configuration, load_solver
from sparsenet.config.read import write_yaml
from sparsenet.errors import ConfigError
from sparsenet.files import write_text
from sparsenet.layers.base import Phase
from sparsenet.metrics import MetricsLog
from sparsenet.progress import Display
from sparsenet.run_folder import RunFolder
from sparsenet.solver.evaluate import Score, evaluate
from sparsenet.solver.loop import Loop, NotFiniteError
from sparsenet.storage.accounting import ModelMemory
from sparsenet.workflows.build import (
    Parts,
    build,
    choose_device,
    copy_weights,
    counted_memory,
    promised_memory,
)
from sparsenet.workflows.recorder import Recorder
from sparsenet.workflows.resume import find_snapshot, restore_
from sparsenet.workflows.signals import StoppedError, stop_on_signals
from sparsenet.workflows.summary import model_summary, run_summary, summary_text
from sparsenet.workflows.tensorboard import EventFiles

MISSED = 3


@dataclass(frozen=True)
class TrainOptions:
    """What the command line adds to a solver file."""

    overrides: Sequence[str] = ()
    output: Path | None = None
    weights: Path | None = None
    resume: str | None = None
    device: str | None = None
    overwrite: bool = False
    tensorboard: bool = False


@dataclass(frozen=True)
class TrainResult:
    """What a run came to; `exit_code` is 3 where a stage missed its accuracy."""

    folder: RunFolder
    summary: dict[str, Any]
    text: str
    exit_code: int = field(default=0)


def run_folder_of(solver: Path, configuration: Configuration, output: Path | None) -> RunFolder:
    """--output, else snapshot_prefix, else runs/ and the solver file's folder and name."""
    if output is not None:
        return RunFolder(output)
    if configuration.solver.snapshot_prefix:
        return RunFolder(Path(configuration.solver.snapshot_prefix))
    folder = solver.resolve().parent.name
    name = folder if solver.stem == "solver" else f"{folder}-{solver.stem}"
    return RunFolder(Path("runs") / name)


def dry_run(solver: Path, options: TrainOptions) -> ModelMemory:
    """Build everything, pass one batch through every phase, train nothing and write nothing."""
    configuration = load_solver(solver, options.overrides)
    device = choose_device(configuration.solver.solver_mode, options.device)
    parts = build(configuration, device)
    if options.weights is not None:
        copy_weights(parts.net, load_checkpoint(options.weights).weights)
    try_phases(parts)
    return promised_memory(parts.config.net, parts.schedule.final_counts())


def train(solver: Path, options: TrainOptions, display: Display) -> TrainResult:
    """Train as a solver file says.

    Raises ConfigError before anything is written, FileError, DataError, NotFiniteError, and
    StoppedError after a signal, with the state saved.
    """
    configuration = load_solver(solver, options.overrides)
    if options.weights and options.resume:
        raise ConfigError("--weights and --resume exclude each other")
    folder = run_folder_of(solver, configuration, options.output)
    snapshot = None
    if options.resume:
        folder, snapshot = find_snapshot(options.resume, folder, options.output, display)
        if snapshot is not None and (done := _finished(folder, snapshot, configuration)):
            display.note(f"{folder.path} is finished already")
            return done
    device = choose_device(configuration.solver.solver_mode, options.device)
    weights = load_checkpoint(options.weights) if options.weights else None
    source = snapshot or weights
    parts = build(configuration, device, source.mean_image if source else None)
    loop = parts.loop()
    if weights is not None:
        _start_from(parts, weights, display)
    if snapshot is not None:
        restore_(loop, snapshot, configuration)
    try_phases(parts)
    folder.open(overwrite=options.overwrite, resuming=options.resume is not None)
    return _run(parts, loop, snapshot, folder, options, display)


def try_phases(parts: Parts) -> None:
    """One forward pass in each phase, so that what cannot work fails before the first update."""
    for phase, batches in parts.batches.items():
        images, labels = batches.batch(0)
        parts.net(images[:1], labels[:1], phase)


def _start_from(parts: Parts, weights: Checkpoint, display: Display) -> None:
    copied = copy_weights(parts.net, weights.weights)
    for words, layers in copied.items():
        if layers:
            display.note(f"Weights {words}: {', '.join(layers)}")


def _finished(
    folder: RunFolder, snapshot: Checkpoint, configuration: Configuration
) -> TrainResult | None:
    """The result of a run that has nothing left to do."""
    assert snapshot.solver is not None
    over = snapshot.iter >= configuration.solver.max_iter or snapshot.solver.progress["finished"]
    if not over or not folder.summary_json.exists():
        return None
    summary = json.loads(folder.summary_json.read_text(encoding="utf-8"))
    text = folder.summary_text.read_text(encoding="utf-8")
    return TrainResult(folder, summary, text, MISSED if summary["missed"] else 0)


def _run(
    parts: Parts,
    loop: Loop,
    snapshot: Checkpoint | None,
    folder: RunFolder,
    options: TrainOptions,
    display: Display,
) -> TrainResult:
    write_text(folder.config, write_yaml(parts.configuration.data))
    lines = snapshot.solver.lines if snapshot and snapshot.solver else 0
    log = MetricsLog(folder.metrics, lines)
    events = EventFiles(folder.tensorboard, loop.step) if options.tensorboard else None
    recorder = Recorder(parts, folder, log, display, events)
    display.begin(loop.step, parts.config.max_iter)
    try:
        with stop_on_signals() as stopping:
            loop.run(recorder, stopping)
            over = loop.over
            recorder.snapshot(loop)
            if stopping() and not over:
                words = f"stopped after {loop.step} updates; --resume auto goes on from there"
                raise StoppedError(stopping.signal or 0, words)
            loop.close(recorder)
        return _finish(parts, loop, folder, recorder)
    except NotFiniteError as error:
        newest = next(iter(folder.snapshots()), None)
        kept = f"the last good snapshot is {newest}" if newest else "there is no snapshot before it"
        raise NotFiniteError(f"{error}; {kept}") from None
    finally:
        display.end()
        log.close()
        if events:
            events.close()


def _finish(parts: Parts, loop: Loop, folder: RunFolder, recorder: Recorder) -> TrainResult:
    """Measure the final and the best net on all data held out, save and summarize."""
    final = recorder.checkpoint(loop)
    copy_weights(parts.net, final.weights)
    models = {"final": _measured(parts, loop.step)}
    memory = counted_memory(parts.net)
    save_checkpoint(folder.final, _with_accuracy(final, models["final"]))
    if loop.best is not None:
        best = load_checkpoint(folder.best)
        copy_weights(parts.net, best.weights)
        models["best"] = _measured(parts, best.iter)
        memory = counted_memory(parts.net)
        save_checkpoint(folder.best, _with_accuracy(best, models["best"]))
    summary = run_summary(
        net=parts.config.net.name,
        seed=parts.config.random_seed,
        folder=str(folder.path),
        seconds=loop.clock.seconds,
        models={
            name: model_summary(iteration, scores) for name, (iteration, scores) in models.items()
        },
        progress=loop.progress,
        memory=memory,
    )
    text = summary_text(summary, memory)
    write_text(folder.summary_json, json.dumps(summary, indent=1) + "\n")
    write_text(folder.summary_text, text)
    return TrainResult(folder, summary, text, MISSED if loop.progress.missed else 0)


def _measured(parts: Parts, iteration: int) -> tuple[int, dict[str, Score]]:
    phases: tuple[Phase, ...] = ("VAL", "TEST")
    scores: dict[str, Score] = {
        phase: evaluate(parts.net, parts.batches[phase], phase)
        for phase in phases
        if phase in parts.batches
    }
    return iteration, scores


def _with_accuracy(model: Checkpoint, measured: tuple[int, dict[str, Score]]) -> Checkpoint:
    scores = measured[1].items()
    accuracy = {phase: s.accuracy for phase, s in scores if s.accuracy is not None}
    return Checkpoint(**{**vars(model), "accuracy": accuracy})
