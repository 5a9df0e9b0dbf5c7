"""A dense run and a sparse one, of whose filters a figure is drawn."""

from __future__ import annotations

from pathlib import Path

from tests.plots.studies import filters, sparse_filters, write_model


def write_runs(folder: Path) -> list[Path]:
    """A dense and a sparse run."""
    dense = filters()
    write_model(folder / "dense" / "best.pt", {"conv1": dense, "conv2": filters(8, 4, 3)})
    write_model(folder / "sparse" / "final.pt", {"conv1": sparse_filters(dense, 20)})
    return [folder / "dense", folder / "sparse"]
