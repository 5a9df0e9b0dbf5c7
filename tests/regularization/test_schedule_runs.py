"""Progress as plain data, and whole runs from random scripts of their test results."""

from __future__ import annotations

import dataclasses
import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsenet.regularization.schedule import Progress, StageEnd
from tests.regularization.schedules import schedule

ENDS = st.builds(
    StageEnd,
    st.text(max_size=5),
    st.integers(0, 99),
    st.integers(0, 99),
    st.sampled_from(["iters", "reached", "missed"]),
    st.none() | st.floats(0, 1),
)


@given(
    progress=st.builds(
        Progress,
        st.integers(0, 9),
        st.integers(0, 99),
        st.integers(0, 9),
        st.none() | st.floats(0, 1),
        st.none() | st.floats(0, 1),
        st.lists(ENDS, max_size=4).map(tuple),
        st.booleans(),
    )
)
@settings(deadline=None, max_examples=100)
def test_progress_comes_back_from_plain_data(progress):
    data = json.loads(json.dumps(progress.to_dict()))
    assert Progress.from_dict(data) == progress


@pytest.mark.parametrize("change", [{"unknown": 1}, {"history": [{"stage": "a"}]}])
def test_foreign_data_is_refused(change):
    with pytest.raises(TypeError):
        Progress.from_dict(Progress().to_dict() | change)
    with pytest.raises(KeyError):
        Progress.from_dict({"index": 0})


# Whole runs from random scripts.

TARGETS = st.integers(1, 50) | st.fixed_dictionaries(
    {
        "from": st.integers(25, 50),
        "to": st.integers(1, 25),
        "over": st.integers(1, 12),
        "shape": st.sampled_from(["linear", "cubic", "geometric"]),
    }
)
TIMED = st.fixed_dictionaries({"until": st.fixed_dictionaries({"iters": st.integers(1, 12)})})
GOAL = st.fixed_dictionaries(
    {"within": st.floats(0, 0.5), "of": st.just("dense") | st.floats(0, 1)}
)
WAIT = st.fixed_dictionaries(
    {"accuracy": GOAL}, optional={"patience": st.integers(1, 3), "max_iters": st.integers(1, 20)}
)
WAITING = st.fixed_dictionaries(
    {"until": WAIT}, optional={"on_miss": st.sampled_from(["stop", "continue"])}
)
COUNTS = st.fixed_dictionaries(
    {"t": st.dictionaries(st.sampled_from(["conv", "fixed", "shared"]), TARGETS)},
    optional={"interval": st.integers(1, 5)},
)
STAGES = st.lists(
    st.builds(lambda counts, ending: counts | ending, COUNTS, TIMED | WAITING),
    min_size=1,
    max_size=4,
)
ACCURACIES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


def played(made, accuracies, interval, steps, carried=lambda progress: progress):
    """What a loop asks of the schedule, step by step, with what it says of each step."""
    progress, seen = Progress(), []
    scores = itertools.cycle(accuracies)
    for step in range(steps):
        progress = carried(progress)
        if step % interval == 0:
            progress = made.after_test(progress, step, next(scores))
        progress = made.at(progress, step)
        if made.needs_dense(progress):
            progress = made.with_dense(progress, accuracies[0])
        due = [(ball.name, t) for ball, t in made.due(progress, step + 1)]
        seen.append((progress, made.counts(progress, step), due))
        if progress.finished:
            break
    return seen


@given(stages=STAGES, accuracies=ACCURACIES, interval=st.integers(1, 6))
@settings(deadline=None, max_examples=80)
def test_the_same_results_give_the_same_progress_also_through_a_file(stages, accuracies, interval):
    once = played(schedule(*stages), accuracies, interval, 80)
    again = played(
        schedule(*stages),
        accuracies,
        interval,
        80,
        lambda progress: Progress.from_dict(json.loads(json.dumps(progress.to_dict()))),
    )
    assert once == again


@given(stages=STAGES, accuracies=ACCURACIES, interval=st.integers(1, 6))
@settings(deadline=None, max_examples=80)
def test_whatever_the_results_stages_follow_one_another(stages, accuracies, interval):
    made = schedule(*stages)
    seen = played(made, accuracies, interval, 80)
    for step, (progress, counts, due) in enumerate(seen):
        stage = made.stages[progress.index]
        history = progress.history
        assert progress.began <= step
        assert progress.index == len(history) - (
            progress.finished and progress.index + 1 == len(history)
        )
        assert [end.stage for end in history] == [str(i + 1) for i in range(len(history))]
        begins = [0, *(end.ended for end in history)]
        assert [end.began for end in history] == begins[: len(history)]
        named = {name for past in made.stages[: progress.index + 1] for name in past.t}
        assert set(counts) == named | {"fixed"}
        assert all(name in counts for name, _ in due)
        for end, past in zip(history, made.stages, strict=False):
            until = past.until
            if end.outcome == "iters":
                assert end.ended - end.began == until.iters
            elif end.outcome == "missed":
                assert end.ended - end.began == until.max_iters
            else:
                assert until.accuracy is not None
                assert end.ended % interval == 0
                assert end.accuracy is not None
        if not progress.finished and stage.until.iters:
            assert step - progress.began < stage.until.iters
    closed = made.closed(seen[-1][0], len(seen))
    assert dataclasses.replace(closed, history=seen[-1][0].history) == seen[-1][0]
    assert len(closed.history) <= len(made.stages)
