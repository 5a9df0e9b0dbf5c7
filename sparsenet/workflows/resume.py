"""Finding the snapshot to go on from, and going on from it bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sparsenet.checkpoint import Checkpoint, CheckpointError, load_checkpoint
from sparsenet.config.load import Configuration, differing_keys
from sparsenet.config.solver import NOT_TRAJECTORY
from sparsenet.errors import ConfigError
from sparsenet.progress import Display
from sparsenet.regularization.schedule import Progress
from sparsenet.run_folder import RunFolder
from sparsenet.solver.constrained import restore_pending_
from sparsenet.solver.loop import Loop
from sparsenet.workflows.build import copy_weights


def find_snapshot(
    resume: str, folder: RunFolder, output: Path | None, display: Display
) -> tuple[RunFolder, Checkpoint | None]:
    """The run folder to go on in and its snapshot; with `auto` None where there is none yet.

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
        return RunFolder(path.parent), snapshot
    for path in folder.snapshots():
        try:
            snapshot = load_checkpoint(path)
        except CheckpointError as error:
            display.note(f"Passed over: {error}")
            continue
        if snapshot.solver is not None:
            display.note(f"Resuming from {path}")
            return folder, snapshot
        display.note(f"Passed over: {path}: a model, not a snapshot")
    display.note(f"No snapshot in {folder.path} yet: training begins anew")
    return folder, None


def restore_(loop: Loop, snapshot: Checkpoint, configuration: Configuration) -> None:
    """Put a fresh loop where the snapshot was made. Raises ConfigError naming keys that differ."""
    differing = [
        key
        for key in differing_keys(comparable(snapshot.config), comparable(configuration.data))
        if not (key == "max_iter" and configuration.solver.lr_policy != "poly")
    ]
    if differing:
        raise ConfigError(
            f"the snapshot was made under another configuration, which differs in "
            f"{', '.join(differing)}; to fine-tune its weights under this one use --weights"
        )
    assert snapshot.solver is not None
    try:
        copy_weights(loop.net, snapshot.weights)
        restore_pending_(loop.net.weights(), snapshot.solver.pending)
        loop.stepper.load_history(snapshot.solver.history)
        loop.progress = Progress.from_dict(snapshot.solver.progress)
    except (KeyError, RuntimeError, TypeError) as error:
        raise CheckpointError(f"the snapshot does not fit its own configuration: {error}") from None
    loop.step, loop.best = snapshot.iter, snapshot.solver.best
    loop.clock.before = snapshot.solver.seconds


def comparable(data: dict[str, Any]) -> dict[str, Any]:
    """A merged configuration without what cannot change a weight."""
    kept = {key: value for key, value in data.items() if key not in NOT_TRAJECTORY}
    layers = [
        {key: value for key, value in layer.items() if key not in ("root", "download")}
        for layer in data["net"]["layers"]
    ]
    return kept | {"net": data["net"] | {"layers": layers}}
