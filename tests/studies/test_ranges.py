"""The range of strengths between dense and empty, for any density that falls with the strength."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sparsenet.studies.ranges import NoRangeError, bracket, points_within

Density = Callable[[float], float]
ROOT = math.sqrt(10)


def found(density: Density) -> tuple[tuple[float, float], list[float]]:
    """The two ends, and the strengths that were tried."""
    search = bracket()
    asked = next(search)
    tried = [asked]
    while True:
        try:
            asked = search.send(density(asked))
        except StopIteration as end:
            return (end.value.weak, end.value.strong), tried
        tried.append(asked)
        assert len(tried) < 30


def logistic(center: float, width: float) -> Density:
    """Half at 10^center, and falling within so many decades."""

    def density(strength: float) -> float:
        x = (math.log10(strength) - center) / width
        return 1 / (1 + math.exp(min(x, 700.0)))

    return density


def crossings(center: float, width: float) -> tuple[float, float]:
    """Where the density is 90 % and where it is 1 %."""
    return 10 ** (center - width * math.log(9)), 10 ** (center + width * math.log(99))


@settings(max_examples=200, deadline=None)
@given(st.floats(-7, 4), st.floats(0.001, 0.4))
@example(-6.5, 0.01)  # empty at the first strength tried, and far below it
@example(3.9, 0.01)
@example(-3.0, 0.001)
def test_the_range_from_90_to_1_percent_is_enclosed_and_no_wider_than_needed(
    center: float, width: float
) -> None:
    (weak, strong), tried = found(logistic(center, width))
    last_dense, first_empty = crossings(center, width)
    assert weak <= last_dense * (1 + 1e-9)
    assert strong >= first_empty * (1 - 1e-9)
    # Each end is within a factor of sqrt(10) of its crossing, or both in one step of ten.
    if strong / weak > 10.001:
        assert weak * ROOT > last_dense * (1 - 1e-9)
        assert strong / ROOT < first_empty * (1 + 1e-9)
    assert strong / weak <= 10.001 * first_empty / last_dense
    assert len(set(tried)) == len(tried)


def test_the_ends_were_tried_and_are_dense_and_empty() -> None:
    density = logistic(-1.3, 0.2)
    (weak, strong), tried = found(density)
    assert {weak, strong} <= set(tried)
    assert density(weak) >= 0.9
    assert density(strong) <= 0.01


def test_a_sharp_fall_is_found_in_few_steps_of_ten() -> None:
    ends, tried = found(lambda strength: float(strength < 0.5))
    assert ends == pytest.approx((0.1, 1.0))
    assert tried == pytest.approx([1e-3, 1e-2, 1e-1, 1.0])


def test_what_lies_at_the_bounds_counts() -> None:
    ends, _ = found(lambda strength: {True: 0.9, False: 0.01}[strength < 0.05])
    assert ends == pytest.approx((0.01, 0.1))


def test_a_density_that_does_not_only_fall_has_ends_in_order() -> None:
    answers = {1e-3: 0.0, 1e-4: 0.5, 1e-5: 0.0, 1e-6: 0.95}
    (weak, strong), _ = found(lambda s: min(answers.items(), key=lambda it: abs(it[0] - s))[1])
    assert (weak, strong) == pytest.approx((1e-6, 1e-5))


def test_a_density_that_rises_again_ends_the_range_where_it_is_least() -> None:
    """As measured of l1 on LeNet's ip1, where training diverges at 100."""
    answers = {1e-3: 0.11, 1e-2: 0.018, 1e-1: 0.46, 1e-4: 0.84, 1e-5: 0.97, 10: 0.98, 100: math.inf}

    def density(strength: float) -> float:
        return min(answers.items(), key=lambda it: abs(math.log(it[0] / strength)))[1]

    ends, tried = found(density)
    assert ends == pytest.approx((1e-5, 1e-2))
    assert tried[:5] == pytest.approx([1e-3, 1e-2, 1e-1, 1e-4, 1e-5])


def test_noise_is_no_rise() -> None:
    answers = {1e-3: 0.99, 1e-2: 0.5, 1e-1: 0.54, 1.0: 0.005}
    ends, _ = found(lambda s: min(answers.items(), key=lambda it: abs(math.log(it[0] / s)))[1])
    assert ends == pytest.approx((10**-2.5, 1.0))


def test_a_training_that_diverges_ends_the_range() -> None:
    ends, tried = found(lambda s: math.inf if s > 0.05 else 0.2 if s > 5e-3 else 1.0)
    assert ends == pytest.approx((1e-3, 1e-2))
    assert max(tried) == pytest.approx(0.1)


def test_what_diverges_at_first_is_looked_for_below() -> None:
    ends, _ = found(lambda s: math.inf if s > 5e-5 else 0.3 if s > 5e-6 else 1.0)
    assert ends == pytest.approx((1e-6, 1e-5))


def test_no_end_is_where_training_diverged() -> None:
    """The strength between 0.001 and 0.01 alone diverges, from which the range is not to begin."""
    answers = {1e-3: 0.95, 10**-2.5: math.inf, 1e-2: 0.5, 10**-1.5: 0.3, 1e-1: 0.005}
    ends, tried = found(lambda s: min(answers.items(), key=lambda it: abs(math.log(it[0] / s)))[1])
    assert tried[3] == pytest.approx(10**-2.5)
    assert ends == pytest.approx((1e-3, 1e-1))


def test_what_is_dense_until_it_diverges_has_no_range() -> None:
    words = r"^the network is dense up to 0\.01, and spoilt at 0\.1$"
    with pytest.raises(NoRangeError, match=words):
        found(lambda s: math.inf if s > 0.05 else 1.0)


@pytest.mark.parametrize("density", [0.011, 0.5, 1.0])
def test_what_never_gets_empty(density: float) -> None:
    with pytest.raises(NoRangeError, match=r"^at 1e\+06 the network is not empty yet$"):
        found(lambda strength: density)


@pytest.mark.parametrize("density", [0.0, 0.01])
def test_what_never_gets_dense(density: float) -> None:
    with pytest.raises(NoRangeError, match=r"^at 1e-09 the network is not dense yet$"):
        found(lambda strength: density)


def test_the_farthest_strengths_are_tried() -> None:
    assert found(lambda strength: float(strength < 9e5))[0] == pytest.approx((1e5, 1e6))
    assert found(lambda strength: float(strength < 2e-9))[0] == pytest.approx((1e-9, 1e-8))


@settings(deadline=None)
@given(st.floats(1e-9, 1e5), st.floats(1.5, 1e6), st.integers(2, 30))
def test_points_lie_within_at_equal_ratios(weak: float, factor: float, count: int) -> None:
    points = points_within(weak, weak * factor, count)
    assert len(points) == count
    for place, point in enumerate(points, start=1):
        exact = weak * factor ** (place / (count + 1))
        assert point == pytest.approx(exact, rel=0.006)
        assert point == float(f"{point:.3g}")
    assert points == sorted(points)


def test_points_by_hand() -> None:
    assert points_within(0.01, 10.0, 2) == [0.1, 1.0]
    assert points_within(1.0, 10.0, 3) == [1.78, 3.16, 5.62]
