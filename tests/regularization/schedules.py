"""Balls and stages that the tests of schedules share."""

from __future__ import annotations

from sparsenet.regularization.schedule import Ball, Schedule
from sparsenet.regularization.stages import Stage

BALLS = (
    Ball("conv", ("conv.weight",), 500, None, 10, "keep"),
    Ball("fixed", ("fixed.weight",), 50, 20, 4, "keep"),
    Ball("shared", ("ip1.weight", "ip2.weight"), 2000, None, 7, "clear"),
)


def schedule(*stages, balls=BALLS):
    return Schedule(balls, [Stage.model_validate(stage) for stage in stages])


def iters(count):
    return {"iters": count}


def accuracy(within, of="dense", **keys):
    return {"accuracy": {"within": within, "of": of}, **keys}


def advanced(made, progress, first, last):
    """The progress when every update from `first` to `last` has been about to be made."""
    for step in range(first, last + 1):
        progress = made.at(progress, step)
    return progress


def waiting(patience=None, max_iters=None, on_miss="stop", within=0.25, of="dense"):
    keys = {"patience": patience, "max_iters": max_iters}
    until = accuracy(within, of, **{key: value for key, value in keys.items() if value})
    return schedule(
        {"name": "wait", "t": {"conv": 100}, "until": until, "on_miss": on_miss},
        {"name": "next", "t": {"conv": 50}},
    )
