"""Runs that miss a stage, whose numbers go wrong, or whose disk is full."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from sparsenet import ranks
from sparsenet.checkpoint import load_checkpoint
from sparsenet.errors import ConfigError
from sparsenet.files import FileError
from sparsenet.solver.loop import NotFiniteError
from sparsenet.workflows import train as train_module
from tests.workflows.conftest import assert_same_run, tensors
from tests.workflows.runs import Notes, refused, run

STUCK = (
    "stages=[{t: {ip1: 50%, ip2: 50%}, until: {accuracy: {within: 0, of: 1.0}, max_iters: 15}, "
    "on_miss: MISS}, {t: {ip1: 10%}}]"
)


@pytest.mark.parametrize(("on_miss", "updates"), [("stop", 15), ("continue", 40)])
def test_a_missed_stage_keeps_its_results(
    on_miss: str, updates: int, home: Path, tmp_path: Path
) -> None:
    stages = STUCK.replace("MISS", on_miss)
    result = run(home / "solver.yaml", tmp_path / "run", "max_iter=40", stages)
    assert result.exit_code == 3
    assert result.summary["missed"] == ["1"]
    assert result.summary["final"]["iter"] == updates
    assert load_checkpoint(result.folder.final).iter == updates
    assert "stage 1: MISSED its goal, updates 0 to 15, VAL accuracy" in result.text
    assert result.folder.summary_text.read_text() == result.text
    assert json.loads(result.folder.summary_json.read_text()) == result.summary
    again = run(home / "solver.yaml", tmp_path / "run", "max_iter=40", stages,
                resume="auto")  # fmt: skip
    assert (again.exit_code, again.summary) == (3, result.summary)


def test_a_stage_cut_short_by_the_end_is_told_with_no_word_of_another(
    home: Path, tmp_path: Path
) -> None:
    notes = Notes()
    stages = STUCK.replace("MISS", "stop")
    result = run(home / "solver.yaml", tmp_path / "run", "max_iter=8", stages, display=notes)
    assert result.exit_code == 3
    [told] = [line for line in notes.notes if "stage 1" in line]
    assert told.startswith("Iteration 8, stage 1 missed its goal after 8 updates")
    assert "begins" not in told


def test_processes_that_would_train_differently_do_not_begin(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranks, "gathered", lambda own: [own, own | {"max_iter": 7}])
    words = "process 1 has another configuration than process 0, which differs in max_iter"
    with pytest.raises(ConfigError) as error:
        run(home / "solver.yaml", tmp_path / "run", "max_iter=40")
    assert str(error.value) == f"{words}; give all the same files and flags"
    assert not (tmp_path / "run").exists()


# Numbers that are not finite


@pytest.mark.parametrize("rate", ["1e10", "1e20"])
def test_a_loss_that_is_not_finite_names_iteration_layer_and_snapshot(
    rate: str, home: Path, tmp_path: Path
) -> None:
    output, display = tmp_path / "run", Notes()
    with pytest.raises(NotFiniteError) as raised:
        run(home / "solver.yaml", output, f"base_lr={rate}", "snapshot=1", display=display)
    message = str(raised.value)
    newest = max(output.glob("iter_*.pt"), key=lambda path: int(path.stem[5:]))
    assert message.endswith(f"; the last good snapshot is {newest}")
    assert "iteration" in message or "after" in message
    assert any(layer in message for layer in ("conv", "ip1", "ip2", "loss"))
    assert display.events[-1] == "end"
    for path in output.glob("*.pt"):
        assert all(bool(tensor.isfinite().all()) for tensor in tensors(path).values())
    assert not (output / "final.pt").exists()


@pytest.mark.parametrize("snapshot", ["snapshot=1", "snapshot=0"])
def test_weights_that_went_before_a_loss_showed_it_are_never_saved(
    snapshot: str, home: Path, tmp_path: Path
) -> None:
    settings = ["base_lr=1e38", "clip_gradients=null", "max_iter=1", snapshot]
    settings.append("net.layers.digits.transform.scale=1000")
    with pytest.raises(NotFiniteError) as raised:
        run(home / "solver.yaml", tmp_path / "run", *settings, "stages=[{t: {ip1: 9, ip2: 9}}]")
    assert str(raised.value) == (
        "after 1 updates the weights of conv are not finite; there is no snapshot"
    )
    # The best of the test before the first update.
    assert [path.name for path in (tmp_path / "run").glob("*.pt")] == ["best.pt"]


# The disk


def test_a_folder_that_cannot_be_written_to_fails_before_training(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    below = tmp_path / "file" / "run"
    message = refused(FileError, home / "solver.yaml", below)
    assert message == f"{below}: cannot be made: Not a directory"

    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("tempfile.NamedTemporaryFile", read_only)
    message = refused(FileError, home / "solver.yaml", tmp_path / "run")
    assert message == f"{tmp_path / 'run'}: cannot be written to: Read-only file system"


def test_a_disk_that_fills_keeps_what_was_written_and_the_run_goes_on_later(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, save, left = tmp_path / "run", torch.save, [2]

    def full(content: Any, stream: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            stream.write(b"half of it")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save(content, stream)

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(FileError) as raised:
        run(home / "solver.yaml", output, "snapshot_keep=2")
    assert str(raised.value) == f"{output}/iter_45.pt: cannot be written: No space left on device"
    kept = {"config.yaml", "metrics.jsonl", "iter_15.pt", "iter_30.pt"}
    assert {path.name for path in output.iterdir()} == kept
    monkeypatch.undo()
    run(home / "solver.yaml", output, "snapshot_keep=2", resume="auto")
    assert_same_run(home / "run", output, 60)


def test_a_log_that_cannot_be_written_stops_the_run_in_one_line(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Path.open

    def opened(path: Path, mode: str = "r", *arguments: Any, **keys: Any) -> Any:
        if path.name == "metrics.jsonl" and mode == "a":
            path = Path("/dev/full")
        return original(path, mode, *arguments, **keys)

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(FileError) as raised:
        run(home / "solver.yaml", tmp_path / "run")
    log = tmp_path / "run" / "metrics.jsonl"
    assert str(raised.value) == f"{log}: cannot be written: No space left on device"


def test_a_process_that_may_not_see_the_folder_says_nothing_of_its_snapshots(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = SimpleNamespace(**vars(ranks) | {"rank": lambda: 1})
    monkeypatch.setattr(train_module, "ranks", second)
    with pytest.raises(NotFiniteError) as raised:
        run(home / "solver.yaml", tmp_path / "run", "base_lr=1e20")
    assert "snapshot" not in str(raised.value)
