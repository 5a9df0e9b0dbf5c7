"""LeNet's first updates on MNIST beside those of BVLC Caffe itself.

SPARSENET_CAFFE_REFERENCE is a folder with Caffe's initial weights (lenet_init.npz) and the losses
it printed from there (*.trace), batches of 64 in the order of the files. Summing in another order
alone moves these losses by up to 3 % within 200 iterations, from nothing at first.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from sparsenet.regularization.schedule import Progress
from sparsenet.solver.step import Stepper
from tests.small import convolution, inner_product, net_data, parts

REFERENCE = os.environ.get("SPARSENET_CAFFE_REFERENCE")
DATA = os.environ.get("SPARSENET_DATA")
pytestmark = [
    pytest.mark.skipif(not REFERENCE, reason="SPARSENET_CAFFE_REFERENCE names no folder"),
    pytest.mark.skipif(not DATA, reason="SPARSENET_DATA names no folder with MNIST"),
]

STEPS = 60
TWICE = {"param": [{"lr_mult": 1}, {"lr_mult": 2}]}
POOL = {"type": "Pooling", "pool": "MAX", "kernel_size": 2, "stride": 2}
LENET = net_data(
    convolution("conv1", 20, **TWICE) | {"kernel_size": 5},
    {"name": "pool1", **POOL},
    convolution("conv2", 50, **TWICE) | {"kernel_size": 5},
    {"name": "pool2", **POOL},
    inner_product("ip1", 500, **TWICE),
    {"name": "relu1", "type": "ReLU"},
    inner_product("ip2", 10, **TWICE),
    source="MNIST",
    download=False,
    shuffle=False,
    batch_size=64,
    transform={"scale": 0.00390625},
)
SOLVER = {"base_lr": 0.01, "momentum": 0.9, "weight_decay": 0.0005, "max_iter": 1000}
TRACES = {
    "lenet_l2_inv": {"lr_policy": "inv", "gamma": 0.0001, "power": 0.75},
    "lenet_l1_step": {
        "regularization_type": "L1",
        "lr_policy": "step",
        "gamma": 0.5,
        "stepsize": 50,
    },
}


@pytest.mark.parametrize("name", TRACES)
def test_the_losses_are_caffes(name):
    assert REFERENCE is not None
    run = parts(LENET, **SOLVER, **TRACES[name])
    first = np.load(Path(REFERENCE) / "lenet_init.npz")
    weights = run.net.weights()
    assert set(first) == set(weights)
    for blob, values in first.items():
        weights[blob].copy_(torch.from_numpy(values))
    stepper = Stepper(run.config, run.net, run.batches["TRAIN"], run.schedule)
    losses = [stepper.step(step, Progress()).item() for step in range(STEPS)]
    printed = np.loadtxt(Path(REFERENCE) / f"{name}.trace")[:STEPS, 1]
    np.testing.assert_allclose(losses[:8], printed[:8], rtol=1e-5)
    np.testing.assert_allclose(losses[:50], printed[:50], rtol=0.015)
    np.testing.assert_allclose(losses, printed, rtol=0.03)
