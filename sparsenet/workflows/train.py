"""`sparsenet train`: from a solver file to a run folder."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from sparsenet import ranks
from sparsenet.config.load import Configuration, differing_keys, load_solver
from sparsenet.data.raw import DataError
from sparsenet.errors import ConfigError
from sparsenet.metrics import MetricsLog
from sparsenet.progress import Display, Quiet
from sparsenet.run_folder import RunFolder
from sparsenet.solver.loop import Loop, NotFiniteError
from sparsenet.solver.tf32 import has_tf32
from sparsenet.workflows.budget import Promise, promise_of, require_possible, write_within
from sparsenet.workflows.build import (
    Parts,
    build,
    build_net,
    choose_device,
)
from sparsenet.workflows.models import load_model
from sparsenet.workflows.recorder import Follower, Recorder, checkpoint_of
from sparsenet.workflows.results import Results, write_results
from sparsenet.workflows.resume import comparable, keep_best_, restore_
from sparsenet.workflows.signals import (
    SnapshotRequest,
    StoppedError,
    StopRequest,
    snapshot_on_hangup,
    stop_on_signals,
)
from sparsenet.workflows.start import find_start, open_folder
from sparsenet.workflows.tensorboard import EventFiles, require_tensorboard
from sparsenet.workflows.weights import fitting_mean, load_weights, take_weights

MISSED = 3


@dataclass(frozen=True)
class TrainOptions:
    """What the command line adds to a solver file; `budget` in bytes of the packed file.

    `zeros_of` is a model, of the same net, whose zero weights stay zero here.
    """

    overrides: Sequence[str] = ()
    output: Path | None = None
    weights: Path | None = None
    resume: str | None = None
    device: str | None = None
    overwrite: bool = False
    tensorboard: bool = False
    budget: int | None = None
    zeros_of: Path | None = None


@dataclass(frozen=True)
class TrainResult:
    """What a run came to; `exit_code` is 3 where a stage missed its accuracy, or the budget."""

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


def dry_run(
    solver: Path,
    options: TrainOptions,
    show: Callable[[Promise], None],
    display: Display | None = None,
) -> None:
    """Build everything, pass a sample through every phase, train nothing and make no run folder.

    The data are read as for a training, and so downloaded and decoded into the caches that it will
    use. What the net will take is for `show` first: it follows from the configuration, wherever the
    data are. Raises as `train`.
    """
    configuration = _read(solver, options)
    show(promise_of(configuration, options.budget))
    device = choose_device(configuration.solver.solver_mode, options.device)
    parts = _build(configuration, device, options.weights, display or Quiet())
    try_phases(parts)


def train(solver: Path, options: TrainOptions, display: Display) -> TrainResult:
    """Train as a solver file says; of processes that train together only rank 0 writes.

    With a budget its best network, or the final one, is packed in the end. Raises ConfigError
    before anything is written, CheckpointError, FileError, DataError, NotFiniteError, and
    StoppedError after a signal, with the state saved.
    """
    configuration = _read(solver, options)
    if options.budget is not None:
        require_possible(configuration, options.budget)
    result = _trained(solver, configuration, options, display)
    return result if options.budget is None else _packed(result, options.budget)


def _packed(result: TrainResult, budget: int) -> TrainResult:
    """The result with the packed file of its network, which may be larger than it was to be."""
    folder = result.folder
    chosen = folder.best if "best" in result.summary else folder.final
    within = ranks.first(lambda: write_within(chosen, folder.packed, budget))
    return TrainResult(
        folder,
        result.summary | {"packed": within.document},
        f"{result.text}\n{within.text}\n",
        result.exit_code if within.met else MISSED,
    )


def _trained(
    solver: Path, configuration: Configuration, options: TrainOptions, display: Display
) -> TrainResult:
    folder = run_folder_of(solver, configuration, options.output)
    first = options.weights
    if options.overwrite and first and first.resolve().parent == folder.path.resolve():
        words = f"--overwrite would remove {first}, from which the run is to start"
        raise ConfigError(f"{words}; choose another folder by --output")
    launch = ranks.launch()
    asked = (configuration, folder, options.output, options.resume, launch, display)
    start = ranks.first(lambda: find_start(*asked))
    folder, found = start.folder, start.found
    if start.done:
        display.note(f"{folder.path} is finished already")
        return _result(folder, start.done)
    ranks.first(lambda: folder.check(overwrite=options.overwrite, resuming=start.resuming))
    device = choose_device(configuration.solver.solver_mode, options.device)
    if found is None:
        parts = _build(configuration, device, first, display)
    else:
        seen = found.snapshot
        parts = build(configuration, device, seen.mean_image, display, classes=seen.classes)
    loop = parts.loop()
    if found is not None:
        restore_(loop, found)
        keep_best_(loop, folder, display)
    if options.zeros_of is not None:
        loop.stepper.hold_zeros(load_model(options.zeros_of).weights)
    try_phases(parts)
    if parts.config.precision == "tf32" and not has_tf32(device):
        display.note(f"{device} has no TF32: computing in float32")
    ranks.first(lambda: open_folder(start, configuration, launch, overwrite=options.overwrite))
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
    configuration = load_solver(solver, options.overrides)
    _require_alike(configuration)
    return configuration


def _require_alike(configuration: Configuration) -> None:
    """Raise ConfigError where processes that are to train together would train differently.

    They would wait for one another in different places, or for ever.
    """
    everywhere = ranks.gathered(comparable(configuration.data))
    for rank, other in enumerate(everywhere):
        if differing := differing_keys(everywhere[0], other):
            words = f"process {rank} has another configuration than process 0, which differs in"
            raise ConfigError(f"{words} {', '.join(differing)}; give all the same files and flags")


def _build(
    configuration: Configuration, device: torch.device, weights: Path | None, display: Display
) -> Parts:
    """The parts of a training that begins, from weights where there are any.

    These are tried before the data are read, which may take long.
    """
    if weights is None:
        return build(configuration, device, display=display)
    config, given = configuration.solver, load_weights(weights)
    net = build_net(config.net, config.random_seed, device)
    mean, told = fitting_mean(given, config.net)
    for line in take_weights(net, given) + told:
        display.note(line)
    return build(configuration, device, mean, display, net)


def try_phases(parts: Parts) -> None:
    """One forward pass in each phase, so that what cannot work fails before the first update.

    Of two samples, since one alone has no variance that a BatchNorm could normalise by.
    """
    with parts.net.statistics_kept():
        for phase, batches in parts.batches.items():
            images, labels = batches.batch(0)
            parts.net(images[:2], labels[:2], phase)


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
    with ExitStack() as stack:
        recorder = Follower()
        if ranks.rank() == 0:
            log = stack.enter_context(closing(MetricsLog(folder.metrics, lines)))
            events = EventFiles(folder.tensorboard, loop.step) if options.tensorboard else None
            if events:
                stack.enter_context(closing(events))
            recorder = Recorder(parts, folder, log, display, events)
        stopping = stack.enter_context(stop_on_signals())
        saving = stack.enter_context(snapshot_on_hangup())
        stack.callback(parts.close)
        stack.callback(display.end)
        display.begin(loop.step, parts.config.max_iter)
        try:
            _run_loop(loop, recorder, stopping, saving)
            recorder.snapshot(loop)
            stopping.at_once = True
            for number in filter(None, ranks.gathered(stopping.signal)):
                raise StoppedError(number, _stopped(loop))
            loop.close(recorder)
            return write_results(parts, loop, folder, checkpoint_of(parts, loop))
        except NotFiniteError as error:
            if ranks.rank() > 0:
                raise  # the folder may be another machine's
            newest = next(iter(folder.snapshots()), None)
            kept = f"the last good snapshot is {newest}" if newest else "there is no snapshot"
            raise NotFiniteError(f"{error}; {kept}") from None


def _run_loop(
    loop: Loop, recorder: Follower, stopping: StopRequest, saving: SnapshotRequest
) -> None:
    """Run it; where the data fail, save what was reached, and say so in the DataError."""
    begun = loop.step
    try:
        loop.run(recorder, stopping, saving)
    except DataError as error:
        # Beside others this process alone cannot know whether their state is whole too.
        if loop.step == begun or loop.stepper.spoilt or ranks.size() > 1:
            raise
        recorder.interrupted(loop)
        raise DataError(f"{error}; {_stopped(loop)}") from None


def _stopped(loop: Loop) -> str:
    return f"stopped after {loop.step} updates; --resume auto goes on from there"
