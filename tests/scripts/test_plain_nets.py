"""The plain twins have as many parameters as the nets they are twins of are published with."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
import torch

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "plain_nets.py"))


@pytest.mark.parametrize(
    ("name", "shape", "parameters"),
    [
        ("plain_lenet", (1, 28, 28), 431_080),
        ("plain_quick", (3, 32, 32), 145_578),
        ("plain_alexnet", (3, 227, 227), 60_965_224),
        ("plain_resnet18", (3, 32, 32), 11_173_962),
    ],
)
def test_their_parameters(name: str, shape: tuple[int, int, int], parameters: int) -> None:
    with torch.device("meta"):
        net = SCRIPT[name]()
        scores = net(torch.empty(2, *shape))
    assert sum(p.numel() for p in net.parameters()) == parameters
    assert scores.shape == (2, 1000 if name == "plain_alexnet" else 10)
