"""Finding the snapshot to go on from, and going on from it bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from sparsenet import ranks
from sparsenet.checkpoint import Checkpoint, CheckpointError, SolverState, load_checkpoint
from sparsenet.config.load import Configuration, differing_keys
from sparsenet.config.read import read_yaml
from sparsenet.config.solver import NOT_TRAJECTORY
from sparsenet.errors import ConfigError, SparsenetError
from sparsenet.progress import Display
from sparsenet.regularization.schedule import Progress
from sparsenet.run_folder import RunFolder
from sparsenet.solver.constrained import restore_pending_
from sparsenet.solver.loop import Loop
from sparsenet.workflows.copying import beyond_patterns, copy_weights

_PROGRESS = TypeAdapter(Progress)


@dataclass(frozen=True)
class Found:
    """A snapshot to go on from, and the state of the solver that it holds."""

    path: Path
    snapshot: Checkpoint
    state: SolverState


def find_snapshot(
    resume: str, folder: RunFolder, output: Path | None, display: Display
) -> Found | None:
    """The snapshot that `resume` names; of `auto` the newest in the folder, None without any.

    `auto` takes the newest snapshot that is whole, naming those that are not. Raises ConfigError
    for a checkpoint that is no snapshot, CheckpointError for a file that is no checkpoint.
    """
    if resume != "auto":
        path = Path(resume)
        if output is not None and output.resolve() != path.parent.resolve():
            raise ConfigError(f"--resume {path} goes on in its own folder; leave out --output")
        snapshot = load_checkpoint(path)
        if snapshot.solver is None:
            words = "is a model without the solver's state; to start from its weights use"
            raise ConfigError(f"{path}: {words} --weights {path}")
        return Found(path, snapshot, snapshot.solver)
    for path in folder.snapshots():
        try:
            snapshot = load_checkpoint(path)
        except (CheckpointError, ConfigError) as error:
            display.warn(f"Passed over: {error}")
            continue
        if snapshot.solver is not None:
            display.note(f"Resuming from {path}")
            return Found(path, snapshot, snapshot.solver)
        display.warn(f"Passed over: {path}: a model, not a snapshot")
    display.note(f"No snapshot in {folder.path} yet: training begins anew")
    return None


def require_same(snapshot: Checkpoint, configuration: Configuration) -> None:
    """Raise ConfigError naming the keys in which a snapshot's configuration is another."""
    if differing := _differing(snapshot.config, configuration):
        raise ConfigError(
            f"the snapshot was made under another configuration, which differs in "
            f"{', '.join(differing)}; to fine-tune its weights under this one use --weights"
        )


def require_own_folder(folder: RunFolder, configuration: Configuration) -> None:
    """Raise ConfigError where beginning anew would replace a run of another configuration."""
    if not folder.holds_a_run():
        return
    try:
        differing = _differing(read_yaml(folder.config).data, configuration)
    except (ConfigError, KeyError, TypeError, AttributeError):
        differing = ["net"]  # a foreign file, or none
    if differing:
        raise ConfigError(
            f"{folder.path} holds a run of another configuration and no whole snapshot of it; "
            "replace it by --overwrite, or choose another folder by --output"
        )


def restore_(loop: Loop, found: Found) -> None:
    """Put a fresh loop where the snapshot was made, under the same configuration.

    Raises CheckpointError where the snapshot does not fit its own configuration.
    """
    try:
        progress = _fitting(loop, found)
    except ValueError as error:
        words = "the snapshot does not fit its own configuration"
        raise CheckpointError(f"{found.path}: {words}: {error}") from None
    copy_weights(loop.net, found.snapshot.weights)
    restore_pending_(loop.net.weights(), found.state.pending)
    loop.stepper.load_history(found.state.history)
    loop.progress, loop.step, loop.best = progress, found.snapshot.iter, found.state.best
    loop.clock.before = found.state.seconds


def keep_best_(loop: Loop, folder: RunFolder, display: Display) -> None:
    """Choose the best net anew where the one that the snapshot knows of is not there any more."""
    if loop.best is not None and not ranks.first(lambda: _has_best(folder, display)):
        loop.best = None


def _has_best(folder: RunFolder, display: Display) -> bool:
    try:
        load_checkpoint(folder.best)
    except SparsenetError as error:
        display.note(f"The best network is chosen anew: {error}")
        return False
    return True


def _fitting(loop: Loop, found: Found) -> Progress:
    """The progress in the stages. Raises ValueError saying which part does not fit the loop."""
    own = loop.net.weights()
    _require_shapes("weights", found.snapshot.weights, own)
    pending = found.state.pending
    _require_shapes("pending", pending, {name: own.get(name) for name in pending})
    for name, history in loop.stepper.history.items():
        _require_shapes(f"history of {name}", found.state.history.get(name, {}), history)
    _require_patterns(loop, found)
    try:
        progress = _PROGRESS.validate_python(found.state.progress)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"progress: {where}: {first['msg']}") from None
    if not 0 <= progress.index < max(1, len(loop.config.stages)):
        raise ValueError(f"progress: there is no stage {progress.index + 1}")
    return progress


def _require_shapes(
    what: str, found: Mapping[str, Tensor], needed: Mapping[str, Tensor | None]
) -> None:
    for name, tensor in needed.items():
        if tensor is None or name not in found or found[name].shape != tensor.shape:
            raise ValueError(f"{what}: {name}")


def _require_patterns(loop: Loop, found: Found) -> None:
    """Raise ValueError where not all is zero that a kernel_pattern leaves out."""
    histories = {
        f"{key} of": {name: state[key] for name, state in found.state.history.items()}
        for key in next(iter(loop.stepper.history.values()), {})
    }
    parts = {"weights of": found.snapshot.weights, "pending": found.state.pending, **histories}
    for words, tensors in parts.items():
        if beyond := beyond_patterns(loop.net, tensors):
            raise ValueError(f"{words} {', '.join(beyond)}: nonzero outside the kernel_pattern")


def _differing(data: dict[str, Any], configuration: Configuration) -> list[str]:
    """Keys that differ, but for those that change no weight: a longer run is the same so far."""
    longer = configuration.solver.lr_policy != "poly"
    earlier, ours = comparable(data), comparable(configuration.data)
    for before, now in zip(earlier["net"]["layers"], ours["net"]["layers"], strict=False):
        if now.get("on_bad_image") == "skip":
            # Where a bad image would have been an error, none has been met so far.
            before["on_bad_image"] = "skip"
    found = differing_keys(earlier, ours)
    return [key for key in found if not (key == "max_iter" and longer)]


def comparable(data: dict[str, Any]) -> dict[str, Any]:
    """A merged configuration without what cannot change a weight."""
    kept = {key: value for key, value in data.items() if key not in NOT_TRAJECTORY}
    layers = [
        {
            key: value
            for key, value in layer.items()
            if key not in ("root", "download", "memory", "workers")
        }
        for layer in data["net"]["layers"]
    ]
    return kept | {"net": data["net"] | {"layers": layers}}
