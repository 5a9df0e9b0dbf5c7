"""The constraints of a run over time, from scripts of its test results."""

from __future__ import annotations

import dataclasses
import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsenet.regularization.schedule import Ball, Progress, Schedule, StageEnd
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


# Without stages.


def test_without_stages_every_ball_keeps_its_own_t():
    made = schedule()
    assert made.counts(Progress(), 0) == made.counts(Progress(), 10**6) == {"fixed": 20}
    assert made.final_counts() == {"fixed": 20}
    assert made.is_tight(Progress(), 0)
    assert made.stage_name(Progress()) == ""
    assert made.at(Progress(), 10**6) == Progress()
    assert made.closed(Progress(), 10**6) == Progress()
    assert made.after_test(Progress(), 5, 0.5) == Progress(accuracy=0.5)
    assert not made.needs_dense(Progress())


def test_without_balls_nothing_is_ever_due():
    made = schedule(balls=())
    assert all(made.due(Progress(), step) == [] for step in range(1, 200))
    assert made.is_tight(Progress(), 0)


# When projections are due.


def test_each_ball_is_due_at_its_own_interval():
    made = schedule({"t": {"conv": 30, "shared": "10%"}})
    found = {name: [] for name in ("conv", "fixed", "shared")}
    for step in range(1, 41):
        for ball, t in made.due(Progress(), step):
            assert t == {"conv": 30, "fixed": 20, "shared": 200}[ball.name]
            found[ball.name].append(step)
    assert found == {
        "conv": [10, 20, 30, 40],
        "fixed": list(range(4, 41, 4)),
        "shared": [7, 14, 21, 28, 35],
    }


def test_a_stage_may_have_an_interval_of_its_own_for_every_ball():
    made = schedule({"t": {"conv": 30}, "interval": 6, "until": iters(12)}, {"t": {"conv": 20}})
    due = [[ball.name for ball, _ in made.due(Progress(), step)] for step in range(1, 13)]
    assert due == ([[]] * 5 + [["conv", "fixed"]]) * 2
    second = Progress(index=1, began=12)
    assert [b.name for b, _ in made.due(second, 18)] == []
    assert [(b.name, t) for b, t in made.due(second, 20)] == [("conv", 20), ("fixed", 20)]


def test_a_ball_is_not_due_before_a_stage_has_given_it_a_t():
    made = schedule({"until": iters(20)}, {"t": {"conv": 30}})
    assert [b.name for b, _ in made.due(Progress(), 20)] == ["fixed"]
    assert [b.name for b, _ in made.due(Progress(index=1, began=20), 30)] == ["conv"]


# Counts.


def test_what_a_stage_does_not_name_stays_as_the_stage_before_left_it():
    made = schedule(
        {"t": {"conv": "50%"}, "until": iters(5)},
        {"t": {"shared": {"from": 900, "to": 100, "over": 8}, "fixed": 5}, "until": iters(8)},
        {"t": {"conv": 50}, "until": iters(5)},
        {},
    )
    assert made.counts(Progress(), 3) == {"fixed": 20, "conv": 250}
    second = Progress(index=1, began=5)
    assert made.counts(second, 5) == {"fixed": 5, "conv": 250, "shared": 900}
    assert made.counts(second, 9) == {"fixed": 5, "conv": 250, "shared": 200}
    # A ramp of an earlier stage is at its end, wherever it was cut off.
    assert made.counts(Progress(index=2, began=6), 6) == {"fixed": 5, "conv": 50, "shared": 100}
    assert made.counts(Progress(index=3, began=9), 9) == made.final_counts()
    assert made.final_counts() == {"fixed": 5, "conv": 50, "shared": 100}


def test_tight_is_the_last_stages_counts_ramped_all_the_way():
    made = schedule(
        {"t": {"conv": 50}, "until": iters(5)},
        {"t": {"conv": {"from": 50, "to": 10, "over": 8}}},
    )
    tight = [
        step
        for step in range(30)
        if made.is_tight(Progress() if step < 5 else Progress(index=1, began=5), step)
    ]
    # At 12, after 7 of 8 updates, the cubic ramp is at 11.
    assert tight == list(range(13, 30))


# Stages that end by time.


def test_stages_end_after_their_iters():
    made = schedule({"name": "warm", "until": iters(5)}, {"until": iters(3)}, {"t": {"conv": 9}})
    names = []
    progress = Progress()
    for step in range(12):
        progress = made.at(progress, step)
        names.append(made.stage_name(progress))
    assert names == ["warm"] * 5 + ["2"] * 3 + ["3"] * 4
    assert progress.history == (
        StageEnd("warm", 0, 5, "iters", None),
        StageEnd("2", 5, 8, "iters", None),
    )
    assert not progress.finished
    assert made.closed(progress, 12) == progress


def test_the_end_of_the_last_stage_ends_the_training():
    made = schedule({"t": {"conv": 9}, "until": iters(5)})
    assert not made.at(Progress(), 4).finished
    ended = made.at(Progress(), 5)
    assert ended == Progress(finished=True, history=(StageEnd("1", 0, 5, "iters", None),))
    assert made.at(ended, 6) == made.closed(ended, 6) == ended
    assert not ended.missed


def test_a_stage_that_ends_by_time_tells_its_own_last_accuracy():
    made = schedule({"until": iters(5)}, {"until": iters(5)}, {})
    progress = made.at(made.after_test(Progress(), 5, 0.75), 5)
    assert progress.history[-1].accuracy == 0.75
    assert made.at(progress, 10).history[-1].accuracy is None


# Stages that wait for an accuracy.


def waiting(patience=None, max_iters=None, on_miss="stop", within=0.25, of="dense"):
    keys = {"patience": patience, "max_iters": max_iters}
    until = accuracy(within, of, **{key: value for key, value in keys.items() if value})
    return schedule(
        {"name": "wait", "t": {"conv": 100}, "until": until, "on_miss": on_miss},
        {"name": "next", "t": {"conv": 50}},
    )


def test_a_stage_reaches_its_accuracy_at_the_goal_itself():
    made = waiting()
    progress = made.with_dense(Progress(), 0.875)
    assert made.goal(progress) == 0.625
    below = made.after_test(progress, 10, 0.6249999)
    assert (below.index, below.reached, below.accuracy) == (0, 0, 0.6249999)
    reached = made.after_test(below, 20, 0.625)
    assert (reached.index, reached.began, reached.reached) == (1, 20, 0)
    assert reached.history == (StageEnd("wait", 0, 20, "reached", 0.625),)
    assert reached.dense == 0.875


def test_the_goal_may_be_of_a_number():
    made = waiting(of=0.75, within="25%")
    assert made.goal(Progress()) == 0.5
    assert not made.needs_dense(Progress())
    assert made.after_test(Progress(), 10, 0.5).index == 1


def test_before_the_reference_is_known_nothing_is_reached():
    made = waiting()
    assert made.goal(Progress()) is None
    assert made.after_test(Progress(), 0, 1.0) == Progress(accuracy=1.0)


def test_patience_counts_good_tests_in_a_row():
    made = waiting(patience=3, of=0.75)
    progress, counted = Progress(), []
    for step, value in enumerate((0.9, 0.5, 0.1, 0.9, 0.9, 0.4, 0.6, 0.7, 0.8), 1):
        progress = made.after_test(progress, step, value)
        counted.append(progress.reached)
    assert counted == [1, 2, 0, 1, 2, 0, 1, 2, 0]
    assert progress.history == (StageEnd("wait", 0, 9, "reached", 0.8),)


def test_no_test_counts_before_the_stages_ramp_has_ended():
    ramp = {"from": 100, "to": 10, "over": 20, "shape": "linear"}
    made = schedule({"t": {"conv": ramp}, "until": accuracy(0.25, 0.75)}, {})
    progress = Progress()
    for step in (5, 10, 15, 19):
        progress = made.after_test(progress, step, 1.0)
        assert (progress.index, progress.reached) == (0, 0)
    assert made.after_test(progress, 20, 1.0).index == 1


@pytest.mark.parametrize("on_miss", ["stop", "continue"])
def test_a_stage_misses_its_accuracy_after_max_iters(on_miss):
    made = waiting(max_iters=30, on_miss=on_miss, of=0.75)
    progress = made.after_test(Progress(), 20, 0.25)
    assert made.at(progress, 29) == progress
    missed = made.at(progress, 30)
    assert missed.missed == missed.history == (StageEnd("wait", 0, 30, "missed", 0.25),)
    assert missed.finished == (on_miss == "stop")
    if on_miss == "continue":
        assert (missed.index, missed.began, missed.reached) == (1, 30, 0)
    else:
        assert made.counts(missed, 30) == {"fixed": 20, "conv": 100}
        assert made.closed(missed, 30) == missed
        # The last test of a run that has stopped comes too late for its stage.
        assert made.after_test(missed, 30, 1.0).history == missed.history


def test_a_test_at_max_iters_still_counts():
    made = waiting(max_iters=30, of=0.75)
    reached = made.after_test(Progress(), 30, 0.75)
    assert made.at(reached, 30).history[-1].outcome == "reached"


def test_the_reference_is_measured_when_the_first_constraining_stage_begins():
    made = schedule(
        {"until": iters(10)},
        {"t": {"conv": 100}, "until": iters(10)},
        {"t": {"conv": 50}, "until": accuracy(0.25)},
    )
    wanted, progress = [], Progress()
    for step in range(30):
        progress = made.at(progress, step)
        if made.needs_dense(progress):
            wanted.append(step)
            progress = made.with_dense(progress, 0.875)
    assert wanted == [10]
    assert progress.dense == 0.875
    assert made.goal(progress) == 0.625


def test_the_reference_is_measured_earlier_for_a_stage_that_waits_for_it_earlier():
    made = schedule({"until": accuracy(0.25)}, {"t": {"conv": 100}})
    assert made.needs_dense(Progress())


def test_the_reference_is_not_measured_where_no_stage_asks_for_it():
    made = schedule({"t": {"conv": 100}, "until": accuracy(0.25, 0.75)}, {"t": {"conv": 50}})
    assert not made.needs_dense(Progress())
    assert not made.needs_dense(Progress(index=1, began=10))


# When max_iter ends the run.


def test_a_stage_that_still_waits_at_the_end_has_missed_its_accuracy():
    made = waiting(of=0.75)
    closed = made.closed(made.after_test(Progress(), 20, 0.25), 25)
    assert closed.missed == (StageEnd("wait", 0, 25, "missed", 0.25),)


def test_a_last_stage_that_still_waits_is_missed_though_its_constraints_hold():
    made = schedule({"t": {"conv": 9}, "until": accuracy(0.25, 0.75)})
    assert made.is_tight(Progress(), 25)
    assert made.closed(Progress(), 25).missed == (StageEnd("1", 0, 25, "missed", None),)


def test_a_stage_that_never_began_is_missed_with_the_one_before_it():
    made = schedule({"until": iters(10)}, {"t": {"conv": 9}})
    assert made.closed(Progress(), 9).missed == (StageEnd("1", 0, 9, "missed", None),)


def test_a_last_ramp_cut_off_is_missed():
    made = schedule({"t": {"conv": {"from": 100, "to": 10, "over": 20}}})
    assert made.closed(Progress(), 19).missed == (StageEnd("1", 0, 19, "missed", None),)
    assert made.closed(Progress(), 20) == Progress()


def test_a_last_stage_that_waits_for_nothing_is_not_missed():
    made = schedule({"t": {"conv": 9}, "until": iters(100)})
    assert made.closed(Progress(), 50) == Progress()


# Progress as plain data.

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
