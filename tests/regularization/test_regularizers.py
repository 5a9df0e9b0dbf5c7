"""The regularizers' options, counts and equations."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sparsenet.record import Record, check_record
from sparsenet.regularization.regularizers import (
    L0,
    L1,
    L2,
    AnyRegularizer,
    Bridgeout,
    Shrink,
)


class Holder(Record):
    regularization: AnyRegularizer


def problems_of(options):
    return check_record(Holder, {"regularization": options})[1]


@pytest.mark.parametrize(
    ("options", "key", "message"),
    [
        ({"type": "shrink"}, None, "shrink needs strength or delta"),
        (
            {"type": "shrink", "strength": 1.0, "delta": 0.1},
            "delta",
            "cannot stand beside strength; give one of them",
        ),
        ({"type": "l2", "weight_decay": -1.0}, "weight_decay", "-1.0 must be at least 0"),
        ({"type": "l1", "t": 5}, "t", "unknown key; it may be type or weight_decay"),
        (
            {"type": "shrink", "strenght": 1.0},
            "strenght",
            "unknown key; did you mean 'strength'?",
        ),
        ({"type": "l0", "interval": 0}, "interval", "0 must be at least 1"),
        (
            {"type": "l0", "velocity": "cleared"},
            "velocity",
            "'cleared' is not keep or clear; did you mean 'clear'?",
        ),
        ({"type": "l3"}, "type", "'l3' is not l2, l1, shrink, l0 or bridgeout"),
        ({"type": "bridgeout", "p": 1.0}, "p", "1.0 must be less than 1"),
        ({"type": "bridgeout", "q": 0.0}, "q", "0.0 must be greater than 0"),
        ({"type": "bridgeout", "target_fraction": 1.5}, "target_fraction", "1.5 must be at most 1"),
        (
            {"type": "bridgeout", "granularity": "exmple"},
            "granularity",
            "'exmple' is not batch or example; did you mean 'example'?",
        ),
        ({"t": 5}, "type", "is missing"),
    ],
)
def test_wrong_options_are_named(options, key, message):
    [(path, text)] = problems_of(options)
    assert path == (("regularization",) if key is None else ("regularization", key))
    assert text == message


WEIGHT = torch.tensor([-2.0, -0.1, -0.0, 0.0, 1e-30, 0.1, 2.0])


def gradient_of(regularizer, decay_mult=1.0, default_decay=0.5):
    gradient = torch.ones(7)
    regularizer.add_gradient_(WEIGHT, gradient, decay_mult, default_decay)
    return gradient.tolist()


def test_l2_adds_the_weight():
    assert gradient_of(L2()) == pytest.approx((1 + 0.5 * WEIGHT).tolist())
    assert gradient_of(L2(weight_decay=0.25), 2.0) == pytest.approx((1 + 0.5 * WEIGHT).tolist())


def test_bridgeout_adds_the_weight_as_l2_does():
    assert gradient_of(Bridgeout()) == gradient_of(L2())
    assert gradient_of(Bridgeout(weight_decay=0.25), 2.0) == gradient_of(L2())


def test_l1_adds_the_sign_which_is_0_at_0():
    assert gradient_of(L1()) == [0.5, 0.5, 1, 1, 1.5, 1.5, 1.5]
    assert gradient_of(L1(weight_decay=2.0), 0.5) == [0, 0, 1, 1, 2, 2, 2]


def test_a_decay_of_its_own_wins_over_the_solvers_even_if_0():
    for regularizer in (L2(weight_decay=0.0), L1(weight_decay=0.0)):
        assert gradient_of(regularizer, default_decay=0.5) == [1] * 7


def test_l0_takes_its_own_l2_but_not_the_solvers_decay():
    assert gradient_of(L0(t=3)) == [1] * 7
    assert gradient_of(L0(t=3, weight_decay=0.25), 2.0) == gradient_of(L2(weight_decay=0.5))


def test_shrink_leaves_the_gradient_to_the_loss():
    assert gradient_of(Shrink(strength=3.0)) == [1] * 7


def test_shrinks_threshold_is_rate_times_strength_or_delta():
    for shrink, rate, threshold in (
        (Shrink(strength=5.0), 0.1, 0.5),
        (Shrink(strength=5.0), 0.0, 0.0),
        (Shrink(delta=0.5), 0.1, 0.5),
        (Shrink(delta=0.5), 0.0, 0.5),
    ):
        assert shrink.threshold(rate) == threshold
        weight = WEIGHT.clone()
        shrink.after_update_(weight, rate)
        before = WEIGHT.numpy()
        expected = np.sign(before) * np.maximum(np.abs(before) - np.float32(threshold), 0)
        np.testing.assert_array_equal(weight.numpy(), expected)


@given(
    weight=st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=50),
    strength=st.floats(0, 1e3),
    rate=st.floats(0, 10),
)
@settings(deadline=None, max_examples=200)
def test_shrink_never_changes_a_sign_nor_enlarges_a_weight(weight, strength, rate):
    before = torch.tensor(weight)
    after = before.clone()
    Shrink(strength=strength).after_update_(after, rate)
    assert (after * before >= 0).all()
    assert (after.abs() <= before.abs()).all()
    small = before.abs().double() < strength * rate * (1 - 1e-6)
    assert (after[small] == 0).all()


def test_l1_swings_about_zero_where_shrink_stays_there():
    # The paper's section 3.1: no loss pulls, so both ought to come to rest at 0.
    swinging, resting = torch.tensor([0.55]), torch.tensor([0.55])
    visited = []
    for _ in range(20):
        gradient = torch.zeros(1)
        L1(weight_decay=1.0).add_gradient_(swinging, gradient, 1.0, 0.0)
        swinging.sub_(gradient, alpha=0.1)
        Shrink(strength=1.0).after_update_(resting, 0.1)
        visited.append((swinging.item(), resting.item()))
    swings, rests = zip(*visited[8:], strict=True)
    assert set(rests) == {0.0}
    assert all(a * b < 0 for a, b in itertools.pairwise(swings))


def test_records_are_frozen():
    with pytest.raises(ValidationError):
        L2().weight_decay = 3.0
