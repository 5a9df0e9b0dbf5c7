"""How long a GPU computes: what the time of a program is otherwise, it idles."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.autograd import DeviceType

Interval = tuple[float, float]


def covered(intervals: Iterable[Interval]) -> float:
    """The length of the union of intervals (start, end), which may overlap in any way."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(intervals):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def idle_fraction(busy: float, wall: float) -> float:
    """The part of `wall` seconds in which a GPU that was busy for `busy` seconds had no work."""
    return max(0.0, 1 - busy / wall)


def on_gpu(events: Iterable[Any]) -> list[Interval]:
    """(start, end) in microseconds of a profile's kernels, copies and fills.

    Ranges that a program marks, such as an optimizer's step, are shown on the GPU too, from their
    first kernel to their last: they are no work of it.
    """
    return [
        (event.time_range.start, event.time_range.end)
        for event in events
        if event.device_type == DeviceType.CUDA and not event.is_user_annotation
    ]


def busy_seconds(work: Callable[[], object]) -> float:
    """Run the work and wait for it: the seconds in which the GPU had at least one kernel.

    Profiling delays the program and not the kernels, so its own wall time is of no use: set this
    against that of the same work without it.
    """
    torch.cuda.synchronize()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        work()
        torch.cuda.synchronize()
    return covered(on_gpu(profile.events())) / 1e6
