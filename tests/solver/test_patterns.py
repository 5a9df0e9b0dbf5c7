"""What lies outside a kernel_pattern is zero after every update, in weights and histories."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sparsenet.solver.update import UPDATES
from sparsenet.workflows.build import Parts
from tests.small import convolution, inner_product, net_data, parts
from tests.solver.steps import l0, stepper_of

PATTERN = "PSD1_P8"
RATES = {"AdaDelta": {"base_lr": 1.0, "momentum": 0.95}, "Adam": {"base_lr": 0.01, "momentum": 0.9}}


def patterned(pattern: str = PATTERN, rule: Any = None, **solver: Any) -> Parts:
    own = {} if rule is None else {"regularization": rule}
    net = net_data(
        convolution("conv1", 8, pad=1),
        {"name": "relu1", "type": "ReLU"},
        convolution("conv2", 8, pad=1, kernel_pattern=pattern, **own),
        {"name": "relu2", "type": "ReLU"},
        inner_product("ip", 10),
    )
    return parts(net, **{"base_lr": 0.01, **solver})


def trained(run: Parts, updates: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The weight of conv2 and its history after so many updates; zero outside after each."""
    stepper, loop = stepper_of(run), run.loop()
    [blob] = [blob for blob in run.net.blobs if blob.name == "conv2.weight"]
    outside = ~blob.learnt
    assert 0 < int(outside.sum()) < outside.numel()
    for step in range(updates):
        stepper.step(step, loop.progress)
        for tensor in (blob.tensor, *stepper.history["conv2.weight"].values()):
            assert torch.count_nonzero(tensor[outside]) == 0
    return blob.tensor.detach(), stepper.history["conv2.weight"]


@pytest.mark.parametrize("kind", UPDATES)
def test_every_solver_type_keeps_the_pattern(kind: str) -> None:
    keys = RATES.get(
        kind, {"base_lr": 0.01} | ({"momentum": 0.9} if kind in ("SGD", "Nesterov") else {})
    )
    run = patterned(type=kind, weight_decay=0.01, **keys)
    before = run.net.weights()["conv2.weight"].clone()
    weight, _ = trained(run, 4)
    inside = run.net.blobs[2].learnt
    assert (weight[inside] != before[inside]).all()


@pytest.mark.parametrize(
    "rule",
    [
        {"type": "l1", "weight_decay": 0.1},
        {"type": "shrink", "strength": 0.1},
        l0(t="50%", interval=1),
        l0(t="50%", interval=1, velocity="clear"),
    ],
)
@pytest.mark.parametrize("solver", [{}, {"iter_size": 2, "clip_gradients": 0.1}])
def test_every_regularizer_keeps_the_pattern(rule: Any, solver: Any) -> None:
    run = patterned(rule=rule, momentum=0.9, **solver)
    weight, _ = trained(run, 4)
    if rule["type"] == "l0":
        learnt = int(run.net.blobs[2].learnt.sum())
        assert run.schedule.balls[0].size == learnt
        assert torch.count_nonzero(weight) == learnt // 2


def test_an_update_is_that_of_the_masked_convolution() -> None:
    """Caffe's SGD by hand on F.conv2d(x, w * mask), the gradient of w being masked by it."""
    run, reference = patterned(momentum=0.9, weight_decay=0.01), patterned("dense")
    loop, stepper = run.loop(), stepper_of(run)
    blobs = {blob.name: blob for blob in reference.net.blobs}
    mask = run.net.blobs[2].learnt
    with torch.no_grad():
        for name, weight in run.net.weights().items():
            blobs[name].tensor.copy_(weight)
    velocity = {name: torch.zeros_like(blob.tensor) for name, blob in blobs.items()}
    for step in range(3):
        images, labels = reference.batches["TRAIN"].batch(step)
        loss = reference.net(images, labels, "TRAIN").loss
        gradients = torch.autograd.grad(loss, [blob.tensor for blob in blobs.values()])
        with torch.no_grad():
            for (name, blob), gradient in zip(blobs.items(), gradients, strict=True):
                masked = gradient * mask if name == "conv2.weight" else gradient
                velocity[name].mul_(0.9).add_(0.01 * (masked + 0.01 * blob.tensor))
                blob.tensor.sub_(velocity[name])
        stepper.step(step, loop.progress)
    for name, weight in run.net.weights().items():
        torch.testing.assert_close(weight, blobs[name].tensor.detach(), rtol=1e-5, atol=1e-7)


def test_clipping_sees_what_is_learnt_alone() -> None:
    """All gradients in the pattern scaled to a norm: at rate 1 the step's length is that norm."""
    run = patterned(base_lr=1.0, clip_gradients=0.001)
    before = {name: weight.clone() for name, weight in run.net.weights().items()}
    stepper_of(run).step(0, run.loop().progress)
    after = run.net.weights()
    moved = torch.cat([(after[name] - before[name]).flatten() for name in before])
    torch.testing.assert_close(
        moved.double().norm(), torch.tensor(0.001).double(), rtol=1e-3, atol=0
    )
