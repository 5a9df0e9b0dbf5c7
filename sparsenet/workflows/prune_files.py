"""The files that `prune` writes beside those of a run, and the names of its nets."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from sparsenet.checkpoint import Checkpoint, is_checkpoint, load_checkpoint, save_checkpoint
from sparsenet.config.load import Configuration
from sparsenet.config.read import write_yaml
from sparsenet.errors import ConfigError
from sparsenet.files import write_text
from sparsenet.plots.prune import PRUNE_MARK, draw_prune
from sparsenet.plots.style import FIGURE_MARK
from sparsenet.run_folder import RunFolder
from sparsenet.workflows.criteria import Rule
from sparsenet.workflows.decimals import plain
from sparsenet.workflows.own_files import require_own
from sparsenet.workflows.prune_points import Point
from sparsenet.workflows.prune_report import CSV_BEGINS, TITLE, prune_csv, prune_table


class PruneFiles:
    """prune.csv, .txt and .png of a folder and, in prune/, the nets; earlier ones are replaced."""

    def __init__(self, folder: RunFolder, rule: Rule) -> None:
        self.folder, self.rule = folder, rule

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files there are once something has been measured."""
        return (self.folder.prune_csv, self.folder.prune_text, self.folder.prune_figure)

    def model(self, stem: str, fraction: Decimal, *, shrunk: bool = False) -> Path:
        """The checkpoint of a pruned net; its solver file and run have the same name."""
        rule = self.rule
        kind = f"random{rule.seed}" if rule.criterion == "random" else rule.criterion
        parts = [stem, kind, *(["net"] if rule.scope == "net" else []), plain(fraction)]
        return self.folder.pruned / f"{'-'.join([*parts, *['shrunk'] * shrunk])}.pt"

    def check(self, models: Sequence[Path]) -> None:
        """Raise ConfigError where a file of another origin has a name of ours, or of a model."""
        # The figure may be one that `plot` has drawn from the same table.
        marks = ((CSV_BEGINS,), (TITLE,), (PRUNE_MARK, FIGURE_MARK))
        require_own(dict(zip(self.paths, marks, strict=True)), "prune")
        for path in models:
            if path.exists() and not is_checkpoint(path):
                words = "is no checkpoint and is kept; choose another folder by --output"
                raise ConfigError(f"{path} {words}")

    def open(self, *, models: bool) -> None:
        """Make the folder, and that of the models. Raises FileError if it cannot be written to."""
        self.folder.make()
        if models:
            RunFolder(self.folder.pruned).make()

    def save(self, path: Path, checkpoint: Checkpoint) -> None:
        """Write a net. Raises ConfigError where a training goes on from another one there."""
        if path.exists() and run_of(path).snapshots() and not _alike(path, checkpoint):
            words = "was trained from another net of this name"
            raise ConfigError(f"{run_of(path).path} {words}: remove it, or choose another folder")
        save_checkpoint(path, checkpoint)

    def table(self, points: Sequence[Point]) -> str:
        """The table to read."""
        return prune_table(points, self.rule)

    def write(self, points: Sequence[Point]) -> None:
        """Write table, CSV and figure. Raises FileError."""
        write_text(self.folder.prune_csv, prune_csv(points, self.rule))
        write_text(self.folder.prune_text, self.table(points))
        draw_prune(self.folder.prune_csv, self.folder.prune_figure)


def solver_of(model: Path) -> Path:
    """The solver file that trains a pruned net further."""
    return model.with_name(f"{model.name.removesuffix('.pt')}.yaml")


def run_of(model: Path) -> RunFolder:
    """The folder of the run that trains it."""
    return RunFolder(model.with_name(model.name.removesuffix(".pt")))


def write_solver(model: Path, configuration: Configuration) -> None:
    """Write the solver file beside a pruned net. Raises FileError."""
    write_text(solver_of(model), write_yaml(configuration.data))


def _alike(path: Path, checkpoint: Checkpoint) -> bool:
    """Whether a file has the same tensors."""
    weights = load_checkpoint(path).weights
    return weights.keys() == checkpoint.weights.keys() and all(
        weights[name].equal(tensor.cpu()) for name, tensor in checkpoint.weights.items()
    )
