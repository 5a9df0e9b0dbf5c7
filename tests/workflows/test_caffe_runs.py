"""LeNet, cifar10_quick and cifar10_full as Caffe's files, imported and trained to Caffe's losses.

SGD with L2 and L1, Nesterov and Adam with iter_size and clip_gradients; caffe_runs.py says how
Caffe was run. Its float32 comes to other losses on another processor, or with two threads, from
nothing at first to 3 % within 200 updates: one maximum of a pooling that is as near to another as
a rounding is enough. In float64 we have no such event, and in its first updates Caffe has none.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sparsenet.checkpoint import load_checkpoint
from sparsenet.cli.main import run
from sparsenet.config.load import load_solver
from sparsenet.regularization.schedule import Progress
from sparsenet.workflows.build import build
from tests.solver.steps import Doubles, stepper_of
from tests.workflows.caffe_runs import IMAGES, LOSSES, RUNS, write_images, write_run

DATA = os.environ.get("SPARSENET_DATA")
pytestmark = pytest.mark.skipif(
    not DATA, reason="SPARSENET_DATA names no folder with MNIST and CIFAR-10"
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what Caffe had."""
    assert DATA is not None
    folder = tmp_path_factory.mktemp("caffe")
    for name in IMAGES:
        write_images(folder, name, Path(DATA))
    return folder


def imported(files: Path, name: str, folder: Path) -> Path:
    """The folder of a solver that import-caffe made."""
    solver, weights = write_run(files, name), str(files / f"{name}.caffemodel")
    assert run(["import-caffe", str(solver), "--weights", weights, "-o", str(folder)]) == 0
    return folder


def printed(name: str) -> np.ndarray:
    losses: np.ndarray = np.loadtxt(LOSSES / f"{name}.trace")[:, 1]
    assert len(losses) == RUNS[name].updates
    return losses


@pytest.mark.parametrize("name", RUNS)
def test_the_losses_are_caffes(name: str, files: Path, tmp_path: Path) -> None:
    folder = imported(files, name, tmp_path / "imported")
    weights, output = str(folder / "weights.pt"), tmp_path / "run"
    given = ["--weights", weights, "--output", str(output), "--quiet"]
    assert run(["train", str(folder / "solver.yaml"), *given]) == 0
    lines = map(json.loads, (output / "metrics.jsonl").read_text().splitlines())
    losses = [line["loss"] for line in lines if "loss" in line and "phase" not in line]
    apart = np.abs(np.array(losses) / printed(name) - 1)
    assert apart[:50].max() < 0.015
    assert apart.mean() < 0.01
    assert apart.max() < 0.05


@pytest.mark.parametrize("name", RUNS)
def test_in_float64_the_first_losses_are_caffes_to_1e_5(
    name: str, files: Path, tmp_path: Path
) -> None:
    folder = imported(files, name, tmp_path / "imported")
    made = build(load_solver(folder / "solver.yaml"), torch.device("cpu"))
    first = load_checkpoint(folder / "weights.pt").weights
    weights = made.net.double().weights()
    for blob in set(first) & set(weights):
        weights[blob].copy_(first[blob])
    batches = {"TRAIN": Doubles(made.batches["TRAIN"])}
    stepper = stepper_of(replace(made, batches=batches))
    losses = [stepper.step(step, Progress()).item() for step in range(8)]
    np.testing.assert_allclose(losses, printed(name)[:8], rtol=1e-5)
