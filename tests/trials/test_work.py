"""Carrying out a trial: its line is what the other commands would say of its net."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import torch

from sparsenet.checkpoint import load_checkpoint
from sparsenet.config.load import from_data
from sparsenet.progress import Quiet
from sparsenet.solver.evaluate import evaluate
from sparsenet.trials.board import FileBoard, Status
from sparsenet.trials.result import Result, as_result
from sparsenet.trials.work import Outcome, carry_out
from sparsenet.workflows.build import build
from sparsenet.workflows.copying import copy_weights
from sparsenet.workflows.memsize import memory_of
from sparsenet.workflows.pruning import Pruning
from sparsenet.workflows.test import evaluate_checkpoint
from sparsenet.workflows.train import TrainOptions, train
from tests.trials.trials import board, data, order


def _result(outcome: Outcome) -> Result:
    assert outcome.error is None
    assert outcome.line is not None
    return as_result(outcome.line)


def _assert_agrees(found: Result, path: Path, phases: tuple[str, ...] = ("VAL", "TEST")) -> None:
    """The numbers of a line are those of the checkpoint."""
    for phase in phases:
        score = evaluate_checkpoint(path, phase)  # type: ignore[arg-type]
        assert found.accuracy[phase] == score.accuracy
        assert found.loss[phase] == pytest.approx(score.loss, rel=1e-12)
        assert found.samples[phase] == score.samples
    memory, _ = memory_of(path)
    assert found.counts == {layer.name: layer.nonzeros for layer in memory.layers}
    assert (found.params, found.bytes) == (memory.total.params, memory.total.bytes["best"])


def test_a_trained_net_is_what_train_makes(tmp_path: Path) -> None:
    asked = order(tmp_path)
    found = _result(carry_out(asked, board(tmp_path)))
    assert (found.key, found.label, found.seed, found.iterations) == ("k", "tiny", 1, 6)
    _assert_agrees(found, asked.folder / "final.pt")
    alone = tmp_path / "alone"
    train(asked.folder / "config.yaml", TrainOptions(output=alone), Quiet())
    ours, theirs = (load_checkpoint(at / "final.pt").weights for at in (asked.folder, alone))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_trial_carried_out_again_is_only_read(tmp_path: Path) -> None:
    asked = order(tmp_path)
    first = carry_out(asked, board(tmp_path))
    before = (asked.folder / "final.pt").stat().st_mtime_ns
    assert carry_out(asked, board(tmp_path)) == first
    assert (asked.folder / "final.pt").stat().st_mtime_ns == before


def test_the_samples_trained_on_are_measured_without_chance(tmp_path: Path) -> None:
    changed = data()
    changed["net"]["layers"][0] |= {"subset": 300, "transform": {"scale": 0.0625, "mirror": True}}
    changed["net"]["layers"].insert(2, {"name": "drop", "type": "Dropout"})
    asked = order(tmp_path, data=changed, measured=("TRAIN", "TEST"))
    found = _result(carry_out(asked, board(tmp_path)))
    assert found.samples == {"TRAIN": 300, "TEST": 360}
    parts = build(from_data(changed, "small"), torch.device("cpu"))
    copy_weights(parts.net, load_checkpoint(asked.folder / "final.pt").weights)
    score = evaluate(parts.net, parts.batches["TRAIN"], "TEST")
    assert found.accuracy["TRAIN"] == score.accuracy
    assert found.loss["TRAIN"] == score.loss


def _trained(folder: Path, key: str, seed: int) -> Path:
    asked = order(folder, key=key, data=data(seed), folder=folder / key)
    _result(carry_out(asked, board(folder)))
    return asked.folder / "final.pt"


@pytest.mark.parametrize(
    ("pruning", "zeros"),
    [
        (Pruning("p", counts={"ip1": 100}), {"ip1": 668, "ip2": 0}),
        (Pruning("p", delta=Decimal("0.05"), layers=("ip2",)), {"ip1": 0}),
    ],
)
def test_weights_that_are_given_are_pruned_without_an_update(
    tmp_path: Path, pruning: Pruning, zeros: dict[str, int]
) -> None:
    start = _trained(tmp_path, "a", 1)
    asked = order(tmp_path, start=start, trains=False, pruning=pruning)
    found = _result(carry_out(asked, board(tmp_path)))
    assert found.iterations == 0
    for name, count in zeros.items():
        assert found.layers[name].weights - found.layers[name].nonzeros == count
    _assert_agrees(found, asked.folder / "final.pt")
    before, after = (load_checkpoint(at).weights for at in (start, asked.folder / "final.pt"))
    for name, tensor in after.items():
        kept = tensor != 0
        assert torch.equal(tensor[kept], before[name][kept])


def test_a_trained_net_is_pruned_before_it_is_counted_and_measured(tmp_path: Path) -> None:
    pruning = Pruning("p", counts={"ip1": 50, "ip2": 30})
    asked = order(tmp_path, pruning=pruning)
    found = _result(carry_out(asked, board(tmp_path)))
    assert found.counts == {"ip1": 50, "ip2": 30}
    assert found.iterations == 6
    _assert_agrees(found, asked.folder / "final.pt")
    assert _result(carry_out(asked, board(tmp_path))) == found


def test_training_begins_from_the_weights_given(tmp_path: Path) -> None:
    start = _trained(tmp_path, "a", 1)
    asked = order(tmp_path, start=start, data=data(max_iter=1, base_lr=1e-30))
    _result(carry_out(asked, board(tmp_path)))
    before, after = (load_checkpoint(at).weights for at in (start, asked.folder / "final.pt"))
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_training_that_diverges_is_a_result(tmp_path: Path) -> None:
    asked = order(tmp_path, data=data(base_lr=1e30))
    found = _result(carry_out(asked, board(tmp_path)))
    assert found.failed is not None
    assert "not finite" in found.failed
    assert found.accuracy == found.layers == {}


def test_an_error_comes_back_in_words(tmp_path: Path) -> None:
    changed = data()
    changed["net"]["layers"][0] |= {"source": "MNIST", "root": str(tmp_path), "download": False}
    outcome = carry_out(order(tmp_path, data=changed), board(tmp_path))
    assert outcome.line is None
    assert outcome.exit_code == 1
    assert "MNIST" in str(outcome.error)


class _Stopping(FileBoard):
    """A board that lets a trial report so often, and then tells it to stop."""

    def __init__(self, folder: Path, reports: int) -> None:
        super().__init__(folder)
        self.left = reports

    def report(self, key: str, status: Status | None) -> bool:
        super().report(key, status)
        self.left -= 1
        return status is None or self.left > 0


def _measured(outcome: Outcome) -> dict[str, Any]:
    assert outcome.line is not None
    return {key: value for key, value in outcome.line.items() if key != "seconds"}


@pytest.mark.parametrize("start", [False, True])
def test_a_trial_that_was_stopped_goes_on_to_the_same_end(
    tmp_path: Path, start: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sparsenet.trials.board._SECONDS", 0.0)
    given = _trained(tmp_path, "a", 2) if start else None
    whole = order(tmp_path, folder=tmp_path / "whole", start=given)
    asked = order(tmp_path, start=given)
    stopped = carry_out(asked, _Stopping(tmp_path, 4))
    assert (stopped.line, stopped.error, stopped.stopped) == (None, None, 15)
    snapshot = load_checkpoint(next(asked.folder.glob("iter_*.pt")))
    assert 0 < snapshot.iter < 6
    undisturbed = carry_out(whole, board(tmp_path))
    assert _measured(carry_out(asked, board(tmp_path))) == _measured(undisturbed)


def test_while_it_runs_it_reports_and_then_no_more(tmp_path: Path) -> None:
    class Watched(FileBoard):
        said: list[Status | None] = []

        def report(self, key: str, status: Status | None) -> bool:
            self.said.append(status)
            return super().report(key, status)

    watched = Watched(tmp_path)
    carry_out(order(tmp_path), watched)
    first, *_, last = watched.said
    assert first == Status(0, 6)
    assert last is None
    assert watched.read("k") is None
