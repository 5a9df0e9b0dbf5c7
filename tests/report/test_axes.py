"""Scales map ends onto ends, and their numbers are few, round and within."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsenet.report.axes import Frame, Scale, log_padded, number, padded
from tests.report.parsed import named, parsed

VALUES = st.lists(st.floats(1e-30, 1e30), min_size=1, max_size=5)


@pytest.mark.parametrize("log", [False, True])
def test_ends_lie_on_ends_and_the_middle_between(log: bool) -> None:
    scale = Scale(1, 100, 10, 30, log=log)
    middle = 10 if log else 50.5
    assert [scale(value) for value in (1, middle, 100)] == pytest.approx([10, 20, 30])


@pytest.mark.parametrize(
    ("low", "high", "log", "ticks"),
    [
        (0, 2500, False, [0, 500, 1000, 1500, 2000, 2500]),
        (73.4, 76.3, False, [74, 75, 76]),
        (75.6, 76.6, False, [75.6, 75.8, 76, 76.2, 76.4, 76.6]),
        (-0.3, 0.3, False, [-0.2, 0, 0.2]),
        (8, 600, True, [10, 20, 50, 100, 200, 500]),
        (0.0005, 3, True, [0.001, 0.01, 0.1, 1]),
        (400, 600, True, [400, 450, 500, 550, 600]),
    ],
)
def test_numbers_are_round(low: float, high: float, log: bool, ticks: list[float]) -> None:
    assert Scale(low, high, 0, 1, log=log).ticks() == pytest.approx(ticks)


@given(values=VALUES, log=st.booleans())
def test_any_values_have_a_scale_with_a_few_numbers_within(values: list[float], log: bool) -> None:
    least = abs(values[0]) * 1e-3
    low, high = log_padded(values) if log else padded(values, least=least)
    scale = Scale(low, high, 0, 100, log=log)
    assert all(-1e-6 <= scale(value) <= 100 + 1e-6 for value in values)
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 12
    assert ticks == sorted(set(ticks))
    assert all(-1e-6 <= scale(tick) <= 100 + 1e-6 for tick in ticks)


def test_equal_values_have_room_around() -> None:
    assert padded([5, 5], least=1) == (4.5, 5.5)
    assert log_padded([8, 8]) == pytest.approx((8 / math.sqrt(2), 8 * math.sqrt(2)))


@pytest.mark.parametrize(
    ("value", "words"), [(20000.0, "20,000"), (0.1 + 0.2, "0.3"), (75.0, "75"), (1e-5, "1e-05")]
)
def test_numbers_in_words(value: float, words: str) -> None:
    assert number(value) == words


def test_axes_are_named_and_hidden_from_screen_readers() -> None:
    frame = Frame(Scale(0, 10, 50, 90), Scale(0, 1, 40, 10), "updates <x>", "loss")
    nodes = parsed(frame.axes())
    assert nodes[0].attributes["aria-hidden"] == "true"
    words = [node.words for node in named(nodes, "text")]
    assert words == ["0", "2", "4", "6", "8", "10", "0", "0.2", "0.4", "0.6", "0.8", "1",
                     "updates <x>", "loss"]  # fmt: skip
