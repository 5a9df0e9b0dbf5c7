"""A small net that has everything a resume could lose, and a way to run the command on it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.small import write_solver
from tests.workflows.runs import run

SOLVER = """
net: net.yaml
max_iter: 60
base_lr: 0.05
weight_decay: 0.0005
iter_size: 2
clip_gradients: 3
lr_policy: step
gamma: 0.5
stepsize: 25
display: 5
test_interval: 10
snapshot: 15
snapshot_keep: 9
stages:
  - {name: a, t: {ip1: 50%}, until: {iters: 17}, interval: 7}
  - name: b
    t: {ip1: {from: 50%, to: 10%, over: 9}}
    until: {accuracy: {within: 50%, of: dense}, patience: 2, max_iters: 25}
    on_miss: continue
  - {name: c, t: {ip2: 40%}, interval: 4}
"""

NET = """
name: tiny
layers:
  - name: digits
    type: Data
    source: digits
    split: 100
    batch_size: 16
    transform: {mean: train, scale: 0.01, mirror: true, crop_size: 7}
  - name: conv
    type: Convolution
    num_output: 4
    kernel_size: 3
    weight_filler: {type: xavier}
    regularization: {type: shrink, strength: 0.01}
  - {name: pool, type: Pooling, kernel_size: 2, stride: 2}
  - name: ip1
    type: InnerProduct
    param: [{lr_mult: 1}, {lr_mult: 2, decay_mult: 0}]
    num_output: 20
    weight_filler: {type: xavier}
    regularization: {type: l0, velocity: clear}
  - {name: relu, type: ReLU}
  - {name: drop, type: Dropout}
  - name: ip2
    type: InnerProduct
    num_output: 10
    weight_filler: {type: xavier}
    regularization: {type: l0, interval: 9}
  - {name: accuracy, type: Accuracy, bottom: [ip2, label], phase: TEST}
  - {name: loss, type: SoftmaxWithLoss, bottom: [ip2, label]}
"""


@pytest.fixture
def solver(tmp_path: Path) -> Path:
    """The solver file of the small net, in a folder of its own."""
    return write_solver(tmp_path, NET, SOLVER)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the small net, its solver, and in `run` a finished run."""
    folder = tmp_path_factory.mktemp("home")
    run(write_solver(folder, NET, SOLVER), folder / "run", "snapshot_keep=2")
    return folder


@pytest.fixture
def copied(home: Path, tmp_path: Path) -> Path:
    """The finished run, to be changed."""
    return Path(shutil.copytree(home / "run", tmp_path / "run"))


Spawn = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def spawn() -> Spawn:
    """Start the command in a process of its own."""

    def start(*arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "sparsenet", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )

    return start


def trace(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's log without the wall clock."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


def tensors(path: Path) -> dict[str, torch.Tensor]:
    """Every tensor of a checkpoint, by the path of its keys."""
    found: dict[str, torch.Tensor] = {}

    def walk(node: object, name: str) -> None:
        if isinstance(node, torch.Tensor):
            found[name] = node
        elif isinstance(node, dict):
            for key, value in node.items():
                walk(value, f"{name}.{key}")

    walk(torch.load(path, weights_only=True), path.stem)
    return found


def assert_same_run(one: Path, other: Path, last: int) -> None:
    """Bit-identical weights, solver state and log."""
    for name in (f"iter_{last}.pt", "final.pt", "best.pt"):
        a, b = tensors(one / name), tensors(other / name)
        assert a.keys() == b.keys()
        for key in a:
            assert torch.equal(a[key], b[key]), f"{name}: {key}"
    assert trace(one) == trace(other)
