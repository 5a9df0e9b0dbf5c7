"""Where a run begins: anew, at a snapshot, or where it has ended already."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sparsenet.config.load import Configuration
from sparsenet.config.read import write_yaml
from sparsenet.files import write_text
from sparsenet.progress import Display
from sparsenet.run_folder import RunFolder
from sparsenet.workflows.results import Results, read_results
from sparsenet.workflows.resume import Found, find_snapshot, require_own_folder, require_same


@dataclass(frozen=True)
class Start:
    """The run's folder, whether it goes on there, and the snapshot or the results it has there."""

    folder: RunFolder
    resuming: bool
    found: Found | None = None
    done: Results | None = None


def find_start(
    configuration: Configuration,
    folder: RunFolder,
    output: Path | None,
    resume: str | None,
    launch: frozenset[str],
    display: Display,
) -> Start:
    """Where to begin by --output and --resume.

    When torchrun has lost a process, it starts the same command again: what this `launch` has begun
    goes on as by --resume auto. Raises ConfigError, and CheckpointError for a `resume` that
    is no checkpoint.
    """
    own = folder if resume in (None, "auto") else RunFolder(Path(str(resume)).parent)
    if own.begun_by() & launch:
        folder, output, resume = own, None, "auto"
    if resume is None:
        return Start(folder, resuming=False)
    found = find_snapshot(resume, folder, output, display)
    if found is None:
        require_own_folder(folder, configuration)
        return Start(folder, resuming=True)
    folder = RunFolder(found.path.parent)
    require_same(found.snapshot, configuration)
    return Start(folder, True, found, _results(folder, found, configuration))


def open_folder(
    start: Start, configuration: Configuration, launch: frozenset[str], *, overwrite: bool
) -> None:
    """Make the run's folder and say in it what is run. Raises ConfigError and FileError."""
    folder = start.folder
    folder.open(overwrite=overwrite, resuming=start.resuming)
    if launch:
        write_text(folder.launch, "".join(f"{name}\n" for name in sorted(launch)))
    write_text(folder.config, write_yaml(configuration.data))


def _results(folder: RunFolder, found: Found, configuration: Configuration) -> Results | None:
    """The results of a run that has nothing left to do."""
    ended = found.state.progress.get("finished") is True
    over = ended or found.snapshot.iter >= configuration.solver.max_iter
    return read_results(folder, found.snapshot.iter) if over else None
