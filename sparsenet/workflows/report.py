"""`sparsenet report`: what a run or study folder holds, as one page that opens anywhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from sparsenet.config.read import read_yaml, write_yaml
from sparsenet.errors import ConfigError, listed, printable
from sparsenet.files import FileError, write_text
from sparsenet.report.ensemble import ensemble_report
from sparsenet.report.figures import Figure, figures
from sparsenet.report.page import PAGE_BEGINS, Report, configuration, page
from sparsenet.report.run import run_report
from sparsenet.report.search import search_report
from sparsenet.report.sweep import sweep_report
from sparsenet.results.fields import Fields
from sparsenet.results.reading import read_text
from sparsenet.results.rows import Study
from sparsenet.results.run import read_log, read_summary
from sparsenet.results.study import read_ensemble, read_front, read_study, read_sweep
from sparsenet.run_folder import RunFolder
from sparsenet.study_folder import StudyFolder

PAGE = "report.html"


def write_report(folder: Path, output: Path | None = None) -> Path:
    """Bind a run or study folder into `output`, by default its report.html; where that is.

    The same files give the same bytes. Raises ConfigError for a folder that is neither, or a file
    in the place that is no report, and FileError for files that cannot be read or written.
    """
    path = output or folder / PAGE
    read = _reader(folder)
    _check(path)
    report, merged = read(folder)
    drawn = figures(_drawn(StudyFolder(folder).plots))
    first, *others = report.sections
    sections = [first, *drawn, *others, configuration(merged)]
    write_text(path, page(dataclasses.replace(report, sections=sections)))
    return path


_Reader = Callable[[Path], tuple[Report, str]]


def _reader(folder: Path) -> _Reader:
    """What reads the folder. Raises ConfigError where it holds neither a run nor a study."""
    study, run = StudyFolder(folder).study, RunFolder(folder)
    if study.is_file():
        return _study
    if run.config.is_file() and run.metrics.is_file():
        return _run
    looked = f"a study has {study.name}, a run has {run.config.name} and {run.metrics.name}"
    raise ConfigError(f"{folder} holds neither a run nor a study: {looked}")


def _check(path: Path) -> None:
    """Raise ConfigError where the page cannot be, or would replace what is no report."""
    if not path.parent.is_dir():
        raise ConfigError(f"{path}: there is no folder {path.parent}")
    if path.exists() and not _is_ours(path):
        raise ConfigError(
            f"{path} is not of sparsenet report and is kept; choose another file by --output"
        )


def _is_ours(path: Path) -> bool:
    if not path.is_file():
        return False
    begins = PAGE_BEGINS.encode()
    try:
        with path.open("rb") as stream:
            return stream.read(len(begins)) == begins
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}") from None


def _run(folder: Path) -> tuple[Report, str]:
    run = RunFolder(folder)
    log = read_log(run.metrics)
    summary = read_summary(run.summary_json) if run.summary_json.exists() else None
    merged = read_text(run.config)
    return run_report(summary.net if summary else _net_name(run.config), log, summary), merged


def _net_name(config: Path) -> str:
    """The net's name in a run's configuration."""
    return Fields(str(config), read_yaml(config).data).below("net").text("name")


def _study(folder: Path) -> tuple[Report, str]:
    files = StudyFolder(folder)
    study = read_study(files.study)
    try:
        merged = write_yaml(study.configuration)
    except RecursionError:
        raise FileError(f"{files.study}: nested too deeply") from None
    if study.command not in _STUDIES:
        found = f"{study.command!r} is not {listed(_STUDIES)}"
        raise FileError(printable(f"{files.study}: command: {found}"))
    return _STUDIES[study.command](study, files), merged


_STUDIES: dict[str, Callable[[Study, StudyFolder], Report]] = {
    "search": lambda study, files: search_report(study, read_front(files.front), str(files.path)),
    "ensemble": lambda study, files: ensemble_report(study, read_ensemble(files.ensemble)),
    "sweep": lambda study, files: sweep_report(study, read_sweep(files.sweep)),
}


def _drawn(folder: Path) -> list[Figure]:
    """The SVG files of a folder, by name; none where there is no such folder."""
    paths = sorted(path for path in folder.glob("*.svg") if path.is_file())
    return [Figure(path.stem, read_text(path)) for path in paths]
