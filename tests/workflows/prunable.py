"""A small net with a residual sum, trained by nobody, and what prune makes of it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from sparsenet.checkpoint import Checkpoint, save_checkpoint
from sparsenet.plots.prune import PRUNE_MARK
from sparsenet.progress import Quiet
from sparsenet.workflows import prune_files
from sparsenet.workflows.criteria import Rule
from sparsenet.workflows.prune import PruneResult, prune
from sparsenet.workflows.prune_request import PruneRequest
from tests.shrinking.nets import layer, random_net
from tests.small import configured, convolution, inner_product, net_data

NET = net_data(
    convolution("conv1", 6, pad=1, stride=2),
    layer("BatchNormScale", "bn1"),
    layer("ReLU", "relu1", top="bn1"),
    convolution("conv2", 6, pad=1),
    layer("ReLU", "relu2"),
    convolution("conv3", 6, pad=1),
    layer("Eltwise", "sum", bottom=["conv3", "bn1"]),
    inner_product("ip", 10, regularization={"type": "l0", "t": 900}),
    batch_size=64,
    split=100,
)
SOLVER = {"max_iter": 4, "base_lr": 0.01, "weight_decay": 0.01, "momentum": 0.9, "display": 0,
          "test_interval": 2}  # fmt: skip
MODEL = "a-net-filter-norm-0.5"


def no_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """tests/plots and tests/cli draw; here the figure would take most of the time."""

    def stub(table: Path, figure: Path) -> None:
        assert table.exists()
        figure.write_bytes(b"\x89PNG " + PRUNE_MARK.encode())

    monkeypatch.setattr(prune_files, "draw_prune", stub)


def make_model(path: Path, seed: int = 0, **solver: Any) -> Path:
    """A checkpoint of the net with random weights, 900 of its 960 last ones not zero."""
    configuration = configured(NET, **(SOLVER | solver))
    net = random_net(configuration, seed)
    weights = {name: tensor.clone() for name, tensor in net.weights().items()}
    weights["ip.weight"].view(-1)[::16] = 0.0
    path.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(path, Checkpoint(config=configuration.data, iter=1, weights=weights))
    return path


def pruned(
    *models: Path, rule: Rule | None = None, display: Quiet | None = None, **options: Any
) -> PruneResult:
    request = PruneRequest(rule or Rule("filter-norm"), device="cpu", **options)
    return prune(models, request, display or Quiet())


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "prune.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))
