"""`sparsenet train`: from a solver file to a run folder."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sparsenet.checkpoint import Checkpoint, load_checkpoint
from sparsenet.config.load import Configuration, load_solver
from sparsenet.config.read import write_yaml
from sparsenet.errors import ConfigError
from sparsenet.files import write_text
from sparsenet.metrics import MetricsLog
from sparsenet.progress import Display
from sparsenet.run_folder import RunFolder
from sparsenet.solver.loop import Loop, NotFiniteError
from sparsenet.storage.accounting import ModelMemory
from sparsenet.workflows.build import Parts, build, choose_device, copy_weights, promised_memory
from sparsenet.workflows.recorder import Recorder
from sparsenet.workflows.results import Results, read_results, write_results
from sparsenet.workflows.resume import (
    Found,
    find_snapshot,
    keep_best_,
    require_own_folder,
    require_same,
    restore_,
)
from sparsenet.workflows.signals import StoppedError, stop_on_signals
from sparsenet.workflows.tensorboard import EventFiles, require_tensorboard

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
    """Build everything, pass one sample through every phase, train nothing and write nothing."""
    configuration = _read(solver, options)
    device = choose_device(configuration.solver.solver_mode, options.device)
    weights = load_checkpoint(options.weights) if options.weights else None
    parts = build(configuration, device, weights.mean_image if weights else None)
    if options.weights and weights:
        _take_weights(parts, options.weights, weights)
    try_phases(parts)
    return promised_memory(parts.config.net, parts.schedule.final_counts())


def train(solver: Path, options: TrainOptions, display: Display) -> TrainResult:
    """Train as a solver file says.

    Raises ConfigError before anything is written, CheckpointError, FileError, DataError,
    NotFiniteError, and StoppedError after a signal, with the state saved.
    """
    configuration = _read(solver, options)
    folder = run_folder_of(solver, configuration, options.output)
    given = options.weights
    if options.overwrite and given and given.resolve().parent == folder.path.resolve():
        words = f"--overwrite would remove {given}, from which the run is to start"
        raise ConfigError(f"{words}; choose another folder by --output")
    found = None
    if options.resume:
        found = find_snapshot(options.resume, folder, options.output, display)
        if found is None:
            require_own_folder(folder, configuration)
        else:
            folder = RunFolder(found.path.parent)
            require_same(found.snapshot, configuration)
            if done := _finished(folder, found, configuration):
                display.note(f"{folder.path} is finished already")
                return _result(folder, done)
    device = choose_device(configuration.solver.solver_mode, options.device)
    weights = load_checkpoint(options.weights) if options.weights else None
    source = found.snapshot if found else weights
    parts = build(configuration, device, source.mean_image if source else None)
    loop = parts.loop()
    if options.weights and weights:
        for words, layers in _take_weights(parts, options.weights, weights).items():
            if layers:
                display.note(f"Weights {words}: {', '.join(layers)}")
    if found is not None:
        restore_(loop, found)
        keep_best_(loop, folder, display)
    try_phases(parts)
    folder.open(overwrite=options.overwrite, resuming=options.resume is not None)
    lines = found.state.lines if found else 0
    return _result(folder, _run(parts, loop, lines, folder, options, display))


def _read(solver: Path, options: TrainOptions) -> Configuration:
    """The configuration, once it is known that what the command line asks for can be."""
    for one, other in (("weights", "resume"), ("overwrite", "resume")):
        if getattr(options, one) and getattr(options, other):
            raise ConfigError(f"--{one} and --{other} exclude each other")
    if options.tensorboard:
        require_tensorboard()
    if solver.is_file() and zipfile.is_zipfile(solver):
        words = "a solver file is needed here, and this goes to --weights or --resume"
        raise ConfigError(f"{solver}: is a checkpoint; {words}")
    return load_solver(solver, options.overrides)


def try_phases(parts: Parts) -> None:
    """One forward pass in each phase, so that what cannot work fails before the first update.

    Of two samples, since one alone has no variance that a BatchNorm could normalise by.
    """
    with parts.net.statistics_kept():
        for phase, batches in parts.batches.items():
            images, labels = batches.batch(0)
            parts.net(images[:2], labels[:2], phase)


def _take_weights(parts: Parts, path: Path, given: Checkpoint) -> dict[str, list[str]]:
    """Copy by layer name; raises ConfigError naming the file where they do not fit."""
    try:
        copied = copy_weights(parts.net, given.weights)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    if not copied["copied"]:
        words = f"{', '.join(copied['unused'])}, and the net {', '.join(copied['fresh'])}"
        raise ConfigError(f"{path}: no layer of its net is in this one: it has {words}")
    return copied


def _finished(folder: RunFolder, found: Found, configuration: Configuration) -> Results | None:
    """The results of a run that has nothing left to do."""
    ended = found.state.progress.get("finished") is True
    over = ended or found.snapshot.iter >= configuration.solver.max_iter
    return read_results(folder, found.snapshot.iter) if over else None


def _result(folder: RunFolder, results: Results) -> TrainResult:
    return TrainResult(folder, *results, MISSED if results[0]["missed"] else 0)


def _run(
    parts: Parts,
    loop: Loop,
    lines: int,
    folder: RunFolder,
    options: TrainOptions,
    display: Display,
) -> Results:
    write_text(folder.config, write_yaml(parts.configuration.data))
    with ExitStack() as stack:
        log = stack.enter_context(closing(MetricsLog(folder.metrics, lines)))
        events = EventFiles(folder.tensorboard, loop.step) if options.tensorboard else None
        if events:
            stack.enter_context(closing(events))
        recorder = Recorder(parts, folder, log, display, events)
        stopping = stack.enter_context(stop_on_signals())
        stack.callback(display.end)
        display.begin(loop.step, parts.config.max_iter)
        try:
            loop.run(recorder, stopping)
            recorder.snapshot(loop)
            stopping.at_once = True
            if stopping():
                words = f"stopped after {loop.step} updates; --resume auto goes on from there"
                raise StoppedError(stopping.signal or 0, words)
            loop.close(recorder)
            return write_results(parts, loop, folder, recorder.checkpoint(loop))
        except NotFiniteError as error:
            newest = next(iter(folder.snapshots()), None)
            kept = f"the last good snapshot is {newest}" if newest else "there is no snapshot"
            raise NotFiniteError(f"{error}; {kept}") from None
