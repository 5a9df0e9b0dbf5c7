"""When a run tests, saves, changes its stage and stops, and that looking at it changes nothing."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import torch

from sparsenet.checkpoint import load_checkpoint, violations
from sparsenet.metrics import MetricsLog
from sparsenet.progress import Quiet
from sparsenet.regularization.schedule import Progress, StageEnd
from sparsenet.run_folder import RunFolder
from sparsenet.solver.constrained import restore_pending_
from sparsenet.solver.evaluate import evaluate
from sparsenet.solver.loop import Clock, Loop, NotFiniteError
from sparsenet.workflows.build import Parts
from sparsenet.workflows.recorder import Recorder, checkpoint_of
from tests.small import convolution, inner_product, net_data, parts

L0 = {"type": "l0"}
STAGES = [
    {"name": "dense", "until": {"iters": 5}},
    {"name": "ramp", "t": {"ip1": {"from": "50%", "to": 60, "over": 12}}, "until": {"iters": 14}},
    {"name": "both", "t": {"g": 50}, "interval": 4},
]


def small(*, val=True, **solver):
    """A net with one ball of its own, one shared by two layers, Dropout, and stages."""
    layers = (
        convolution("conv", 3, regularization={"type": "shrink", "strength": 0.02}),
        {"name": "pool", "type": "Pooling", "kernel_size": 2, "stride": 2},
        inner_product("ip1", 12, regularization=L0 | {"interval": 3, "velocity": "clear"}),
        {"name": "relu1", "type": "ReLU"},
        inner_product("ip2", 12, regularization=L0 | {"group": "g"}),
        {"name": "drop", "type": "Dropout", "dropout_ratio": 0.2},
        inner_product("ip3", 10, regularization=L0 | {"group": "g"}),
    )
    data = {"transform": {"scale": 0.0625, "mirror": True}} | ({"split": 60} if val else {})
    keys = {"max_iter": 30, "base_lr": 0.02, "momentum": 0.9, "stages": STAGES, "test_iter": 1}
    return parts(net_data(*layers, **data), **(keys | solver))


class Told:
    """A listener that keeps what it is told, in order."""

    def __init__(self):
        self.events = []
        self.lines = []

    def displayed(self, line):
        self.events.append(("displayed", line["iter"]))
        self.lines.append(line)

    def tested(self, line, score):
        self.events.append(("tested", line["iter"]))
        self.lines.append(line)

    def stage_began(self, loop):
        self.events.append(("stage", loop.step))

    def snapshot(self, loop):
        self.events.append(("snapshot", loop.step))

    def best(self, loop, score):
        self.events.append(("best", loop.step))

    def advanced(self, loop):
        pass

    def at(self, kind):
        return [step for event, step in self.events if event == kind]


def never():
    return False


def trained(run: Parts, listener=None):
    loop, listener = run.loop(), listener or Told()
    loop.run(listener, never)
    loop.close(listener)
    return loop, listener


def state(loop: Loop):
    """All bits that the next update depends on."""
    tensors = {
        (name, kind): tensor
        for name, history in loop.stepper.history.items()
        for kind, tensor in history.items()
    }
    weights = {(name, "weight"): tensor for name, tensor in loop.net.weights().items()}
    return {
        key: tensor.contiguous().view(torch.int32).clone()
        for key, tensor in (tensors | weights).items()
    }


def assert_same_state(one, other):
    assert one.keys() == other.keys()
    for key, bits in one.items():
        assert torch.equal(bits, other[key]), key


# Looking at a run changes nothing of it.


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


# What is tested satisfies its constraints.


@pytest.mark.parametrize("test_interval", [1, 2, 5, 30])
@pytest.mark.parametrize("interval", [1, 3, 7, 100])
def test_what_is_tested_has_at_most_t_nonzeros_whatever_the_intervals(interval, test_interval):
    stages = [dict(stage, interval=interval) for stage in STAGES]
    _, told = trained(small(stages=stages, test_interval=test_interval))
    lines = {line["iter"]: line for line in told.lines}
    assert list(lines) == list(range(0, 31, test_interval))
    for line in lines.values():
        nonzeros = line["nonzeros"]
        found = {"ip1": nonzeros["ip1"], "g": nonzeros["ip2"] + nonzeros["ip3"]}
        assert all(found[name] <= t for name, t in line["t"].items())
    assert lines[30]["t"] == {"ip1": 60, "g": 50}


def test_the_best_and_the_final_model_on_disk_satisfy_the_last_stage(tmp_path):
    run = small(test_interval=3)
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    log = MetricsLog(folder.metrics)
    loop, _ = trained(run, Recorder(run, folder, log, Quiet()))
    log.close()
    best = load_checkpoint(folder.best)
    assert {item.name: item.t for item in best.constraints} == {"ip1": 60, "g": 50}
    assert best.accuracy == {"VAL": loop.best}
    lines = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
    tight = [line for line in lines if "phase" in line and line["iter"] >= 19 + 0]
    assert loop.best == max(line["accuracy"] for line in tight)


def test_nonzeros_are_counted_of_the_weights_as_they_are_and_not_of_biases():
    loop = small().loop()
    loop.net.weights()["ip2.weight"].zero_()[3, 4] = -1.0
    loop.net.weights()["ip3.bias"].fill_(1.0)
    assert loop.nonzeros() == {"conv": 27, "ip1": 12 * 27, "ip2": 1, "ip3": 120}


# When what happens.


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


# Stages that wait for an accuracy.


def judged(of="dense", within=1.0, last=None, **until):
    goal = {"accuracy": {"within": within, "of": of}, **until}
    wait = {"name": "wait", "t": {"ip1": 60, "g": 100}, "until": goal}
    return [{"name": "warm", "until": {"iters": 7}}, wait | (last or {}), {"t": {"g": 50}}]


class Dense(Told):
    """Measures the net itself at every update."""

    def __init__(self, run):
        super().__init__()
        self.run, self.scores = run, {}

    def advanced(self, loop):
        self.scores[loop.step] = evaluate(self.run.net, self.run.batches["VAL"], "VAL").accuracy


def test_the_reference_is_the_unconstrained_net_when_the_first_constraint_begins():
    run = small(stages=judged(), test_interval=10, test_iter=None)
    listener = Dense(run)
    loop, _ = trained(run, listener)
    assert loop.progress.dense == listener.scores[7]
    assert loop.progress.history[1] == StageEnd(
        "wait", 7, 10, "reached", loop.progress.history[1].accuracy
    )


@pytest.mark.parametrize(("of", "outcome"), [(1.0, "missed"), (0.0, "reached")])
def test_a_stage_goes_on_by_its_accuracy_or_after_max_iters(of, outcome):
    stages = judged(of, 0.0, {"on_miss": "continue"}, patience=2, max_iters=15)
    loop, told = trained(small(stages=stages, test_interval=4))
    # Tests in the stage are at 8 and 12.
    ended = 12 if outcome == "reached" else 22
    assert [(end.outcome, end.ended) for end in loop.progress.history] == [
        ("iters", 7),
        (outcome, ended),
    ]
    assert told.at("stage") == [7, ended]
    assert loop.step == 30


def test_a_missed_stage_stops_the_run_with_what_it_has():
    stages = judged(1.0, 0.0, max_iters=15)
    run = small(stages=stages, test_interval=4)
    loop, told = trained(run)
    assert (loop.step, loop.progress.finished, loop.over) == (22, True, True)
    assert [end.stage for end in loop.progress.missed] == ["wait"]
    assert {ball.name: t for ball, t in loop.balls_in_force()} == {"ip1": 60, "g": 100}
    # The last test shows what it has.
    assert told.at("tested") == [0, 4, 8, 12, 16, 20, 22]


def test_max_iter_misses_a_stage_that_still_waits():
    loop, told = trained(small(stages=judged(1.0, 0.0), test_interval=4))
    assert loop.progress.missed == (StageEnd("wait", 7, 30, "missed", loop.progress.accuracy),)
    assert told.events[-1] == ("stage", 30)


@pytest.mark.parametrize("length", [20, 21])
def test_the_last_test_is_made_once_where_the_stages_end_the_run(length):
    stages = [{"t": {"ip1": 60, "g": 50}, "until": {"iters": length}}]
    loop, told = trained(small(stages=stages, test_interval=5))
    assert loop.step == length
    assert told.at("tested") == [0, 5, 10, 15, 20] + ([21] if length == 21 else [])


# A loss that is not finite.


def stopped(run: Parts, spoil=None):
    """The message of a run that is spoilt after so many updates, and its loop and listener."""
    loop, listener = run.loop(), Told()
    if spoil:
        step, change = spoil

        def advanced(loop):
            if loop.step == step:
                change(loop.net.weights())

        listener.advanced = advanced
    with pytest.raises(NotFiniteError) as caught:
        loop.run(listener, never)
    return str(caught.value), loop, listener


def test_the_layer_whose_weights_went_first_is_named():
    def change(weights):
        weights["ip2.bias"][3] = float("nan")

    message, loop, told = stopped(small(snapshot=2), (7, change))
    assert message == "the loss is not finite at iteration 7: the weights of ip2 went first"
    assert loop.step == 7
    assert told.at("snapshot") == [2, 4, 6]


def test_of_layers_in_one_update_the_first_is_named_and_no_other_is_spoilt_by_the_loss():
    frozen = [{"lr_mult": 0}, {"lr_mult": 0}]
    exploding = [{"lr_mult": 3e36}, {"lr_mult": 1}]
    net = net_data(
        inner_product("ip1", 12, param=frozen),
        inner_product("ip2", 12, param=[{"lr_mult": 1}, {"lr_mult": 1}]),
        inner_product("ip3", 10, param=exploding),
    )
    message, _, _ = stopped(parts(net, base_lr=100.0))
    assert message == "the loss is not finite at iteration 1: the weights of ip3 went first"


def test_with_finite_weights_the_first_blob_is_named():
    def change(weights):
        weights["ip1.weight"].fill_(3e38)

    message, loop, _ = stopped(small(), (4, change))
    assert message == (
        "the loss is not finite at iteration 4: all weights are still finite, "
        "the first blob that is not is ip1"
    )
    assert loop.net.first_not_finite() is None


def test_losses_whose_sum_overflows_are_named_so():
    net = net_data(inner_product("ip", 10, weight_filler={"type": "constant", "value": 0.01}))
    net["layers"][-1]["loss_weight"] = 1e38
    message, _, _ = stopped(parts(net, iter_size=4))
    assert message == (
        "the loss is not finite at iteration 0: all weights are still finite, "
        "the first blob that is not is the sum of the losses"
    )


@pytest.mark.parametrize("last", [8, 30])
def test_weights_that_are_not_finite_are_never_saved_as_a_snapshot(last):
    def change(weights):
        weights["ip2.weight"][3, 1] = float("inf")

    message, _, told = stopped(small(snapshot=4), (last, change))
    assert message == f"after {last} updates the weights of ip2 are not finite"
    assert told.at("snapshot") == list(range(4, last, 4))


# The clock.


def test_the_clock_counts_from_where_a_resume_begins(monkeypatch):
    now = iter([100.0, 107.0, 110.0, 111.0, 115.0])
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    clock = Clock(before=30.0)
    assert clock.seconds == 30.0
    clock.start()
    assert clock.seconds == 37.0
    clock.start()  # reads the clock for what has passed, and for where it goes on
    assert clock.seconds == 44.0
