"""The time that a GPU computes and idles, of intervals and events made up by hand."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import DeviceType

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "gpu_time.py"))
covered, idle_fraction, on_gpu = (SCRIPT[name] for name in ("covered", "idle_fraction", "on_gpu"))

STARTS_AND_LENGTHS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=12)


@pytest.mark.parametrize(
    ("intervals", "length"),
    [
        ([], 0),
        ([(2, 5)], 3),
        ([(4, 6), (0, 1)], 3),  # apart, in any order
        ([(0, 2), (2, 5)], 5),  # one begins as the other ends
        ([(0, 4), (3, 6)], 6),  # on two streams at once
        ([(0, 9), (2, 3), (8, 10)], 10),  # one within another
        ([(1, 1)], 0),
    ],
)
def test_the_union_of_intervals(intervals: list[tuple[int, int]], length: int) -> None:
    assert covered(intervals) == length


@given(STARTS_AND_LENGTHS)
def test_the_union_is_as_long_as_the_points_it_has(given: list[tuple[int, int]]) -> None:
    points = {point for start, length in given for point in range(start, start + length)}
    assert covered((start, start + length) for start, length in given) == len(points)


def test_what_is_not_computed_is_idle() -> None:
    assert idle_fraction(0.75, 1.0) == pytest.approx(0.25)
    assert idle_fraction(0.0, 1.0) == 1
    assert idle_fraction(1.01, 1.0) == 0  # the times are of two runs


def test_only_what_the_gpu_does_counts() -> None:
    def event(start: float, device: DeviceType, marked: bool = False) -> SimpleNamespace:
        time_range = SimpleNamespace(start=start, end=start + 1)
        return SimpleNamespace(time_range=time_range, device_type=device, is_user_annotation=marked)

    events = [
        event(0, DeviceType.CPU),
        event(1, DeviceType.CUDA),
        event(2, DeviceType.CUDA, marked=True),
        event(3, DeviceType.CUDA),
    ]
    assert on_gpu(events) == [(1, 2), (3, 4)]
