"""The whole update of a net against NumPy, and when and on what its projections act."""

from __future__ import annotations

import copy
import itertools
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from sparsenet.regularization.schedule import Progress
from sparsenet.solver.lr_policies import learning_rate
from sparsenet.solver.step import Stepper
from sparsenet.workflows.build import Parts
from tests.small import convolution, inner_product, net_data, parts

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


def l0(**keys):
    return {"type": "l0", **keys}


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


class Doubles:
    """Batches whose images are float64."""

    def __init__(self, batches):
        self.batches, self.device = batches, batches.device

    def batch(self, step):
        images, labels = self.batches.batch(step)
        return images.double(), labels


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


# Projections.


def stepper_of(run: Parts) -> Stepper:
    return Stepper(run.config, run.net, run.batches["TRAIN"], run.schedule)


def grouped(velocity="keep", **solver):
    """A ball of its own and one that two layers share."""
    rule = l0(group="g", t=40, interval=6, velocity=velocity)
    return parts(
        net_data(
            inner_product("ip1", 12, regularization=l0(t=100, interval=4, velocity=velocity)),
            {"name": "relu1", "type": "ReLU"},
            inner_product("ip2", 12, regularization=rule),
            {"name": "relu2", "type": "ReLU"},
            inner_product("ip3", 10, regularization=rule),
        ),
        **({"base_lr": 0.01} | (solver if "type" in solver else {"momentum": 0.9, **solver})),
    )


@pytest.mark.parametrize("velocity", ["keep", "clear"])
def test_projections_come_every_interval_updates_and_not_before(velocity):
    run = grouped(velocity)
    stepper = stepper_of(run)
    weights = run.net.weights()
    for step in range(24):
        stepper.step(step, Progress())
        single = int(weights["ip1.weight"].count_nonzero())
        shared = sum(int(weights[name].count_nonzero()) for name in ("ip2.weight", "ip3.weight"))
        # Between them weights come back: this is projection, not a mask.
        assert (single == 100) if (step + 1) % 4 == 0 else (single > 100)
        assert (shared == 40) if (step + 1) % 6 == 0 else (shared > 40)


def test_a_weight_that_was_zeroed_can_be_among_the_largest_again():
    run = grouped()
    stepper = stepper_of(run)
    kept = []
    for step in range(40):
        stepper.step(step, Progress())
        if (step + 1) % 4 == 0:
            kept.append(run.net.weights()["ip1.weight"] != 0)
    came_back = [(~early & late).any() for early, late in itertools.pairwise(kept)]
    assert any(came_back)


@pytest.mark.parametrize("velocity", ["keep", "clear"])
def test_the_momentum_of_zeroed_weights_is_kept_or_cleared(velocity):
    run = grouped(velocity)
    stepper = stepper_of(run)
    for step in range(12):
        stepper.step(step, Progress())
    for name in ("ip1.weight", "ip2.weight", "ip3.weight"):
        momentum = stepper.history[name]["velocity"]
        zeroed = run.net.weights()[name] == 0
        assert momentum[~zeroed].any()
        assert bool(momentum[zeroed].any()) == (velocity == "keep")
        assert not stepper.history[name.replace("weight", "bias")]["velocity"].eq(0).all()


@pytest.mark.parametrize("solver_type", ["AdaGrad", "RMSProp", "AdaDelta", "Adam", "Nesterov"])
def test_every_solver_type_projects_and_clears_what_velocity_it_has(solver_type):
    keys = {"momentum": 0.9} if solver_type in ("AdaDelta", "Adam", "Nesterov") else {}
    run = grouped("clear", type=solver_type, **keys)
    stepper = stepper_of(run)
    for step in range(4):
        stepper.step(step, Progress())
    zeroed = run.net.weights()["ip1.weight"] == 0
    assert int((~zeroed).sum()) == 100
    state = stepper.history["ip1.weight"]
    assert "velocity" not in state or not state["velocity"][zeroed].any()
    assert "squares" not in state or state["squares"][zeroed].any()


# What does not learn.


def test_a_blob_with_lr_mult_0_stays_but_is_still_projected():
    frozen = inner_product(
        "ip1",
        12,
        param=[{"lr_mult": 0}, {"lr_mult": 0}],
        regularization=l0(t=100, interval=2, velocity="clear"),
        bias_filler={"type": "constant", "value": 0.5},
    )
    run = parts(net_data(frozen, inner_product("ip2", 10)), weight_decay=0.1, momentum=0.9)
    stepper = stepper_of(run)
    before = {name: weight.clone() for name, weight in run.net.weights().items()}
    assert list(stepper.history) == ["ip2.weight", "ip2.bias"]
    stepper.step(0, Progress())
    assert torch.equal(run.net.weights()["ip1.weight"], before["ip1.weight"])
    stepper.step(1, Progress())
    weights = run.net.weights()
    assert int(weights["ip1.weight"].count_nonzero()) == 100
    assert torch.equal(weights["ip1.bias"], before["ip1.bias"])
    assert all(blob.tensor.grad is None for blob in run.net.blobs if blob.lr_mult == 0)
    assert not torch.equal(weights["ip2.weight"], before["ip2.weight"])


def test_a_net_in_which_nothing_learns_only_has_a_loss():
    frozen = [{"lr_mult": 0}, {"lr_mult": 0}]
    run = parts(net_data(inner_product("ip", 10, param=frozen)))
    before = run.net.weights()["ip.weight"].clone()
    assert stepper_of(run).step(0, Progress()).isfinite()
    assert torch.equal(run.net.weights()["ip.weight"], before)


# The loss, and what an update depends on.


def test_the_loss_is_the_mean_over_iter_size_before_the_update():
    run = grouped(iter_size=3)
    with torch.no_grad():
        losses = [
            run.net(*run.batches["TRAIN"].batch(index), "TRAIN").loss.item() for index in (6, 7, 8)
        ]
    assert stepper_of(run).step(2, Progress()).item() == pytest.approx(np.mean(losses))


def test_iter_size_batches_are_one_batch_of_their_sum():
    data = net_data(inner_product("ip", 10), shuffle=False, batch_size=8)
    several = parts(data, iter_size=4, momentum=0.9)
    data["layers"][0]["batch_size"] = 32
    whole = parts(data, momentum=0.9)
    for run in (several, whole):
        stepper = stepper_of(run)
        for step in range(5):
            stepper.step(step, Progress())
    for name, weight in several.net.weights().items():
        torch.testing.assert_close(weight, whole.net.weights()[name], atol=1e-5, rtol=0)


def test_dropout_is_a_function_of_seed_and_step_alone():
    drop = {"name": "drop", "type": "Dropout"}
    losses = {}
    for seed in (1, 2):
        data = net_data(drop, inner_product("ip", 10), shuffle=False)
        run = parts(data, iter_size=2, random_seed=seed)
        run.net.weights()["ip.weight"].copy_(torch.linspace(-1, 1, 640).reshape(10, 64))
        before = {name: weight.clone() for name, weight in run.net.weights().items()}
        stepper = stepper_of(run)
        for noise in (0, 1):
            for step in (3, 4, 3):
                torch.manual_seed(noise)
                for name, weight in run.net.weights().items():
                    weight.copy_(before[name])
                losses.setdefault((seed, step), set()).add(stepper.step(step, Progress()).item())
    assert all(len(found) == 1 for found in losses.values())
    assert len(set.union(*losses.values())) == 4


def test_a_history_can_be_taken_over():
    one, other = grouped(), grouped()
    first, second = stepper_of(one), stepper_of(other)
    for step in range(3):
        first.step(step, Progress())
    second.load_history(first.history)
    for name, weight in one.net.weights().items():
        other.net.weights()[name].copy_(weight)
    for step in range(3, 9):
        first.step(step, Progress())
        second.step(step, Progress())
    for name, weight in one.net.weights().items():
        assert torch.equal(weight, other.net.weights()[name])
    with pytest.raises(KeyError):
        second.load_history({})
    wrong = {name: {"velocity": torch.zeros(3, 3)} for name in first.history}
    with pytest.raises(RuntimeError):
        second.load_history(wrong)


def test_bf16_computes_in_bf16_and_keeps_float32_weights():
    run = grouped(precision="bf16")
    exact = grouped()
    loss = stepper_of(run).step(0, Progress())
    assert loss == pytest.approx(stepper_of(exact).step(0, Progress()).item(), rel=0.05)
    assert {weight.dtype for weight in run.net.weights().values()} == {torch.float32}
    assert not torch.equal(run.net.weights()["ip1.weight"], exact.net.weights()["ip1.weight"])


# A loss that is not finite.


def test_a_loss_that_is_not_finite_updates_nothing():
    run = grouped(iter_size=2)
    stepper = stepper_of(run)
    stepper.step(0, Progress())
    run.net.weights()["ip2.weight"][3, 4] = float("nan")
    before = {name: weight.clone() for name, weight in run.net.weights().items()}
    momentum = {name: state["velocity"].clone() for name, state in stepper.history.items()}
    for step in (1, 2, 3, 4, 5):  # among them updates after which a projection is due
        assert not stepper.step(step, Progress()).isfinite()
    for name, weight in run.net.weights().items():
        assert torch.equal(weight.nan_to_num(7), before[name].nan_to_num(7))
        assert torch.equal(stepper.history[name]["velocity"], momentum[name])


def test_the_first_blob_that_is_not_finite_is_found_in_any_of_the_batches():
    run = grouped(iter_size=3)
    stepper = stepper_of(run)
    assert stepper.first_blob_not_finite(0) is None
    whole = run.batches["TRAIN"].batch

    def spoilt(index):
        images, labels = whole(index)
        return (images * float("nan") if index == 5 else images), labels

    run.batches["TRAIN"].batch = spoilt
    assert stepper.first_blob_not_finite(0) is None
    assert stepper.first_blob_not_finite(1) == "data"
    run.batches["TRAIN"].batch = whole
    run.net.weights()["ip2.bias"][0] = float("inf")
    assert stepper.first_blob_not_finite(1) == "ip2"


def test_the_rate_is_that_of_the_updates_made_before():
    run = parts(net_data(inner_product("ip", 10)), lr_policy="step", gamma=0.5, stepsize=3)
    stepper = stepper_of(run)
    for step in range(7):
        before = run.net.weights()["ip.weight"].clone()
        stepper.step(step, Progress())
        gradient = run.net.blobs[0].tensor.grad
        rate = 0.1 * 0.5 ** (step // 3)
        assert rate == learning_rate(run.config, step)
        expected = before - rate * gradient
        torch.testing.assert_close(run.net.weights()["ip.weight"], expected)
