"""Whole trainings against Caffe's layers and solver in NumPy: losses, rates and weights.

In float64, where both make the same trace to the last digits but few; the nets are Caffe's LeNet,
cifar10_quick and cifar10_full (with AlexNet's LRN beside its own), made small for digits of 8x8,
and one with BatchNorm, whose statistics are compared too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sparsenet.data.digits import read_digits
from sparsenet.regularization.schedule import Progress
from sparsenet.solver.lr_policies import LR_POLICIES
from sparsenet.solver.step import Stepper
from sparsenet.solver.update import UPDATES
from sparsenet.workflows.build import Parts
from tests.small import convolution, inner_product, net_data, parts
from tests.solver.loops import Told, never
from tests.solver.numpy_layers import Array, BatchNorm
from tests.solver.numpy_solver import Net, Solver
from tests.solver.steps import Doubles

BATCH, UPDATES_MADE = 16, 40
TWICE = {"param": [{"lr_mult": 1}, {"lr_mult": 2, "decay_mult": 0}]}
FROZEN = {"param": [{"lr_mult": 0.5, "decay_mult": 3}, {"lr_mult": 0}]}


def pooling(name: str, pool: str, size: int) -> dict[str, Any]:
    return {"name": name, "type": "Pooling", "pool": pool, "kernel_size": size, "stride": 2}


def relu(name: str) -> dict[str, Any]:
    return {"name": name, "type": "ReLU"}


NETS = {
    "lenet": [
        convolution("conv1", 4, **TWICE),
        pooling("pool1", "MAX", 2),
        convolution("conv2", 6, **TWICE) | {"kernel_size": 2},
        pooling("pool2", "MAX", 2),
        inner_product("ip1", 12, **TWICE),
        relu("relu1"),
        inner_product("ip2", 10, **TWICE),
    ],
    "quick": [
        convolution("conv1", 4, pad=1, **TWICE),
        pooling("pool1", "MAX", 3),
        relu("relu1"),
        convolution("conv2", 5, pad=1, **FROZEN),
        relu("relu2"),
        pooling("pool2", "AVE", 3),
        convolution("conv3", 6, pad=1, **TWICE),
        relu("relu3"),
        pooling("pool3", "AVE", 3) | {"pad": 1},
        inner_product("ip1", 12),
        inner_product("ip2", 10),
    ],
    "full": [
        convolution("conv1", 4, pad=1, **TWICE),
        pooling("pool1", "MAX", 3),
        relu("relu1"),
        {
            "name": "norm1",
            "type": "LRN",
            "local_size": 3,
            "alpha": 0.05,
            "beta": 0.75,
            "norm_region": "WITHIN_CHANNEL",
        },
        convolution("conv2", 6, pad=1, **TWICE),
        relu("relu2"),
        {"name": "norm2", "type": "LRN", "local_size": 5, "alpha": 0.1, "beta": 0.75},
        pooling("pool2", "AVE", 3),
        inner_product("ip1", 10, param=[{"decay_mult": 250}, {"decay_mult": 0}]),
    ],
    # Before a BatchNorm no bias: its gradient would be but roundings, which some types magnify.
    "normal": [
        convolution("conv1", 4, bias_term=False, pad=1),
        {"name": "bn1", "type": "BatchNorm", "moving_average_fraction": 0.95},
        {"name": "scale1", "type": "Scale", "bias_term": True, **TWICE},
        relu("relu1"),
        pooling("pool1", "AVE", 3),
        inner_product("ip1", 10),
    ],
}
TYPES: dict[str, dict[str, Any]] = {
    "SGD": {"base_lr": 0.05, "momentum": 0.9, "lr_policy": "inv", "gamma": 0.05, "power": 0.75},
    "Nesterov": {"base_lr": 0.03, "momentum": 0.9, "iter_size": 2, "clip_gradients": 2.0},
    "AdaGrad": {"base_lr": 0.02, "delta": 1e-6, "iter_size": 3},
    "RMSProp": {"base_lr": 0.003, "rms_decay": 0.9, "clip_gradients": 1.0},
    "AdaDelta": {"base_lr": 1.0, "momentum": 0.95, "delta": 1e-6, "iter_size": 2},
    "Adam": {
        "base_lr": 0.004,
        "momentum": 0.9,
        "momentum2": 0.99,
        "iter_size": 3,
        "clip_gradients": 2.0,
        "lr_policy": "step",
        "gamma": 0.5,
        "stepsize": 15,
    },
}
POLICIES: dict[str, dict[str, Any]] = {
    "fixed": {},
    "step": {"gamma": 0.3, "stepsize": 10},
    "exp": {"gamma": 0.95},
    "inv": {"gamma": 0.1, "power": 1.5},
    "multistep": {"gamma": 0.4, "stepvalue": [7, 8, 31]},
    "poly": {"power": 2.0},
    "sigmoid": {"gamma": -0.3, "stepsize": 20},
}


def run_of(net: str, **solver: Any) -> Parts:
    data = net_data(*NETS[net], batch_size=BATCH, shuffle=False)
    keys = {"max_iter": UPDATES_MADE, "weight_decay": 0.002, "display": 1, "random_seed": 5}
    return parts(data, **{**keys, **solver})


def reference(run: Parts, net: str, **solver: Any) -> Solver:
    """Caffe's solver, from the weights that the run has now."""
    images, labels = (values.numpy() for values in read_digits(train=True))

    def batch(index: int) -> tuple[Array, Array]:
        """Records in their order, round and round, as Caffe's cursor reads them."""
        rows = np.arange(index * BATCH, (index + 1) * BATCH) % len(labels)
        return images[rows] * 0.0625, labels[rows]

    weights = {name: w.double().numpy().copy() for name, w in run.net.weights().items()}
    keys = {"max_iter": UPDATES_MADE, "weight_decay": 0.002}
    return Solver(Net(NETS[net], weights), batch, **{**keys, **solver})


def assert_the_same_training(net: str, **solver: Any) -> Solver:
    """The trace of losses and rates that the loop logs, and the weights at the end."""
    run = run_of(net, **solver)
    caffe = reference(run, net, **solver)
    run.net.double()
    told = Told()
    doubled: Mapping[Any, Any] = {phase: Doubles(each) for phase, each in run.batches.items()}
    replace(run, batches=dict(doubled)).loop().run(told, never)
    trace = np.array([caffe.step() for _ in range(UPDATES_MADE)])
    assert len(told.lines) == UPDATES_MADE
    np.testing.assert_allclose([line["loss"] for line in told.lines], trace[:, 0], rtol=1e-8)
    np.testing.assert_allclose([line["lr"] for line in told.lines], trace[:, 1], rtol=1e-12)
    assert trace[-5:, 0].mean() < 0.9 * trace[0, 0]
    for name, (layer, blob, _) in zip(caffe.net.names, caffe.net.blobs, strict=True):
        ours = run.net.weights()[name].numpy()
        np.testing.assert_allclose(ours, layer.values[blob], rtol=0, atol=1e-8, err_msg=name)
    statistics = run.net.statistics()
    for layer in caffe.net.layers:
        if isinstance(layer, BatchNorm):
            for blob in ("mean", "variance", "factor"):
                ours = statistics[f"{layer.keys['name']}.{blob}"].numpy()
                np.testing.assert_allclose(ours, getattr(layer, blob), rtol=1e-8, atol=1e-10)
    return caffe


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("kind", TYPES)
def test_every_type_trains_every_net_as_caffe(kind: str, net: str) -> None:
    # Each type has both kinds of decay among its nets, and each net among its types.
    is_l1 = (list(TYPES).index(kind) + list(NETS).index(net)) % 2
    decay = "L1" if is_l1 else "L2"
    caffe = assert_the_same_training(net, type=kind, regularization_type=decay, **TYPES[kind])
    if "clip_gradients" in TYPES[kind]:
        assert any(caffe.clipped)


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_changes_the_rate_at_caffes_update(policy: str) -> None:
    solver = {"base_lr": 0.01, "momentum": 0.9, "lr_policy": policy, **POLICIES[policy]}
    assert_the_same_training("lenet", **solver)


@pytest.mark.parametrize("kind", TYPES)
def test_in_float32_the_first_losses_are_caffes_to_1e_5(kind: str) -> None:
    run = run_of("quick", type=kind, **TYPES[kind])
    caffe = reference(run, "quick", type=kind, **TYPES[kind])
    stepper = Stepper(run.config, run.net, run.batches["TRAIN"], run.schedule)
    ours = [stepper.step(step, Progress()).item() for step in range(8)]
    np.testing.assert_allclose(ours, [caffe.step()[0] for _ in range(8)], rtol=1e-5)


def test_all_types_and_policies_are_here() -> None:
    assert TYPES.keys() == UPDATES.keys()
    assert POLICIES.keys() == LR_POLICIES.keys()
