"""Weights that are held at zero: whatever the update is, they stay, and only they."""

from __future__ import annotations

import pytest
import torch

from sparsenet.regularization.schedule import Progress
from sparsenet.solver.step import Stepper
from sparsenet.solver.update import UPDATES
from sparsenet.workflows.build import Parts
from tests.small import convolution, inner_product, net_data, parts

NET = net_data(
    convolution("conv", 4, regularization={"type": "shrink", "strength": 0.001}),
    inner_product("ip1", 16, regularization={"type": "l1", "weight_decay": 0.01}),
    inner_product("ip2", 10),
    batch_size=8,
)


def stepper_of(made: Parts) -> Stepper:
    return Stepper(made.config, made.net, made.batches["TRAIN"], made.schedule)


def zeroed(made: Parts) -> dict[str, torch.Tensor]:
    """The net's tensors, every third weight and a bias being zero now."""
    for name, tensor in made.net.weights().items():
        tensor.view(-1)[:: 3 if name.endswith("weight") else 7] = 0.0
    return {name: tensor.clone() for name, tensor in made.net.weights().items()}


@pytest.mark.parametrize("kind", UPDATES)
def test_under_every_solver_type(kind: str) -> None:
    made = parts(NET, type=kind, base_lr=0.01, weight_decay=0.05, clip_gradients=1.0)
    before, stepper = zeroed(made), stepper_of(made)
    stepper.hold_zeros(before)
    for step in range(4):
        stepper.step(step, Progress())
    for name, tensor in made.net.weights().items():
        zero = before[name] == 0
        if name.endswith("weight"):
            assert not tensor[zero].any()
            assert bool((tensor != before[name])[~zero].any())
        else:
            assert bool(tensor[zero].any()), "biases are not held"


def test_without_momentum_it_is_a_projection_after_every_update() -> None:
    free, held = (parts(NET, base_lr=0.05, weight_decay=0.01) for _ in range(2))
    before, other = zeroed(free), stepper_of(held)
    assert all(map(torch.equal, before.values(), zeroed(held).values()))
    other.hold_zeros(before)
    stepper = stepper_of(free)
    for step in range(5):
        stepper.step(step, Progress())
        for blob in free.net.blobs:
            if blob.is_weight:
                blob.tensor.detach()[before[blob.name] == 0] = 0.0
        other.step(step, Progress())
    for name, tensor in held.net.weights().items():
        torch.testing.assert_close(tensor, free.net.weights()[name], rtol=1e-6, atol=1e-7)
