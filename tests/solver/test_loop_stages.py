"""What is tested and saved satisfies its constraints; stages that wait for an accuracy."""

from __future__ import annotations

import json

import pytest

from sparsenet.checkpoint import load_checkpoint
from sparsenet.metrics import MetricsLog
from sparsenet.progress import Quiet
from sparsenet.regularization.schedule import StageEnd
from sparsenet.run_folder import RunFolder
from sparsenet.solver.evaluate import evaluate
from sparsenet.workflows.recorder import Recorder
from tests.solver.loops import STAGES, Told, small, trained


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
