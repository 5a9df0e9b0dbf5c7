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
NET = """
name: "LeNet"
layer {{
  name: "mnist" type: "Data" top: "data" top: "label"
  transform_param {{ scale: 0.00390625 }}
  data_param {{ source: "{lmdb}" batch_size: 64 backend: LMDB }}
}}
{layers}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" }}
"""
TWICE = "param { lr_mult: 1 } param { lr_mult: 2 }"
XAVIER = 'weight_filler { type: "xavier" }'


def convolution(name: str, bottom: str, outputs: int) -> str:
    keys = f"convolution_param {{ num_output: {outputs} kernel_size: 5 {XAVIER} }}"
    return f'layer {{ name: "{name}" type: "Convolution" {wired(bottom, name)} {TWICE} {keys} }}'


def inner_product(name: str, bottom: str, outputs: int) -> str:
    keys = f"inner_product_param {{ num_output: {outputs} {XAVIER} }}"
    return f'layer {{ name: "{name}" type: "InnerProduct" {wired(bottom, name)} {TWICE} {keys} }}'


def pooling(name: str, bottom: str) -> str:
    keys = "pooling_param { pool: MAX kernel_size: 2 stride: 2 }"
    return f'layer {{ name: "{name}" type: "Pooling" {wired(bottom, name)} {keys} }}'


def wired(bottom: str, top: str) -> str:
    return f'bottom: "{bottom}" top: "{top}"'


LAYERS = (
    convolution("conv1", "data", 20),
    pooling("pool1", "conv1"),
    convolution("conv2", "pool1", 50),
    pooling("pool2", "conv2"),
    inner_product("ip1", "pool2", 500),
    f'layer {{ name: "relu1" type: "ReLU" {wired("ip1", "ip1")} }}',
    inner_product("ip2", "ip1", 10),
)


@pytest.mark.parametrize("name", POLICIES)
def test_an_imported_training_has_caffes_losses(name: str, tmp_path: Path) -> None:
    assert REFERENCE is not None
    reference = Path(REFERENCE)
    lmdb = reference / "mnist_1280_lmdb"
    (tmp_path / "train_val.prototxt").write_text(NET.format(lmdb=lmdb, layers="\n".join(LAYERS)))
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
