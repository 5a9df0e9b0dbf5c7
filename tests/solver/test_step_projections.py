"""When and on what the projections of an update act, and what does not learn."""

from __future__ import annotations

import itertools

import pytest
import torch

from sparsenet.regularization.schedule import Progress
from tests.small import inner_product, net_data, parts
from tests.solver.steps import grouped, l0, stepper_of


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
