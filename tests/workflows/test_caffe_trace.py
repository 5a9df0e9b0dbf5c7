"""From Caffe's files to Caffe's losses: a solver, its LMDB and a caffemodel, imported and trained.

SPARSENET_CAFFE_REFERENCE is a folder with the LMDB, the first weights and the losses that BVLC
Caffe itself wrote; tests/solver/test_caffe.py has more of its losses, on batches of torchvision's.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from sparsenet.cli.main import run
from tests.workflows.caffe_runs import lenet

REFERENCE = os.environ.get("SPARSENET_CAFFE_REFERENCE")
pytestmark = pytest.mark.skipif(
    not REFERENCE, reason="SPARSENET_CAFFE_REFERENCE names no folder of what Caffe wrote"
)

BATCHES = 20
"""What the LMDB holds, 1,280 digits."""
POLICIES = {
    "lenet_l2_inv": 'lr_policy: "inv" gamma: 0.0001 power: 0.75',
    "lenet_l1_step": 'lr_policy: "step" gamma: 0.5 stepsize: 50 regularization_type: "L1"',
}
SOLVER = f"""
net: "train_val.prototxt"
base_lr: 0.01 momentum: 0.9 weight_decay: 0.0005
max_iter: {BATCHES} display: 1 snapshot_prefix: "lenet" solver_mode: CPU
"""


@pytest.mark.parametrize("name", POLICIES)
def test_an_imported_training_has_caffes_losses(name: str, tmp_path: Path) -> None:
    assert REFERENCE is not None
    reference = Path(REFERENCE)
    lmdb = reference / "mnist_1280_lmdb"
    (tmp_path / "train_val.prototxt").write_text(lenet().text(64, str(lmdb)))
    (tmp_path / "solver.prototxt").write_text(SOLVER + POLICIES[name])
    given = ["--weights", str(reference / "lenet_init.caffemodel"), "-o", str(tmp_path / "out")]
    assert run(["import-caffe", str(tmp_path / "solver.prototxt"), *given]) == 0
    folder, solver = tmp_path / "run", tmp_path / "out" / "solver.yaml"
    weights = ["--weights", str(tmp_path / "out" / "weights.pt"), "--output", str(folder)]
    assert run(["train", str(solver), *weights, "--quiet"]) == 0
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    losses = [line["loss"] for line in lines if "loss" in line and "phase" not in line]
    printed = np.loadtxt(reference / f"{name}.trace")[:BATCHES, 1]
    assert len(losses) == BATCHES
    np.testing.assert_allclose(losses[:8], printed[:8], rtol=1e-5)
    np.testing.assert_allclose(losses, printed, rtol=0.015)
