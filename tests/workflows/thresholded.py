"""A small dense net that prune-threshold is run on, and what it writes."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from sparsenet.config.read import write_yaml
from sparsenet.plots.threshold import THRESHOLD_MARK
from sparsenet.progress import Quiet
from sparsenet.workflows import threshold_files
from sparsenet.workflows.prune_threshold import PruneOptions, PruneResult, prune_threshold
from sparsenet.workflows.pruning_options import PruningOptions
from sparsenet.workflows.train import TrainOptions, train
from tests.small import inner_product, net_data

DATA = {"split": 100, "batch_size": 64}
NET = net_data(inner_product("ip", 10), **DATA)
SOLVER = {"net": NET, "max_iter": 120, "base_lr": 0.05, "momentum": 0.9, "display": 0}


def no_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """tests/plots and tests/cli draw; here the figure would take most of the time."""

    def stub(table: Path, figure: Path) -> None:
        assert table.exists()
        figure.write_bytes(b"\x89PNG " + THRESHOLD_MARK.encode())

    monkeypatch.setattr(threshold_files, "draw_threshold", stub)


def make_home(folder: Path) -> Path:
    """A folder with solver.yaml and dense/best.pt."""
    (folder / "solver.yaml").write_text(write_yaml(SOLVER | {"test_interval": 40}))
    train(folder / "solver.yaml", TrainOptions(output=folder / "dense"), Quiet())
    return folder


def pruned(
    home: Path, output: Path | None, *, display: Quiet | None = None, **options: Any
) -> PruneResult:
    choices = {key: options.pop(key) for key in ("delta", "t", "like", "density") if key in options}
    chosen = PruneOptions(PruningOptions(**choices), output=output, device="cpu", **options)
    checkpoint = home / "dense" / "best.pt"
    return prune_threshold(home / "solver.yaml", checkpoint, chosen, display or Quiet())


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "threshold.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))
