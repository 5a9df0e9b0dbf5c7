"""The recorder: saved weights satisfy their constraints, the trajectory does not notice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from sparsenet.checkpoint import load_checkpoint, violations
from sparsenet.config.load import load_solver
from sparsenet.files import FileError
from sparsenet.metrics import MetricsLog
from sparsenet.progress import Quiet
from sparsenet.regularization.schedule import StageEnd
from sparsenet.run_folder import RunFolder
from sparsenet.solver.evaluate import Score
from sparsenet.solver.loop import Loop, NotFiniteError
from sparsenet.workflows.build import Parts, build
from sparsenet.workflows.recorder import Recorder

OVERRIDES = ["stages=[{name: a, t: {ip1: 50%, ip2: 7}, until: {iters: 4}}, {t: {ip1: 9}}]"]


class Shown(Quiet):
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.densities: list[float] = []

    def displayed(self, line: dict[str, Any], density: float) -> None:
        self.densities.append(density)

    def tested(self, line: dict[str, Any], density: float) -> None:
        self.densities.append(density)

    def note(self, text: str) -> None:
        self.notes.append(text)


class Events:
    """Stands for the event files."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def displayed(self, line: dict[str, Any]) -> None:
        self.lines.append(line)

    def tested(self, line: dict[str, Any]) -> None:
        self.lines.append(line)

    def close(self) -> None:
        pass


class Case:
    def __init__(self, solver: Path, folder: Path) -> None:
        self.parts: Parts = build(load_solver(solver, OVERRIDES), torch.device("cpu"))
        self.folder, self.display, self.events = RunFolder(folder), Shown(), Events()
        self.folder.open()
        self.log = MetricsLog(self.folder.metrics)
        events: Any = self.events
        self.recorder = Recorder(self.parts, self.folder, self.log, self.display, events)
        self.loop: Loop = self.parts.loop()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.folder.metrics.read_text().splitlines()]

    def spoil(self, blob: str, value: float) -> None:
        self.parts.net.weights()[blob].view(-1)[3] = value


@pytest.fixture
def case(solver: Path, tmp_path: Path) -> Iterator[Case]:
    case = Case(solver, tmp_path / "run")
    yield case
    case.log.close()


def test_a_snapshot_satisfies_the_constraints_and_the_weights_do_not_notice(case: Case) -> None:
    before = {name: tensor.clone() for name, tensor in case.parts.net.weights().items()}
    case.recorder.snapshot(case.loop)
    saved = load_checkpoint(case.folder.snapshot(0))
    assert [(item.name, item.t) for item in saved.constraints] == [("ip1", 360), ("ip2", 7)]
    assert violations(saved) == []
    assert saved.solver is not None
    for name, tensor in case.parts.net.weights().items():
        assert torch.equal(tensor, before[name])
        pending = saved.solver.pending.get(name, torch.zeros(()))
        assert torch.equal(saved.weights[name] + pending, before[name])
    assert saved.config == case.parts.configuration.data
    assert saved.mean_image is not None
    assert torch.equal(saved.mean_image, case.parts.batches["TRAIN"].mean_image)


def test_what_is_pending_is_counted_as_what_it_is(case: Case) -> None:
    case.recorder.snapshot(case.loop)
    solver = load_checkpoint(case.folder.snapshot(0)).solver
    assert solver is not None
    assert set(solver.pending) == {"ip1.weight", "ip2.weight"}
    assert int(torch.count_nonzero(solver.pending["ip2.weight"])) == 200 - 7


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("blob", ["conv.weight", "ip1.bias", "ip2.weight"])
def test_weights_that_are_not_finite_are_never_saved(blob: str, value: float, case: Case) -> None:
    case.loop.step = 12
    case.spoil(blob, value)
    case.spoil("ip2.bias", value)  # a later layer is not the one that is named
    words = f"after 12 updates the weights of {blob.partition('.')[0]} are not finite"
    score = Score("VAL", 100, 0.5, 1.0, {})
    for save in (case.recorder.snapshot, lambda loop: case.recorder.best(loop, score)):
        with pytest.raises(NotFiniteError) as raised:
            save(case.loop)
        assert str(raised.value) == words
    assert list(case.folder.path.glob("*.pt")) == []


def test_what_has_just_been_saved_is_not_saved_again(case: Case) -> None:
    case.recorder.snapshot(case.loop)
    case.recorder.snapshot(case.loop)
    assert case.display.notes == [f"Snapshot {case.folder.snapshot(0)}"]
    case.recorder.displayed(line())  # the log has gone on
    case.recorder.snapshot(case.loop)
    case.loop.step = 5
    case.recorder.snapshot(case.loop)
    assert len(case.display.notes) == 3


def test_only_the_newest_snapshots_are_kept(solver: Path, tmp_path: Path) -> None:
    text = solver.read_text().replace("snapshot_keep: 9", "snapshot_keep: 2")
    solver.write_text(text)
    case = Case(solver, tmp_path / "run")
    for step in (3, 9, 10, 11):
        case.loop.step = step
        case.recorder.snapshot(case.loop)
    case.log.close()
    assert [path.name for path in case.folder.snapshots()] == ["iter_11.pt", "iter_10.pt"]


def test_a_snapshot_knows_the_log_that_is_on_the_disk(case: Case) -> None:
    case.recorder.displayed(line())
    case.recorder.snapshot(case.loop)
    solver = load_checkpoint(case.folder.snapshot(0)).solver
    assert solver is not None
    assert solver.lines == len(case.lines()) == 1


def test_a_log_that_is_not_on_the_disk_is_not_counted_on(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise FileError("the log")

    monkeypatch.setattr(case.log, "sync", fail)
    with pytest.raises(FileError):
        case.recorder.snapshot(case.loop)
    assert case.folder.snapshots() == []


def test_the_best_has_no_solver_state_and_its_accuracy(case: Case) -> None:
    case.recorder.best(case.loop, Score("VAL", 100, 0.75, 1.0, {}))
    best = load_checkpoint(case.folder.best)
    assert (best.solver, best.accuracy) == (None, {"VAL": 0.75})


def line(**keys: Any) -> dict[str, Any]:
    return {"iter": 0, "loss": 1.0, "t": {"ip1": 360, "ip2": 7}} | keys


def test_lines_go_to_the_log_the_display_and_the_event_files(case: Case) -> None:
    shown = line()
    tested = line(nonzeros={"conv": 36, "ip1": 300, "ip2": 7})
    case.recorder.displayed(shown)
    case.recorder.tested(tested, Score("VAL", 100, 0.75, 1.0, {}))
    assert case.lines() == case.events.lines == [shown, tested]
    assert case.display.densities == [(36 + 360 + 7) / 956, (36 + 300 + 7) / 956]


def test_the_end_of_a_stage_is_logged_and_told(case: Case) -> None:
    progress = case.parts.schedule.at(case.loop.progress, 4)
    case.loop.step, case.loop.progress = 4, progress
    case.recorder.stage_began(case.loop)
    ended = StageEnd("a", 0, 4, "iters", None)
    assert case.lines() == [{"iter": 4, "stage_end": vars(ended)}]
    assert case.display.notes == [
        "Iteration 4, stage a is over after 4 updates; stage 2 begins with t = ip1 9, ip2 7"
    ]


def test_the_end_of_a_stage_with_the_run_begins_no_other(case: Case) -> None:
    case.loop.step = case.loop.config.max_iter
    case.loop.progress = case.parts.schedule.at(case.loop.progress, 4)
    case.recorder.stage_began(case.loop)
    assert case.display.notes == [f"Iteration {case.loop.step}, stage a is over after 4 updates"]
