"""Weights under their constraints for a while, and as they were afterwards, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsenet.regularization.schedule import Ball
from sparsenet.solver.constrained import constrained, project_, restore_pending_

NAMES = ("conv.weight", "ip1.weight", "ip2.weight")
SPECIAL = [
    0x0000_0000,  # 0
    0x8000_0000,  # -0
    0x0000_0001,  # the smallest subnormal
    0x8000_0001,
    0x7F80_0000,  # infinity
    0xFF80_0000,
    0x7FC0_0000,  # a quiet NaN
    0xFFC1_2345,  # one with sign and payload
    0x7F80_0001,  # a signalling NaN
    0x3F80_0000,  # 1
    0xBF80_0000,
]
BITS = st.sampled_from(SPECIAL) | st.integers(0, 2**32 - 1)


def tensor_of(bits, shape=(-1,)):
    return torch.from_numpy(np.array(bits, dtype=np.uint32).view(np.float32).reshape(shape))


def bits_of(weights):
    return {name: tensor.numpy().view(np.uint32).tolist() for name, tensor in weights.items()}


def ball(t, *names):
    return Ball(names[0], names, 0, None, 1, "keep"), t


@st.composite
def problems(draw):
    """Three weights of any bits, two balls over them or one, and their t."""
    sizes = [draw(st.integers(1, 12)) for _ in NAMES]
    values = [draw(st.lists(BITS, min_size=size, max_size=size)) for size in sizes]
    weights = {name: tensor_of(bits) for name, bits in zip(NAMES, values, strict=True)}
    first, last = draw(st.integers(1, 24)), draw(st.integers(1, 12))
    balls = [ball(first, *NAMES[:2]), ball(last, NAMES[2])]
    return weights, balls[: draw(st.integers(0, 2))]


def clones(weights):
    return {name: tensor.clone() for name, tensor in weights.items()}


@given(problem=problems())
@settings(deadline=None, max_examples=200)
def test_inside_the_constraints_hold_and_after_all_bits_are_back(problem):
    weights, balls = problem
    before, alone = bits_of(weights), clones(weights)
    project_(alone, balls)
    with constrained(weights, balls):
        assert bits_of(weights) == bits_of(alone)
        for item, t in balls:
            assert sum(int(weights[name].count_nonzero()) for name in item.weights) <= t
    assert bits_of(weights) == before


@given(problem=problems())
@settings(deadline=None, max_examples=200)
def test_what_was_saved_inside_and_the_pending_values_are_all_the_bits(problem):
    weights, balls = problem
    before = bits_of(weights)
    with constrained(weights, balls) as pending:
        saved = clones(weights)
        kept = clones(pending)
    for name, values in kept.items():
        # Only what the projection took away, or a zero's sign: never a second copy of a weight.
        assert not (values * (saved[name] != 0)).nan_to_num(0).any()
    restore_pending_(saved, kept)
    assert bits_of(saved) == before


def test_nothing_is_pending_right_after_a_projection():
    weights = {"conv.weight": torch.randn(4, 3), "ip1.weight": torch.randn(20)}
    balls = [ball(5, "conv.weight", "ip1.weight")]
    project_(weights, balls)
    with constrained(weights, balls) as pending:
        assert pending == {}


def test_a_negative_zero_is_pending():
    weights = {"conv.weight": torch.tensor([1.0, -0.0, 0.0])}
    with constrained(weights, [ball(1, "conv.weight")]) as pending:
        assert weights["conv.weight"].signbit().tolist() == [False] * 3
        restored = clones(weights)
        restore_pending_(restored, pending)
    assert restored["conv.weight"].signbit().tolist() == [False, True, False]


def test_a_group_is_projected_as_one():
    weights = {
        "conv.weight": torch.tensor([3.0, -5.0, 1.0]),
        "ip1.weight": torch.tensor([[4.0, 2.0]]),
    }
    project_(weights, [ball(3, "conv.weight", "ip1.weight")])
    assert weights["conv.weight"].tolist() == [3.0, -5.0, 0.0]
    assert weights["ip1.weight"].tolist() == [[4.0, 0.0]]


def test_weights_in_another_memory_layout_come_back_in_it():
    weight = torch.randn(4, 3, 5, 5).contiguous(memory_format=torch.channels_last)
    before, strides = weight.clone(), weight.stride()
    with constrained({"conv.weight": weight}, [ball(7, "conv.weight")]):
        assert int(weight.count_nonzero()) == 7
    assert torch.equal(weight, before)
    assert weight.stride() == strides


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_the_weights_are_back_also_when_the_block_fails(error):
    weights = {"conv.weight": tensor_of(SPECIAL)}
    before = bits_of(weights)

    def spoil():
        weights["conv.weight"].fill_(3.0)
        raise error

    with pytest.raises(error), constrained(weights, [ball(2, "conv.weight")]):
        spoil()
    assert bits_of(weights) == before


def test_the_weights_are_back_also_when_a_later_projection_fails():
    weights = {"conv.weight": torch.tensor([1.0, 2.0]), "ip1.weight": torch.tensor([1.0, 2.0])}
    balls = [ball(1, "conv.weight"), ball(-1, "ip1.weight")]
    with pytest.raises(ValueError, match="t is -1"), constrained(weights, balls):
        pytest.fail("the block must not run")
    assert weights["conv.weight"].tolist() == [1.0, 2.0]


def test_foreign_pending_values_are_refused():
    with pytest.raises(KeyError):
        restore_pending_({}, {"conv.weight": torch.zeros(3)})


def test_parameters_can_be_constrained_outside_no_grad():
    weight = torch.nn.Parameter(torch.randn(10))
    before = weight.detach().clone()
    with constrained({"ip1.weight": weight.detach()}, [ball(3, "ip1.weight")]):
        assert int(weight.count_nonzero()) == 3
    assert torch.equal(weight, before)
