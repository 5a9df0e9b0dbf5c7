"""A run in a folder with an earlier one: refused, replaced, or gone on with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from sparsenet.checkpoint import CheckpointError, load_checkpoint
from sparsenet.errors import ConfigError
from sparsenet.files import FileError
from tests.workflows.conftest import assert_same_run, trace
from tests.workflows.runs import Notes, refused, run


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_earlier_run_is_refused_and_not_touched(home: Path) -> None:
    before = contents(home / "run")
    message = refused(ConfigError, home / "solver.yaml", home / "run")
    assert message.startswith(f"{home / 'run'} holds an earlier run: ")
    assert contents(home / "run") == before


def test_a_folder_that_cannot_be_had_is_refused_before_the_data_are_read(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: object, **__: object) -> None:
        raise AssertionError("reading takes hours")

    monkeypatch.setattr("sparsenet.workflows.build.open_phases", slow)
    refused(ConfigError, home / "solver.yaml", home / "run")
    monkeypatch.setattr("os.access", lambda path, mode: path != tmp_path)
    message = refused(FileError, home / "solver.yaml", tmp_path / "run")
    assert message == f"{tmp_path / 'run'}: cannot be written to: {tmp_path} is read-only"
    assert list(tmp_path.iterdir()) == []


def test_overwrite_replaces_the_run_and_keeps_what_is_not_its(home: Path, copied: Path) -> None:
    (copied / "notes.txt").write_text("mine")
    run(home / "solver.yaml", copied, "max_iter=18", "stages=[{t: {ip1: 9, ip2: 9}}]",
        overwrite=True)  # fmt: skip
    assert {path.name for path in copied.glob("iter_*.pt")} == {"iter_15.pt", "iter_18.pt"}
    assert (copied / "notes.txt").read_text() == "mine"
    assert len(trace(copied)) < len(trace(home / "run"))


def test_a_mistake_is_found_before_overwrite_removes_anything(home: Path, copied: Path) -> None:
    before = contents(copied)
    weights = home / "run" / "best.pt"
    changed = "net.layers.ip1.num_output=21"
    options = {"overwrite": True, "weights": weights, "lines": 4}
    message = refused(ConfigError, home / "solver.yaml", copied, changed, **options)
    assert "21x" in message
    assert contents(copied) == before


def test_overwrite_does_not_remove_what_the_run_starts_from(home: Path, copied: Path) -> None:
    before = contents(copied)
    given = copied / "best.pt"
    message = refused(ConfigError, home / "solver.yaml", copied, overwrite=True, weights=given)
    assert message == (
        f"--overwrite would remove {given}, from which the run is to start; choose another folder "
        "by --output"
    )
    assert contents(copied) == before


# --resume, beside what test_resume.py shows


def test_a_finished_run_of_another_configuration_is_not_taken_for_this_one(
    home: Path, copied: Path
) -> None:
    message = refused(ConfigError, home / "solver.yaml", copied, "base_lr=0.5", resume="auto")
    assert "differs in base_lr" in message


def test_a_run_of_another_configuration_without_snapshots_is_not_replaced(
    home: Path, copied: Path
) -> None:
    for path in copied.glob("iter_*.pt"):
        path.write_bytes(b"damaged")
    before = contents(copied)
    message = refused(ConfigError, home / "solver.yaml", copied, "base_lr=0.5", resume="auto")
    assert message.startswith(f"{copied} holds a run of another configuration and no whole")
    assert contents(copied) == before
    run(home / "solver.yaml", copied, resume="auto")  # its own: made again
    assert_same_run(home / "run", copied, 60)


def test_a_longer_run_killed_at_its_end_is_not_taken_for_the_shorter_one(
    home: Path, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sparsenet.workflows.train.write_results", killed)
    with pytest.raises(KeyboardInterrupt):
        run(home / "solver.yaml", copied, "max_iter=70", resume="auto")
    monkeypatch.undo()
    result = run(home / "solver.yaml", copied, "max_iter=70", resume="auto")
    assert result.summary["final"]["iter"] == 70


@pytest.mark.parametrize("damaged", ["summary.json", "summary.txt", "final.pt"])
def test_results_that_are_not_whole_are_made_again(damaged: str, home: Path, copied: Path) -> None:
    if damaged == "summary.json":
        (copied / damaged).write_text('{"final": ')
    else:
        (copied / damaged).unlink()
    run(home / "solver.yaml", copied, resume="auto")
    assert_same_run(home / "run", copied, 60)
    assert (copied / damaged).exists()


def test_a_best_that_is_lost_is_chosen_anew(home: Path, copied: Path) -> None:
    (copied / "best.pt").unlink()
    display = Notes()
    result = run(home / "solver.yaml", copied, "max_iter=70", resume="auto", display=display)
    assert f"The best network is chosen anew: {copied}/best.pt: no such checkpoint" in display.notes
    assert load_checkpoint(copied / "best.pt").iter == result.summary["best"]["iter"] >= 60


def test_a_folder_in_a_snapshots_place_is_passed_over(home: Path, copied: Path) -> None:
    (copied / "iter_99.pt").mkdir()
    display = Notes()
    run(home / "solver.yaml", copied, "max_iter=61", resume="auto", display=display)
    assert display.notes[0] == f"Passed over: {copied}/iter_99.pt: no such checkpoint"


def test_a_log_that_is_gone_is_an_error_of_one_line(home: Path, copied: Path) -> None:
    (copied / "metrics.jsonl").unlink()
    message = refused(FileError, home / "solver.yaml", copied, "max_iter=70", resume="auto")
    assert message == f"{copied}/metrics.jsonl: cannot be read: No such file or directory"


MISFITS: dict[str, tuple[Callable[[Any], object], str]] = {
    "weights": (lambda c: c["weights"].pop("ip2.bias"), "weights: ip2.bias"),
    "pending": (lambda c: c["solver"]["pending"].update(x=torch.ones(1)), "pending: x"),
    "history": (lambda c: c["solver"]["history"].pop("conv.bias"), "history of conv.bias"),
    "one history": (
        lambda c: c["solver"]["history"]["ip1.bias"].update(velocity=torch.ones(1)),
        "history of ip1.bias: velocity",
    ),
    "progress": (lambda c: c["solver"]["progress"].update(history=3), "progress: history: "),
    "stage": (lambda c: c["solver"]["progress"].update(index=3), "progress: there is no stage 4"),
    "outcome": (
        lambda c: c["solver"]["progress"]["history"][0].update(outcome="won"),
        "progress: history.0.outcome",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISFITS)
def test_a_snapshot_that_does_not_fit_its_own_configuration_says_where(
    name: str, home: Path, copied: Path
) -> None:
    change, words = MISFITS[name]
    path = copied / "iter_45.pt"
    content = torch.load(path, weights_only=True)
    change(content)
    torch.save(content, path)
    (copied / "iter_60.pt").unlink()
    before = contents(copied)
    message = refused(CheckpointError, home / "solver.yaml", copied, resume=str(path))
    assert message.startswith(f"{path}: the snapshot does not fit its own configuration: {words}")
    assert contents(copied) == before
