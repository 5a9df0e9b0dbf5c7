"""Stages that wait for an accuracy, and what a run that ends has missed."""

from __future__ import annotations

import pytest

from sparsenet.regularization.schedule import Progress, StageEnd
from tests.regularization.schedules import accuracy, iters, schedule, waiting


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
