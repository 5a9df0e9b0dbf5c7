"""A study: its folder, what it is a study of, and the engine that runs its trials."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from sparsenet.config.constraints import weight_shapes
from sparsenet.config.load import Configuration, differing_keys, load_solver
from sparsenet.errors import ConfigError
from sparsenet.files import write_text
from sparsenet.study_folder import StudyFolder
from sparsenet.trials.cluster import ClusterPool
from sparsenet.trials.engine import Engine, Pool
from sparsenet.trials.journal import Journal
from sparsenet.trials.local import LocalPool
from sparsenet.trials.show import Show
from sparsenet.workflows.plot import draw_all
from sparsenet.workflows.resume import comparable
from sparsenet.workflows.signals import stop_on_signals
from sparsenet.workflows.train import run_folder_of


@dataclass(frozen=True)
class StudyOptions:
    """Where a study is written, and where its trials are computed.

    `jobs` left out is one a core, or on the Ray cluster at the address `cluster` as many as it has
    room for. Each trial computes in `threads` threads: since the order of
    float32 sums depends on them, they are the same however many trials run at a time.
    """

    output: Path | None = None
    jobs: int | None = None
    threads: int = 1
    cluster: str | None = None
    device: str | None = None


def read_solver(solver: Path, overrides: Collection[str]) -> Configuration:
    """The solver file of a study. Raises ConfigError."""
    if solver.is_file() and zipfile.is_zipfile(solver):
        raise ConfigError(f"{solver}: is a checkpoint; a solver file is needed here")
    return load_solver(solver, overrides)


def folder_of(solver: Path, command: str, configuration: Configuration, given: Path | None) -> Path:
    """--output, else the folder that `train` would choose, and the name of the command."""
    if given is not None:
        return given
    run = run_folder_of(solver, configuration, None).path
    return run.with_name(f"{run.name}-{command}")


def document_of(
    command: str, solver: Path, configuration: Configuration, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """What study.json says: of what net and configuration it is, and how it was asked for."""
    shapes = weight_shapes(configuration.solver.net)
    layers = {
        name: {
            "shape": list(shape),
            "weights": prod(shape),
            "biases": shape[0] if layer.has_bias else 0,
        }
        for name, (layer, shape) in shapes.items()
    }
    return {
        "command": command,
        "solver": str(solver),
        "net": configuration.solver.net.name,
        "layers": layers,
        "settings": dict(settings),
        "configuration": configuration.data,
    }


@contextmanager
def open_study(
    folder: StudyFolder,
    document: Mapping[str, Any],
    options: StudyOptions,
    show: Show,
    free: Collection[str] = (),
) -> Iterator[Engine]:
    """The engine of a study that begins or goes on in its folder.

    Raises ConfigError where the folder holds another study, which differs in more than the `free`
    settings, or where another command is at work in it; FileError where it cannot be written to.
    """
    require_same_study(folder, document, free)
    folder.make()
    with ExitStack() as stack:
        stack.enter_context(folder.alone())
        write_text(folder.study, json.dumps(document, indent=1) + "\n")
        journal = stack.enter_context(closing(Journal(folder)))
        pool = stack.enter_context(closing(_pool(folder, options)))
        stack.callback(show.end)
        stopping = stack.enter_context(stop_on_signals())
        yield Engine(folder, journal, pool, show, stopping, options.device)


def draw(folder: StudyFolder, show: Show) -> None:
    """Draw the figures that a study allows, and say where. Raises as `draw_all`."""
    for drawn in draw_all(folder.path):
        show.note(f"Figure {drawn.name}: {drawn.paths[0]}")


def _pool(folder: StudyFolder, options: StudyOptions) -> Pool:
    jobs, threads = options.jobs, options.threads
    if options.cluster is not None:
        return ClusterPool(options.cluster, folder, jobs, threads, options.device)
    return LocalPool(jobs or max(1, cores() // threads), threads, folder.path / "trials")


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read_study(folder: StudyFolder) -> dict[str, Any] | None:
    """study.json, None where there is none. Raises ConfigError where it is not one."""
    if not folder.study.exists():
        return None
    try:
        found = json.loads(folder.study.read_text(encoding="utf-8"))
        if isinstance(found["settings"], dict) and isinstance(found["configuration"], dict):
            return dict(found)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    raise _not_a_study(folder)


def _not_a_study(folder: StudyFolder) -> ConfigError:
    return ConfigError(f"{folder.study} is not a study's; choose another folder by --output")


def require_same_study(
    folder: StudyFolder, document: Mapping[str, Any], free: Collection[str] = ()
) -> None:
    """Raise ConfigError where a folder holds another study than this, or something else."""
    found = read_study(folder)
    if found is None:
        return
    try:
        theirs = _compared(found, free)
    except (KeyError, TypeError, AttributeError):
        raise _not_a_study(folder) from None
    if differing := differing_keys(theirs, _compared(document, free)):
        raise ConfigError(
            f"{folder.path} holds another study, which differs in {', '.join(differing)}: "
            "choose another folder by --output"
        )


def _compared(document: Mapping[str, Any], free: Collection[str]) -> dict[str, Any]:
    settings = {k: value for k, value in document["settings"].items() if k not in free}
    configuration = comparable(document["configuration"])
    return {"command": document["command"], "settings": settings, "configuration": configuration}
