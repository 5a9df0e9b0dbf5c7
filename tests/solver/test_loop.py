"""What happens when, and that looking at a run changes nothing of it."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import torch

from sparsenet.checkpoint import violations
from sparsenet.metrics import MetricsLog
from sparsenet.progress import Quiet
from sparsenet.regularization.schedule import Progress, StageEnd
from sparsenet.run_folder import RunFolder
from sparsenet.solver import loop
from sparsenet.solver.constrained import restore_pending_
from sparsenet.workflows.build import Parts
from sparsenet.workflows.recorder import Recorder, checkpoint_of
from tests.solver.loops import Told, assert_same_state, never, small, state, trained


class Saving(Told):
    """Makes a snapshot and a model of every step, as the run folder's recorder does."""

    def __init__(self, run: Parts, folder: Path):
        super().__init__()
        folder.mkdir()
        log = MetricsLog(folder / "metrics.jsonl")
        self.run, self.recorder = run, Recorder(run, RunFolder(folder), log, Quiet())
        self.kept = []

    def advanced(self, loop):
        before = state(loop)
        checkpoint_of(self.run, loop)
        # A copy, as a file is: the history in it is the live one.
        self.kept.append(copy.deepcopy(checkpoint_of(self.run, loop, lines=0)))
        assert_same_state(before, state(loop))


def test_testing_and_saving_at_every_step_end_bit_identical_to_neither(tmp_path):
    silent, _ = trained(small(snapshot=0))
    run = small(snapshot=1, test_interval=1)
    listener = Saving(run, tmp_path / "run")
    watched, _ = trained(run, listener)
    listener.recorder.log.close()
    assert_same_state(state(silent), state(watched))
    assert listener.at("tested") == list(range(31))
    assert listener.at("snapshot") == list(range(1, 31))
    assert len(listener.kept) == 30
    # And what was saved satisfied its constraints, between projections too.
    for checkpoint in listener.kept:
        assert violations(checkpoint) == []
    assert [len(checkpoint.constraints) for checkpoint in listener.kept] == (
        [0] * 5 + [1] * 14 + [2] * 11
    )
    assert any(checkpoint.solver.pending for checkpoint in listener.kept)


@pytest.mark.parametrize("kept", [1, 6, 7, 19, 23, 24, 29])
def test_from_what_was_saved_at_any_step_the_run_ends_the_same(tmp_path, kept):
    run = small(snapshot=1, test_interval=7)
    listener = Saving(run, tmp_path / "run")
    whole, told = trained(run, listener)
    listener.recorder.log.close()
    saved = listener.kept[kept - 1]
    loop = small(snapshot=1, test_interval=7).loop()
    for name, weight in loop.net.weights().items():
        weight.copy_(saved.weights[name])
    restore_pending_(loop.net.weights(), saved.solver.pending)
    loop.stepper.load_history(saved.solver.history)
    loop.progress = Progress.from_dict(saved.solver.progress)
    loop.step, loop.best = saved.iter, saved.solver.best
    rest = Told()
    loop.run(rest, never)
    loop.close(rest)
    assert_same_state(state(whole), state(loop))
    assert loop.progress == whole.progress
    assert rest.at("tested") == [step for step in told.at("tested") if step >= kept]


# When what happens.


def test_the_processes_are_compared_before_the_first_update_and_after_the_last(monkeypatch):
    compared = []
    monkeypatch.setattr(loop, "require_same", lambda weights, step: compared.append(step))
    small().loop().run(Told(), never)
    assert compared == [0, 30]


def test_tests_come_every_test_interval_from_0_on_and_at_the_end():
    assert trained(small(test_interval=8))[1].at("tested") == [0, 8, 16, 24, 30]
    assert trained(small(test_interval=10))[1].at("tested") == [0, 10, 20, 30]
    without = trained(small(test_interval=8, test_initialization=False))[1]
    assert without.at("tested") == [8, 16, 24, 30]
    assert trained(small())[1].at("tested") == []


def test_a_line_is_displayed_every_display_updates_with_the_loss_before_the_update():
    run = small(display=10, iter_size=2, max_iter=31, lr_policy="exp", gamma=0.99)
    with torch.no_grad():
        torch.manual_seed(hash((0, 0)))
        first = run.net(*run.batches["TRAIN"].batch(0), "TRAIN").loss
        torch.manual_seed(hash((0, 1)))
        second = run.net(*run.batches["TRAIN"].batch(1), "TRAIN").loss
    _, told = trained(run)
    assert [line["iter"] for line in told.lines] == [0, 10, 20, 30]
    assert told.lines[0]["loss"] == pytest.approx((first + second).item() / 2)
    line = told.lines[2]
    assert line["epoch"] == pytest.approx(20 * 2 * 16 / (1437 - 60))
    assert line["lr"] == pytest.approx(0.02 * 0.99**20)
    assert (line["stage"], line["in_stage"]) == ("both", 1)
    assert line["t"] == {"ip1": 60, "g": 50}
    assert line["seconds"] >= 0
    assert json.loads(json.dumps(line)) == line


def test_snapshots_come_every_snapshot_updates():
    assert trained(small(snapshot=8))[1].at("snapshot") == [8, 16, 24]
    assert trained(small())[1].at("snapshot") == []


def test_a_run_can_be_stopped_after_any_update_and_goes_on():
    run, listener = small(test_interval=5), Told()
    loop = run.loop()
    calls = iter([False] * 11 + [True] + [False] * 100)
    loop.run(listener, lambda: next(calls))
    assert (loop.step, loop.over) == (12, False)
    loop.run(listener, never)
    assert loop.over
    loop.close(listener)
    once, told = trained(small(test_interval=5))
    assert listener.events == told.events
    assert_same_state(state(loop), state(once))


def test_the_stages_are_told_and_each_ends_where_it_should():
    loop, told = trained(small())
    assert told.at("stage") == [5, 19]
    assert loop.progress.history == (
        StageEnd("dense", 0, 5, "iters", None),
        StageEnd("ramp", 5, 19, "iters", None),
    )


def test_the_best_net_is_chosen_among_those_with_the_last_stages_constraints():
    loop, told = trained(small(test_interval=1))
    accuracy = {line["iter"]: line["accuracy"] for line in told.lines}
    # The ramp ends at 17, but its stage at 19: only then the group has its t.
    best, expected = -1.0, []
    for step in range(19, 31):
        if told.lines[step]["t"] == {"ip1": 60, "g": 50} and accuracy[step] > best:
            best = accuracy[step]
            expected.append(step)
    assert told.at("best") == expected
    assert loop.best == best


def test_the_test_data_selects_no_net_and_judges_no_stage():
    loop, told = trained(small(val=False, test_interval=5))
    assert {line["phase"] for line in told.lines} == {"TEST"}
    assert loop.best is None
    assert told.at("best") == []
