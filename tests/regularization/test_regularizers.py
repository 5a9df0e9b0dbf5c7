"""The regularizers' options, counts and equations."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from sparsenet.record import Record, check_record
from sparsenet.regularization.regularizers import (
    L0,
    L1,
    L2,
    AnyRegularizer,
    Count,
    Shrink,
    resolve_count,
)


class Holder(Record):
    regularization: AnyRegularizer


def problems_of(options):
    return check_record(Holder, {"regularization": options})[1]


COUNTS = TypeAdapter(Count)


@pytest.mark.parametrize(
    ("t", "size", "count"),
    [
        (1, 1, 1),
        (300, 500, 300),
        (500, 500, 500),
        ("100%", 7, 7),
        ("5%", 430_500, 21_525),
        ("1%", 430_500, 4_305),
        ("0.5%", 430_500, 2_152),
        ("8%", 37_748_736, 3_019_898),
        ("57%", 100, 57),  # 0.57 * 100 is 56.99999999999999 in binary
        ("29%", 100, 29),
        ("1.1%", 1000, 11),
        ("99.999%", 100_000, 99_999),
        ("0.000000000000000001%", 10**20, 1),
    ],
)
def test_count_is_exact(t, size, count):
    assert resolve_count(t, size) == count


@given(
    thousandths=st.integers(1, 100_000),
    size=st.integers(1, 10**12),
)
@settings(deadline=None, max_examples=200)
def test_percentage_is_floored_in_exact_arithmetic(thousandths, size):
    text = f"{thousandths // 1000}.{thousandths % 1000:03}%"
    expected = thousandths * size // 100_000
    if expected:
        assert resolve_count(text, size) == expected
    else:
        with pytest.raises(ValueError, match="less than one weight"):
            resolve_count(text, size)
    assert Fraction(expected) <= Fraction(thousandths * size, 100_000) < expected + 1


NOT_A_COUNT = "{} is not a whole number from 1 or a percentage such as 5%"


@pytest.mark.parametrize(
    ("t", "message"),
    [
        (0, NOT_A_COUNT.format("0")),
        (-3, NOT_A_COUNT.format("-3")),
        (True, NOT_A_COUNT.format("True")),
        (0.05, NOT_A_COUNT.format("0.05")),
        (5.0, NOT_A_COUNT.format("5.0")),
        ([5], NOT_A_COUNT.format("[5]")),
        ("abc", NOT_A_COUNT.format("'abc'")),
        ("5", NOT_A_COUNT.format("'5'")),
        ("%", NOT_A_COUNT.format("'%'")),
        ("-5%", NOT_A_COUNT.format("'-5%'")),
        ("5%%", NOT_A_COUNT.format("'5%%'")),
        ("1/2%", NOT_A_COUNT.format("'1/2%'")),
        ("nan%", NOT_A_COUNT.format("'nan%'")),
        ("\u0665%", NOT_A_COUNT.format("'\u0665%'")),
        ("5%\n", NOT_A_COUNT.format(r"'5%\n'")),
        ("9" * 5000 + "%", NOT_A_COUNT.format("'" + "9" * 56 + "...")),
        ("0%", "'0%' must be above 0% and at most 100%"),
        ("0.000%", "'0.000%' must be above 0% and at most 100%"),
        ("100.1%", "'100.1%' must be above 0% and at most 100%"),
        ("150%", "'150%' must be above 0% and at most 100%"),
    ],
)
def test_what_is_no_count_is_said_in_one_line(t, message):
    assert problems_of({"type": "l0", "t": t}) == [(("regularization", "t"), message)]
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        resolve_count(t, 1000)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("t", "size", "message"),
    [
        (501, 500, "501 is more than the 500 weights there are"),
        (1, 0, "1 is more than the 0 weights there are"),
        ("0.1%", 500, "0.1% of 500 weights is less than one weight"),
        ("100%", 0, "100% of 0 weights is less than one weight"),
    ],
)
def test_a_count_that_does_not_fit_is_refused(t, size, message):
    with pytest.raises(ValueError, match="weight") as caught:
        resolve_count(t, size)
    assert str(caught.value) == message


@pytest.mark.parametrize("t", [1, 300, "5%", "0.5%", "100%"])
def test_count_is_kept_as_written(t):
    assert COUNTS.validate_python(t) == t
    assert Holder(regularization={"type": "l0", "t": t}).model_dump()["regularization"]["t"] == t


def test_json_schema_of_a_count():
    integer, text = COUNTS.json_schema()["anyOf"]
    assert integer == {"type": "integer", "minimum": 1}
    assert text["type"] == "string"


@pytest.mark.parametrize(
    ("options", "key", "message"),
    [
        ({"type": "shrink"}, None, "shrink needs strength or delta"),
        (
            {"type": "shrink", "strength": 1.0, "delta": 0.1},
            "delta",
            "cannot stand beside strength; give one of them",
        ),
        ({"type": "l2", "weight_decay": -1.0}, "weight_decay", "-1.0 must be at least 0.0"),
        ({"type": "l1", "t": 5}, "t", "unknown key; the keys here are type or weight_decay"),
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
        ({"type": "l3"}, "type", "'l3' is not l2, l1, shrink or l0"),
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
