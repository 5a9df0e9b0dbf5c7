"""A ramp's t: its ends, its closed forms in exact arithmetic, and that it only tightens."""

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsenet.regularization.stages import Ramp

SHAPES = ("linear", "cubic", "geometric")


def ramp(first, last, over, shape):
    return Ramp.model_validate({"from": first, "to": last, "over": over, "shape": shape})


@st.composite
def ramps(draw, over=100_000, size=40_000_000):
    size = draw(st.integers(1, size))
    last = draw(st.integers(1, size))
    first = draw(st.integers(last, size))
    return ramp(first, last, draw(st.integers(1, over)), draw(st.sampled_from(SHAPES))), size


@given(made=ramps(), later=st.integers(0, 10**9))
@settings(deadline=None, max_examples=200)
def test_a_ramp_begins_at_from_and_stays_at_to(made, later):
    made, size = made
    assert made.at(0, size) == made.from_
    assert made.at(made.over, size) == made.to
    assert made.at(made.over + later, size) == made.to


@given(made=ramps(), times=st.lists(st.integers(0, 100_001), min_size=2, max_size=20))
@settings(deadline=None, max_examples=200)
def test_a_ramp_only_tightens_and_stays_between_its_ends(made, times):
    made, size = made
    counts = [made.at(time, size) for time in sorted(times)]
    assert counts == sorted(counts, reverse=True)
    assert made.to <= counts[-1]
    assert counts[0] <= made.from_


@given(made=ramps(over=40, size=1000), data=st.data())
@settings(deadline=None, max_examples=300)
def test_linear_and_cubic_are_their_formulas_rounded_up(made, data):
    made, size = made
    elapsed = data.draw(st.integers(0, made.over))
    power = {"linear": 1, "cubic": 3}.get(made.shape)
    if power is None:
        return
    rest = (1 - Fraction(elapsed, made.over)) ** power
    assert made.at(elapsed, size) == ceil(made.to + (made.from_ - made.to) * rest)


@given(last=st.integers(1, 300), more=st.integers(0, 300), over=st.integers(1, 3), data=st.data())
@settings(deadline=None, max_examples=300)
def test_geometric_is_its_formula_rounded_up(last, more, over, data):
    first, elapsed = last + more, data.draw(st.integers(0, over))
    count = ramp(first, last, over, "geometric").at(elapsed, first)
    # count - 1 < first^(1-x) last^x <= count, to the power `over` in whole numbers.
    exact = first ** (over - elapsed) * last**elapsed
    assert (count - 1) ** over < exact <= count**over


def test_the_shapes_are_where_one_expects_them():
    at = {shape: [ramp(1000, 10, 10, shape).at(e, 1000) for e in (0, 5, 9, 10)] for shape in SHAPES}
    assert at["linear"] == [1000, 505, 109, 10]
    assert at["cubic"] == [1000, 134, 11, 10]
    assert at["geometric"] == [1000, 100, 16, 10]


@pytest.mark.parametrize("shape", SHAPES)
def test_percentages_are_of_the_ball(shape):
    made = ramp("50%", "0.5%", 20, shape)
    assert [made.at(elapsed, 4001) for elapsed in (0, 20, 21)] == [2000, 20, 20]
    assert [made.at(e, 4001) for e in range(20)] == [
        ramp(2000, 20, 20, shape).at(e, 4001) for e in range(20)
    ]


def test_cubic_is_the_default():
    default = Ramp.model_validate({"from": 90, "to": 10, "over": 7})
    assert default.shape == "cubic"
