"""Bridgeout's perturbation against its equations, with masks held and over many masks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsenet.regularization.perturbation import drawn, perturbed, spread, targets

SHAPES = [(5, 8), (6, 4, 3, 3), (3, 4, 1, 1), (6, 1, 5, 5)]


def weight_of(shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def held(shape, p, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator) >= p


def plainly(weight, kept, q, p, fraction):
    """W~ and dW~/dW, weight by weight: the targets by sorting, the rest by the equations."""
    w = weight.numpy()
    t = np.zeros_like(w)
    count = int(fraction * w.shape[1])
    for o in range(len(w)):
        norms = [float(np.sqrt((w[o, c] ** 2).sum())) for c in range(w.shape[1])]
        for c in sorted(range(w.shape[1]), key=norms.__getitem__)[:count]:
            t[o, c] = 1
    noise = t * (kept.numpy() / (1 - p) - 1)
    value = w + noise * (np.abs(w) + 1e-12) ** (q / 2)
    slope = 1 + noise * (q / 2) * (np.abs(w) + 1e-12) ** (q / 2 - 1) * np.sign(w)
    return torch.tensor(value), torch.tensor(slope)


@given(
    shape=st.sampled_from(SHAPES),
    q=st.floats(0.5, 3),
    p=st.floats(0, 0.9),
    fraction=st.floats(0.05, 1),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_value_and_slope_are_those_of_the_equations(shape, q, p, fraction, seed):
    weight, kept = weight_of(shape, seed).requires_grad_(), held(shape, p, seed)
    made = perturbed(weight, spread(weight, q, fraction), kept, p)
    made.backward(torch.ones_like(made))
    value, slope = plainly(weight.detach(), kept, q, p, fraction)
    torch.testing.assert_close(made.detach(), value, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(weight.grad, slope, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("q", [1.0, 1.5, 2.0])
@pytest.mark.parametrize("fraction", [0.75, 1.0])
def test_the_gradient_with_the_mask_held(shape, q, fraction):
    weight, kept = weight_of(shape).requires_grad_(), held(shape, 0.3)

    def function(weight):
        return perturbed(weight, spread(weight, q, fraction), kept, 0.3)

    assert torch.autograd.gradcheck(function, [weight])


def test_a_weight_of_zero_keeps_its_gradient():
    weight = torch.zeros(1, 3, requires_grad=True)
    made = perturbed(weight, spread(weight, 1.0, 1.0), torch.tensor([[True, False, True]]), 0.5)
    made.sum().backward()
    assert weight.grad.tolist() == [[1, 1, 1]]
    assert made.detach().abs().max() <= 1.1e-6


@pytest.mark.parametrize("p", [0.3, 0.5])
def test_q_2_is_dropconnect(p):
    weight = weight_of((4, 6))
    kept = held((4, 6), p)
    made = perturbed(weight, spread(weight, 2.0, 1.0), kept, p)
    dropped = weight * kept / (1 - p)
    mirrored = 2 * weight - dropped
    torch.testing.assert_close(made, torch.where(weight > 0, dropped, mirrored))
    assert torch.equal((made.abs() < 1e-11)[weight > 0], ~kept[weight > 0])
    # Of a negative weight both have mean w and variance w^2 p / (1 - p).
    both = [
        perturbed(weight, spread(weight, 2.0, 1.0), torch.full_like(weight, m, dtype=torch.bool), p)
        for m in (False, True)
    ]
    torch.testing.assert_close(p * both[0] + (1 - p) * both[1], weight)
    variance = p * (both[0] - weight) ** 2 + (1 - p) * (both[1] - weight) ** 2
    torch.testing.assert_close(variance, weight**2 * p / (1 - p))


@pytest.mark.parametrize(("q", "fraction"), [(2.0, 1.0), (1.5, 1.0), (1.0, 1.0), (1.5, 0.75)])
def test_on_average_it_is_the_penalty(q, fraction):
    p, draws = 0.3, 40_000
    weight, x, wanted = weight_of((1, 8)), weight_of((8,), 5), 0.7
    torch.manual_seed(4)
    kept = drawn(weight, p, draws)
    outputs = perturbed(weight, spread(weight, q, fraction), kept, p)[:, 0] @ x
    losses = (outputs - wanted) ** 2
    dense = float(weight[0] @ x - wanted) ** 2
    target = targets(weight, fraction)[0] if fraction < 1 else torch.ones(8)
    penalty = p / (1 - p) * float((target * weight[0].abs() ** q * x**2).sum())
    error = float(losses.std()) / draws**0.5
    assert penalty > 20 * error  # so that the average says something
    assert abs(float(losses.mean()) - dense - penalty) < 4 * error


def test_the_targets_of_a_row_are_its_smallest_weights():
    weight = torch.tensor([[4.0, -1, 3, -2, 5], [-0.1, 9, -8, 7, -6]])
    wanted = torch.tensor([[0, 1, 1, 1, 0], [1, 0, 0, 1, 1]], dtype=torch.bool)
    assert torch.equal(targets(weight, 0.75), wanted)  # int(3.75) of each


def test_the_targets_of_a_filter_are_its_smallest_kernels():
    weight = torch.zeros(2, 4, 2, 2)
    # By their largest weight channel 1 of the first filter would be the least.
    weight[0] = torch.tensor([3.0, 2, 0, 9])[:, None, None] * torch.eye(2)
    weight[0, 1] = 2.0
    weight[1] = -torch.tensor([1.0, 4, 3, 2])[:, None, None] * torch.eye(2)
    found = targets(weight, 0.5)
    assert found.shape == (2, 4, 1, 1)
    wanted = torch.tensor([[0, 1, 1, 0], [1, 0, 0, 1]], dtype=torch.bool)
    wanted[0] = torch.tensor([False, True, True, False])
    assert torch.equal(found[:, :, 0, 0], wanted)


@pytest.mark.parametrize(("channels", "count"), [(1, 0), (2, 1), (3, 2), (4, 3), (64, 48)])
def test_as_many_are_targeted_as_published(channels, count):
    assert targets(weight_of((3, channels, 3, 3)), 0.75).sum(1).flatten().tolist() == [count] * 3
    assert targets(weight_of((3, channels)), 0.75).sum(1).tolist() == [count] * 3
    assert targets(torch.zeros(3, channels), 0.75).sum(1).tolist() == [count] * 3


@pytest.mark.parametrize("shape", [(6, 1, 3, 3), (6, 4, 3, 3), (6, 4, 1, 1)])
def test_the_layout_in_memory_stays(shape):
    weight = weight_of(shape).to(memory_format=torch.channels_last)
    size = spread(weight, 1.5, 0.75)
    made = perturbed(weight, size, drawn(weight, 0.3), 0.3)
    assert made.is_contiguous(memory_format=torch.channels_last)


def test_a_mask_drops_with_probability_p():
    torch.manual_seed(0)
    weight = torch.empty(300, 200)
    assert drawn(weight, 0.3).shape == (300, 200)
    kept = drawn(weight, 0.3, 4)
    assert kept.shape == (4, 300, 200)
    deviation = (0.3 * 0.7 / kept[0].numel()) ** 0.5
    assert all(abs(float(one.float().mean()) - 0.7) < 5 * deviation for one in kept)
    assert not torch.equal(kept[0], kept[1])


def test_p_0_is_the_weight_itself():
    weight = weight_of((6, 4, 3, 3)).float()
    assert torch.equal(
        perturbed(weight, spread(weight, 1.5, 0.75), drawn(weight, 0.0), 0.0), weight
    )
