"""The constraints of a run over time: their counts, when they are due, stages that end by time."""

from __future__ import annotations

from sparsenet.regularization.schedule import Progress, StageEnd
from tests.regularization.schedules import iters, schedule


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
