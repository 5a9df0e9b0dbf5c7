"""The autotune: what can compute a net is measured, and the fastest is chosen."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from torch import Tensor

from sparsenet.execution.candidates import Candidates
from sparsenet.execution.choice import Choice
from sparsenet.execution.timed import Timed
from sparsenet.execution.walk import Walk
from sparsenet.execution.whole import Whole

K = TypeVar("K")
SECONDS = 0.5
"""For each comparison, of which there are three; each candidate is measured twice at least."""
_GAIN = 0.1  # of a program's time: what other methods must save before they are tried together


def groups_for(count: int) -> tuple[int, ...]:
    """The groups that are measured for so many images."""
    return (1,) if count == 1 else (1, 8) if count <= 8 else (8, 32)


def tuned(candidates: Candidates, images: Tensor) -> Choice:
    """The fastest way to compute the scores of so many images, by minima of alternating rounds.

    The net as one program; or layer by layer, each by the method that takes the least time, where
    that is faster together too.
    """
    wholes = {group: candidates.whole(group) for group in groups_for(len(images))}
    programs = {group: whole for group, whole in wholes.items() if whole}
    times = minima({group: _call(whole, images) for group, whole in programs.items()})
    named = {f"program, {group} at a time": seconds for group, seconds in times.items()}
    best = min(times, key=lambda group: times[group], default=None)
    methods = _separately(candidates, images, None if best is None else programs[best])
    together = candidates.preferring("program")
    if best is not None and methods is None:
        return Choice(best, together, _milliseconds(named))
    assert methods is not None, "without a program each layer has a method of its own"
    runs: dict[int | None, Whole | Walk] = {None: candidates.walk(methods, len(images) > 1)}
    runs |= {} if best is None else {best: programs[best]}
    final = minima({group: _call(run, images) for group, run in runs.items()})
    named["layer by layer"] = final[None]
    chosen = min(final, key=lambda group: final[group])
    return Choice(chosen, methods if chosen is None else together, _milliseconds(named))


def _separately(
    candidates: Candidates, images: Tensor, whole: Whole | None
) -> dict[str, str] | None:
    """The method of the least time for each layer with weights.

    None where these would save less than a tenth of a whole program's time.
    """
    times = _layer_times(candidates, images, whole)
    methods = {
        layer: min(ways, key=lambda way: times[way][layer])
        for layer in candidates.preferring("program")
        if (ways := [way for way in times if layer in times[way]])
    }
    if whole is None:
        return methods
    program = times["program"]
    saved = sum(program[layer] - times[way][layer] for layer, way in methods.items())
    return None if saved < _GAIN * sum(program.values()) else methods


def minima(calls: Mapping[K, Callable[[], object]], seconds: float | None = None) -> dict[K, float]:
    """The least seconds of each call, in rounds of all, until the time is over; two at least."""
    seconds = SECONDS if seconds is None else seconds
    found = dict.fromkeys(calls, float("inf"))
    end, rounds = time.perf_counter() + seconds, 0
    while calls and (rounds < 2 or (time.perf_counter() < end and rounds < 100)):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            found[name] = min(found[name], time.perf_counter() - start)
        rounds += 1
    return found


def _layer_times(
    candidates: Candidates, images: Tensor, whole: Whole | None
) -> dict[str, dict[str, float]]:
    """Seconds of each layer with weights, by the methods that are allowed for it."""
    several = len(images) > 1
    runs: dict[str, Whole | Walk] = {} if whole is None else {"program": whole}
    first = {} if whole is None else whole.joined
    allowed = {layer: candidates.allowed(layer) for layer in candidates.preferring("program")}
    for method in {way for ways in allowed.values() for way in ways} - runs.keys():
        runs[method] = candidates.walk(candidates.preferring(method), several)
    found: dict[str, dict[str, float]] = {method: {} for method in runs}

    def measured(method: str) -> Callable[[], None]:
        def call() -> None:
            for layer, seconds in _by_layer(runs[method].timed(images), first).items():
                if method in allowed.get(layer, ()):
                    least = found[method].get(layer, float("inf"))
                    found[method][layer] = min(least, seconds)

        return call

    minima({method: measured(method) for method in sorted(runs)})
    return found


def _by_layer(timed: list[Timed], first: Mapping[str, str]) -> dict[str, float]:
    """Seconds by layer. Those that a program joins to the `first` count there in every run."""
    found: dict[str, float] = {}
    for one in timed:
        layer = first.get(one.layers[0], one.layers[0])
        found[layer] = found.get(layer, 0.0) + one.seconds
    return found


def _call(run: Whole | Walk, images: Tensor) -> Callable[[], Tensor]:
    return lambda: run(images)


def _milliseconds(named: Mapping[str, float]) -> dict[str, float]:
    return {name: round(1000 * seconds, 4) for name, seconds in named.items()}
