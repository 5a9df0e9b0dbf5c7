"""The whole update of a net against NumPy."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from sparsenet.regularization.schedule import Progress
from sparsenet.solver.step import Stepper
from sparsenet.workflows.build import Parts
from tests.small import convolution, inner_product, net_data, parts
from tests.solver.steps import Doubles, l0

STEPS = 50
TWICE = [{"lr_mult": 1}, {"lr_mult": 2, "decay_mult": 0}]
SOLVER = {
    "max_iter": STEPS,
    "base_lr": 0.2,
    "lr_policy": "inv",
    "gamma": 0.05,
    "power": 0.75,
    "momentum": 0.9,
    "weight_decay": 0.01,
    "iter_size": 2,
    "clip_gradients": 3.0,
}


def mixed():
    """One net with every regularizer: a ball of one layer, and one that two layers share."""
    return net_data(
        convolution("conv", 4, param=TWICE, regularization={"type": "shrink", "strength": 0.02}),
        {"name": "pool", "type": "Pooling", "kernel_size": 2, "stride": 2},
        inner_product(
            "ip1", 16, param=TWICE, regularization=l0(t=120, interval=6, velocity="clear")
        ),
        {"name": "relu1", "type": "ReLU"},
        inner_product("ip2", 14, regularization={"type": "l1", "weight_decay": 0.003}),
        {"name": "relu2", "type": "ReLU"},
        inner_product(
            "ip3", 12, param=TWICE, regularization=l0(group="g", t=110, weight_decay=0.02)
        ),
        {"name": "relu3", "type": "ReLU"},
        inner_product("ip4", 12, param=[{"decay_mult": 3}], regularization=l0(group="g")),
        {"name": "relu4", "type": "ReLU"},
        inner_product("ip5", 11, regularization={"type": "l2", "weight_decay": 0.05}),
        {"name": "relu5", "type": "ReLU"},
        inner_product("ip6", 10, param=[{"lr_mult": 0.5, "decay_mult": 2}]),
        batch_size=8,
    )


@dataclass
class Reference:
    """Caffe's update with the paper's regularizers in NumPy, from the net's own gradients."""

    run: Parts
    net: torch.nn.Module
    batches: object
    weights: dict[str, np.ndarray]
    default: str = "L2"
    velocity: dict[str, np.ndarray] = field(default_factory=dict)
    norms: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, run, net, batches, default):
        net = copy.deepcopy(net)
        weights = {blob.name: blob.tensor.detach().double().numpy().copy() for blob in net.blobs}
        return cls(run, net, batches, weights, default)

    def gradients(self, step):
        """Sums over iter_size batches, by autograd."""
        with torch.no_grad():
            for blob in self.net.blobs:
                blob.tensor.copy_(torch.from_numpy(self.weights[blob.name]))
        tensors = [blob.tensor for blob in self.net.blobs]
        sums = [np.zeros(tensor.shape) for tensor in tensors]
        losses = []
        for index in (2 * step, 2 * step + 1):
            loss = self.net(*self.batches.batch(index), "TRAIN").loss
            gradients = torch.autograd.grad(loss, tensors)
            sums = [s + g.double().numpy() for s, g in zip(sums, gradients, strict=True)]
            losses.append(loss.item())
        return dict(zip(self.weights, sums, strict=True)), np.mean(losses)

    def step(self, step):
        gradients, loss = self.gradients(step)
        norm = np.sqrt(sum((gradient**2).sum() for gradient in gradients.values()))
        self.norms.append(norm)
        clip = min(1.0, 3.0 / norm)
        rate = 0.2 * (1 + 0.05 * step) ** -0.75
        for blob in self.net.blobs:
            name, weight = blob.name, self.weights[blob.name]
            layer, _, kind = name.partition(".")
            gradient = gradients[name] * clip / 2
            own = kind == "weight"
            decay_mult = {"ip4.weight": 3, "ip6.weight": 2}.get(name, 1)
            lr_mult = 0.5 if name == "ip6.weight" else 1
            if not own and layer in ("conv", "ip1", "ip3"):
                lr_mult, decay_mult = 2, 0
            if own and layer == "ip2":
                gradient = gradient + 0.003 * np.sign(weight)
            elif own and layer == "ip3":
                gradient = gradient + 0.02 * weight
            elif own and layer == "ip5":
                gradient = gradient + 0.05 * weight
            elif not (own and layer in ("conv", "ip1", "ip4")):
                penalty = np.sign(weight) if self.default == "L1" else weight
                gradient = gradient + 0.01 * decay_mult * penalty
            velocity = 0.9 * self.velocity.get(name, 0) + rate * lr_mult * gradient
            self.velocity[name] = velocity
            weight = weight - velocity
            if own and layer == "conv":
                weight = np.sign(weight) * np.maximum(np.abs(weight) - rate * 0.02, 0)
            self.weights[name] = weight
        if (step + 1) % 6 == 0:
            self.keep_largest(120, "ip1.weight")
            self.velocity["ip1.weight"][self.weights["ip1.weight"] == 0] = 0
        if (step + 1) % 100 == 0:
            self.keep_largest(110, "ip3.weight", "ip4.weight")
        return loss

    def keep_largest(self, t, *names):
        together = np.concatenate([self.weights[name].ravel() for name in names])
        together[np.argsort(-np.abs(together), kind="stable")[t:]] = 0
        for name in names:
            shape = self.weights[name].shape
            part, together = np.split(together, [self.weights[name].size])
            self.weights[name] = part.reshape(shape)


@pytest.mark.parametrize("default", ["L2", "L1"])
def test_fifty_updates_of_a_net_with_every_regularizer_are_numpys(default):
    run = parts(mixed(), **SOLVER, regularization_type=default)
    run.net.double()
    batches = Doubles(run.batches["TRAIN"])
    reference = Reference.of(run, run.net, batches, default)
    stepper = Stepper(run.config, run.net, batches, run.schedule)
    # From 60, so that the group's interval of 100 is met too.
    for step in range(60, 60 + STEPS):
        assert stepper.step(step, Progress()).item() == pytest.approx(reference.step(step))
        for blob in run.net.blobs:
            expected = reference.weights[blob.name]
            np.testing.assert_allclose(blob.tensor.detach().numpy(), expected, atol=1e-10)
            velocity = stepper.history[blob.name]["velocity"].numpy()
            np.testing.assert_allclose(velocity, reference.velocity[blob.name], atol=1e-10)
        if step == 99:
            together = [run.net.weights()[name] for name in ("ip3.weight", "ip4.weight")]
            assert sum(int(weight.count_nonzero()) for weight in together) == 110
    clipped = [norm > 3.0 for norm in reference.norms]
    assert any(clipped)
    assert not all(clipped)


def test_every_single_update_in_float32_is_numpys_to_1e_6():
    run = parts(mixed(), **SOLVER)
    reference = Reference.of(run, run.net, run.batches["TRAIN"], "L2")
    stepper = Stepper(run.config, run.net, run.batches["TRAIN"], run.schedule)
    for step in range(60, 60 + STEPS):
        for name, state in stepper.history.items():
            reference.weights[name] = run.net.weights()[name].double().numpy().copy()
            reference.velocity[name] = state["velocity"].double().numpy().copy()
        reference.step(step)
        stepper.step(step, Progress())
        for name, weight in run.net.weights().items():
            np.testing.assert_allclose(weight.numpy(), reference.weights[name], atol=1e-6)
            velocity = stepper.history[name]["velocity"].numpy()
            np.testing.assert_allclose(velocity, reference.velocity[name], atol=1e-6)
