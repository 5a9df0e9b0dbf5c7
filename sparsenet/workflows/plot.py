"""`sparsenet plot`: figures of what runs and studies have written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sparsenet.errors import ConfigError, Problem
from sparsenet.files import FileError
from sparsenet.plots.rows import CannotDrawError
from sparsenet.plots.style import FIGURE_MARK, FORMATS, Drawing, figure_paths, save_figure
from sparsenet.run_folder import RunFolder
from sparsenet.study_folder import StudyFolder
from sparsenet.workflows.plot_figures import FIGURES
from sparsenet.workflows.plot_sources import Sources, is_file

_NEAR = 4096  # bytes from either end of a file, among which it says what made it


@dataclass(frozen=True)
class PlotOptions:
    """What is drawn and where: all figures that can be, below the first folder, if not said."""

    figures: tuple[str, ...] = ()
    output: Path | None = None
    formats: tuple[str, ...] = FORMATS
    layer: str | None = None


@dataclass(frozen=True)
class Drawn:
    """A figure on the disk: its name, a sentence for below it, a file in each format."""

    name: str
    caption: str
    paths: tuple[Path, ...]


def plot(
    paths: Sequence[Path],
    options: PlotOptions | None = None,
    note: Callable[[str], None] = lambda words: None,
) -> list[Drawn]:
    """Draw figures of folders and checkpoints; `note` is told which cannot be, and why.

    Raises ConfigError, before anything is written, where there is nothing to draw, a figure that
    was asked for cannot be drawn, or a file of another origin is in the way; FileError and
    CheckpointError.
    """
    chosen = options or PlotOptions()
    reasons: list[str] = []
    figures = _figures(paths, chosen, reasons.append)
    if not figures:
        raise ConfigError([Problem("", "", words) for words in (*reasons, _nothing(paths, chosen))])
    if chosen.layer is not None and "filters" not in figures:
        raise ConfigError("--layer: only the figure filters has one, and it is not drawn")
    for words in reasons:
        note(words)
    return _saved(figures, chosen.output or _folder(paths[0]), chosen.formats)


def draw_all(folder: Path, formats: Sequence[str] = FORMATS) -> list[Drawn]:
    """Draw every figure that the files of one folder allow, into its `plots`; maybe none.

    Raises ConfigError where a file of another origin is in the way, FileError, CheckpointError.
    """
    figures = _figures([folder], PlotOptions(), lambda words: None)
    return _saved(figures, _folder(folder), formats)


def _folder(path: Path) -> Path:
    """Where the figures go of a folder, or of a checkpoint in it."""
    return StudyFolder(path.parent if is_file(path) else path).plots


def _figures(
    paths: Sequence[Path], options: PlotOptions, note: Callable[[str], None]
) -> dict[str, Drawing]:
    """The figures by name; of one that was not asked for it is only noted why it cannot be."""
    sources = Sources(tuple(paths), options.layer, asked=bool(options.figures))
    figures: dict[str, Drawing] = {}
    for name in dict.fromkeys(options.figures or FIGURES):
        try:
            figure = FIGURES[name].draw(sources)
        except CannotDrawError as error:
            if sources.asked:
                raise ConfigError(f"{name}: {error}") from None
            note(f"{name} is not drawn: {error}")
        else:
            if figure is None and sources.asked:
                raise ConfigError(_nothing(paths, PlotOptions((name,))))
            figures |= {name: figure} if figure else {}
    return figures


def _nothing(paths: Sequence[Path], options: PlotOptions) -> str:
    """That no file was found, and what was looked for."""
    looked = [f"{FIGURES[name].looks_for} ({name})" for name in options.figures or FIGURES]
    return f"{', '.join(map(str, paths))}: nothing to draw; looked for {'; '.join(looked)}"


def _saved(figures: dict[str, Drawing], folder: Path, formats: Sequence[str]) -> list[Drawn]:
    """Save figures, unless a file of another origin has one of the names."""
    paths = [path for name in figures for path in figure_paths(folder, name, formats)]
    problems = [
        Problem("", str(path), "is not of plot and is kept; choose another folder by --output")
        for path in paths
        if path.exists() and not _is_ours(path)
    ]
    if problems:
        raise ConfigError(problems)
    if figures:
        RunFolder(folder).make()
    return [
        Drawn(name, FIGURES[name].caption, save_figure(figure, folder, name, formats))
        for name, figure in figures.items()
    ]


def _is_ours(path: Path) -> bool:
    """Whether a file says, near its start as PNG and SVG or its end as PDF, that it was drawn."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as stream:
            start = stream.read(_NEAR)
            stream.seek(max(0, path.stat().st_size - _NEAR))
            return FIGURE_MARK.encode() in start + stream.read()
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}") from None
