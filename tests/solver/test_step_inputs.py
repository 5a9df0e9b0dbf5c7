"""What an update depends on, and what it does with a loss that is not finite."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparsenet.data.raw import DataError
from sparsenet.regularization.schedule import Progress
from sparsenet.solver.lr_policies import learning_rate
from tests.small import inner_product, net_data, parts
from tests.solver.steps import grouped, stepper_of


def test_the_loss_is_the_mean_over_iter_size_before_the_update():
    run = grouped(iter_size=3)
    with torch.no_grad():
        losses = [
            run.net(*run.batches["TRAIN"].batch(index), "TRAIN").loss.item() for index in (6, 7, 8)
        ]
    assert stepper_of(run).step(2, Progress()).item() == pytest.approx(np.mean(losses))


@pytest.mark.parametrize(("batch", "spoilt"), [(6, False), (7, True)])
def test_data_that_fail_amid_an_update_have_spoilt_the_statistics(batch, spoilt, monkeypatch):
    norm = {"name": "norm", "type": "BatchNorm"}
    run = parts(net_data(inner_product("ip1", 12), norm, inner_product("ip2", 10)), iter_size=2)
    stepper, taken = stepper_of(run), run.batches["TRAIN"].batch

    def failing(index):
        if index == batch:
            raise DataError("gone")
        return taken(index)

    monkeypatch.setattr(run.batches["TRAIN"], "batch", failing)
    for step in range(3):
        stepper.step(step, Progress())
    before = {name: tensor.clone() for name, tensor in run.net.weights().items()}
    with pytest.raises(DataError):
        stepper.step(3, Progress())
    assert stepper.spoilt is spoilt
    same = all(torch.equal(tensor, before[name]) for name, tensor in run.net.weights().items())
    assert same is not spoilt


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


DROPOUT = ({"name": "drop", "type": "Dropout"}, inner_product("ip", 10))
BRIDGEOUT = (inner_product("ip", 10, regularization={"type": "bridgeout"}),)


@pytest.mark.parametrize("layers", [DROPOUT, BRIDGEOUT], ids=["Dropout", "bridgeout"])
def test_masks_are_a_function_of_seed_and_step_alone(layers):
    losses = {}
    for seed in (1, 2):
        data = net_data(*layers, shuffle=False)
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
