"""SIGHUP has a training save a snapshot and go on: asked for, or from a terminal that is gone."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sparsenet.cli.main import run
from sparsenet.progress import Quiet
from sparsenet.run_folder import RunFolder
from sparsenet.workflows.signals import snapshot_on_hangup
from sparsenet.workflows.train import TrainOptions, train
from tests.workflows.conftest import assert_same_run
from tests.workflows.runs import Notes

LONG = ("--set=max_iter=300", "--set=stages.c.until.iters=200", "--set=snapshot=0")


@pytest.fixture(autouse=True)
def _heard() -> Iterator[None]:
    """SIGHUP is not ignored, in processes of a test neither, though the tests be under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def test_a_hangup_is_told_once() -> None:
    with snapshot_on_hangup() as saving:
        assert not saving()
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGHUP)
        assert [saving(), saving()] == [True, False]
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL


def test_what_nohup_ignores_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with snapshot_on_hangup() as saving:
        signal.raise_signal(signal.SIGHUP)
        assert not saving()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def at_8(event: str, value: Any) -> None:
    if (event, value) == ("advanced", 8):
        signal.raise_signal(signal.SIGHUP)


def steps(folder: Path) -> list[int]:
    """The updates after which there are snapshots."""
    return sorted(int(path.stem.removeprefix("iter_")) for path in folder.glob("iter_*.pt"))


def test_the_run_goes_on_as_if_nothing_had_been_and_from_its_snapshot_to_the_same_end(
    solver: Path, tmp_path: Path
) -> None:
    whole, hung, resumed = (tmp_path / name for name in ("whole", "hung", "resumed"))
    train(solver, TrainOptions(output=whole), Quiet())
    display = Notes(at_8)
    train(solver, TrainOptions(output=hung), display)
    assert f"Snapshot {hung / 'iter_8.pt'}" in display.notes
    assert steps(hung) == [8, *steps(whole)]
    assert_same_run(whole, hung, 60)

    resumed.mkdir()
    for name in ("iter_8.pt", "metrics.jsonl", "config.yaml", "best.pt"):
        shutil.copy(hung / name, resumed)
    train(solver, TrainOptions(resume=str(resumed / "iter_8.pt")), Quiet())
    assert_same_run(whole, resumed, 60)


def begun(folder: Path, process: subprocess.Popen[Any]) -> None:
    """Wait until the process has made an update."""
    while (
        not RunFolder(folder).metrics.exists()
        or "loss" not in RunFolder(folder).metrics.read_text()
    ):
        assert process.poll() is None
        time.sleep(0.01)


def test_a_process_that_is_told_saves_and_ends_well(solver: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "sparsenet", "train", str(solver), "--output", str(folder)]
    process = subprocess.Popen([*command, "--quiet", *LONG], stdout=subprocess.DEVNULL)
    begun(folder, process)
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=300) == 0
    asked, last = steps(folder)
    assert 0 < asked < last
    again = Path(shutil.copytree(folder, tmp_path / "again"))
    for name in ("final.pt", f"iter_{last}.pt", "summary.json", "summary.txt"):
        (again / name).unlink()
    resumed = str(again / f"iter_{asked}.pt")
    assert run(["train", str(solver), "--resume", resumed, "--quiet", *LONG]) == 0
    assert_same_run(folder, again, last)


IN_A_TERMINAL = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from sparsenet.cli.main import main
main(sys.argv[1:])
"""


def test_without_its_terminal_a_run_saves_and_goes_on_to_its_end(
    solver: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    ours, its = pty.openpty()
    command = [sys.executable, "-c", IN_A_TERMINAL, "train", str(solver), "--output", str(folder)]
    process = subprocess.Popen(
        [*command, *LONG], stdin=its, stdout=its, stderr=its, start_new_session=True
    )
    os.close(its)
    begun(folder, process)
    os.close(ours)
    # Nobody reads its result: as with a pipe that is closed.
    assert process.wait(timeout=300) == 128 + signal.SIGPIPE
    asked, last = steps(folder)
    assert 0 < asked < last
    assert (folder / "summary.txt").exists()
