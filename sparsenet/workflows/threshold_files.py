"""The files that `prune-threshold` writes beside those of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sparsenet.files import write_text
from sparsenet.plots.style import FIGURE_MARK
from sparsenet.plots.threshold import THRESHOLD_MARK, draw_threshold
from sparsenet.run_folder import RunFolder
from sparsenet.workflows.own_files import require_own
from sparsenet.workflows.threshold_report import (
    CSV_BEGINS,
    TITLE,
    Measured,
    threshold_csv,
    threshold_table,
)


class ThresholdFiles:
    """threshold.csv, .txt and .png of a folder; those of an earlier call are replaced.

    `source` names the network for the reader, `retrained` adds the columns of the l0 networks.
    """

    def __init__(self, folder: RunFolder, source: str, *, retrained: bool) -> None:
        self.folder, self.source, self.retrained = folder, source, retrained

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files there are once something has been measured."""
        return (self.folder.threshold_csv, self.folder.threshold_text, self.folder.threshold_figure)

    def check(self) -> None:
        """Raise ConfigError where a file of another origin has one of the names."""
        # The figure may be one that `plot` has drawn from the same table.
        marks = ((CSV_BEGINS,), (TITLE,), (THRESHOLD_MARK, FIGURE_MARK))
        require_own(dict(zip(self.paths, marks, strict=True)), "prune-threshold")

    def open(self) -> None:
        """Make the folder if there is none. Raises FileError where it cannot be written to."""
        self.folder.make()

    def table(self, points: Sequence[Measured]) -> str:
        """The table to read."""
        return threshold_table(points, self.source, retrained=self.retrained)

    def write(self, points: Sequence[Measured]) -> None:
        """Write all three files. Raises FileError."""
        write_text(self.folder.threshold_csv, threshold_csv(points))
        write_text(self.folder.threshold_text, self.table(points))
        draw_threshold(self.folder.threshold_csv, self.folder.threshold_figure)
