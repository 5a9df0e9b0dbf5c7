"""Where the figures come from: the folders and checkpoints that were given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sparsenet.plots.rows import CannotDrawError
from sparsenet.plots.style import Drawing
from sparsenet.results.rows import Study
from sparsenet.results.study import read_study
from sparsenet.run_folder import RunFolder
from sparsenet.study_folder import StudyFolder


@dataclass(frozen=True)
class Sources:
    """The folders and checkpoints that were given, and `--layer`.

    `asked` says that the figure was asked for by name, and is not one of all that can be drawn.
    """

    paths: tuple[Path, ...]
    layer: str | None = None
    asked: bool = False

    def all_with(self, file: Callable[[Path], Path]) -> list[Path]:
        """The folders in which there is a file."""
        return [path for path in self.paths if is_file(file(path))]

    def the_one_with(self, file: Callable[[Path], Path]) -> Path | None:
        """The only folder in which there is a file.

        Raises CannotDrawError where there are more and the figure, which shows one, was asked for.
        """
        found = self.all_with(file)
        if len(found) > 1 and self.asked:
            names = " and ".join(str(file(path)) for path in found[:2])
            raise CannotDrawError(f"{names}: the figure shows one of them; give one folder")
        return found[0] if len(found) == 1 else None


@dataclass(frozen=True)
class FigureKind:
    """A figure: what it is drawn from, in words.

    `draw` returns None where its files are not there. It raises CannotDrawError where there is
    nothing to draw in them, and ConfigError, FileError and CheckpointError.
    """

    looks_for: str
    draw: Callable[[Sources], Drawing | None]


def is_file(path: Path) -> bool:
    """Whether there is a file; what may not be looked at is none."""
    try:
        return path.is_file()
    except OSError:
        return False


@contextmanager
def about(path: Path) -> Iterator[None]:
    """Name the file in what a figure says of its rows."""
    try:
        yield
    except CannotDrawError as error:
        raise CannotDrawError(f"{path}: {error}") from None


def front_of(path: Path) -> Path:
    """The table of a search."""
    return StudyFolder(path).front


def sweep_of(path: Path) -> Path:
    """The table of a sweep."""
    return StudyFolder(path).sweep


def ensemble_of(path: Path) -> Path:
    """The table of ensembles."""
    return StudyFolder(path).ensemble


def threshold_of(path: Path) -> Path:
    """The table of `prune-threshold`."""
    return RunFolder(path).threshold_csv


def prune_of(path: Path) -> Path:
    """The table of `prune`."""
    return RunFolder(path).prune_csv


def study_of(folder: Path) -> Study:
    """What study.json says, nothing where there is none. Raises FileError."""
    path = StudyFolder(folder).study
    return read_study(path) if is_file(path) else Study()
