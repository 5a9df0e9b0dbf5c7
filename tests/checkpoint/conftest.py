"""A snapshot with all its parts, and ways to look at what is in a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sparsenet.checkpoint import (
    Checkpoint,
    CheckpointError,
    Constraint,
    SolverState,
    load_checkpoint,
    save_checkpoint,
)

CONFIG = {"net": {"name": "n", "layers": [{"name": "ip"}]}, "base_lr": 1e-4, "stages": [None, True]}


def example(**changes: Any) -> Checkpoint:
    generator = torch.Generator().manual_seed(3)
    weight = torch.randn(4, 3, generator=generator)
    weight[:2] = 0
    checkpoint = Checkpoint(
        config=CONFIG,
        iter=7,
        weights={"ip.weight": weight, "ip.bias": torch.tensor([-0.0, 1e-45, 3e38, float("inf")])},
        constraints=(Constraint("ip", ("ip.weight",), 6),),
        accuracy={"VAL": 0.1 + 0.2},
        mean_image=torch.rand(1, 2, 2, generator=generator),
        classes=("ant", "bee"),
        solver=SolverState(
            history={"ip.weight": {"velocity": torch.rand(4, 3)}, "ip.bias": {}},
            pending={"ip.weight": torch.rand(4, 3)},
            progress={"index": 0, "history": [{"stage": "a"}]},
            best=0.25,
            lines=12,
            seconds=1.5,
        ),
    )
    return replace(checkpoint, **changes)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "iter_7.pt"
    save_checkpoint(path, example())
    return path


def content(path: Path) -> Any:
    return torch.load(path, weights_only=True)


def flat(node: object) -> object:
    """Nested data with tensors as their bits, so that == means identical."""
    if isinstance(node, Tensor):
        return (tuple(node.shape), node.dtype, node.numpy().tobytes())
    if isinstance(node, dict):
        return {key: flat(value) for key, value in node.items()}
    return node


def refusal(path: Path) -> str:
    """Why a file is refused, in one line that names it."""
    with pytest.raises(CheckpointError) as raised:
        load_checkpoint(path)
    message = str(raised.value)
    assert message.startswith(f"{path}: ")
    assert len(message.splitlines()) == 1
    return message.removeprefix(f"{path}: ")
