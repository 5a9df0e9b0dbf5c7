"""The filters of two runs or checkpoints, for their figure."""

from __future__ import annotations

from pathlib import Path

from sparsenet.errors import ConfigError, nearest
from sparsenet.plots.filters import Filters, filters_figure
from sparsenet.plots.rows import CannotDrawError
from sparsenet.plots.style import Drawing
from sparsenet.run_folder import RunFolder
from sparsenet.workflows.plot_sources import Sources, is_file


def draw_filters(sources: Sources) -> Drawing | None:
    """The filters of two networks, the dense one given first; None where there are not two.

    Raises ConfigError, CannotDrawError for a net without convolutions, CheckpointError.
    """
    checkpoints = [_checkpoint(path) for path in sources.paths]
    if len(checkpoints) != 2 or None in checkpoints:
        return None
    dense, sparse = (_filters(path, sources.layer) for path in checkpoints if path)
    return filters_figure(dense, sparse)


def _checkpoint(path: Path) -> Path | None:
    """A checkpoint itself; of a run its best net, or its final one."""
    if path.suffix == ".pt":
        return path
    run = RunFolder(path)
    return next(filter(is_file, (run.best, run.final)), None)


def _filters(path: Path, layer: str | None) -> Filters:
    # Imported only here: with torch it takes longer than all the rest.
    from sparsenet.workflows.models import load_model  # noqa: PLC0415

    weights = load_model(path).weights
    found = {
        name.removesuffix(".weight"): tensor
        for name, tensor in weights.items()
        if name.endswith(".weight") and tensor.dim() == 4 and tensor.numel()
    }
    if not found:
        raise CannotDrawError(f"{path}: the net has no convolution")
    chosen = next(iter(found)) if layer is None else layer
    if chosen not in found:
        words = f"is no convolution of {path}{nearest(chosen, found)}"
        raise ConfigError(f"--layer: {chosen}: {words}")
    name = path.stem if path.parent.name == "" else f"{path.parent.name}/{path.name}"
    return Filters(name, chosen, found[chosen].numpy())
