"""Studies in processes of their own, killed, stopped and side by side: the table is the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.small import write_solver

NET = """
name: tiny
layers:
  - name: digits
    type: Data
    source: digits
    split: 100
    batch_size: 16
    transform: {scale: 0.00390625}
  - {name: ip1, type: InnerProduct, num_output: 12, weight_filler: {type: xavier}}
  - {name: ip2, type: InnerProduct, num_output: 10, weight_filler: {type: xavier}}
  - {name: accuracy, type: Accuracy, bottom: [ip2, label], phase: TEST}
  - {name: loss, type: SoftmaxWithLoss, bottom: [ip2, label]}
"""
SOLVER = """
net: net.yaml
max_iter: {updates}
base_lr: 0.01
momentum: 0.9
display: 0
snapshot: 50
"""
SECONDS = 120.0

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a sweep over three seeds in the folder OUT; what is left of it ends with the test."""
    begun: list[subprocess.Popen[str]] = []

    def sweep(out: str, *flags: str, updates: int = 200) -> subprocess.Popen[str]:
        solver = write_solver(tmp_path, NET, SOLVER.format(updates=updates))
        line = [sys.executable, "-m", "sparsenet", "sweep", str(solver), "--seeds", "1,2,3"]
        process = subprocess.Popen(
            [*line, "--output", str(tmp_path / out), *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        begun.append(process)
        return process

    yield sweep
    for process in begun:
        if process.poll() is None:
            process.kill()  # its own processes end by themselves
        process.communicate()


def _wait(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.02)


def _steps(folder: Path) -> list[int]:
    """How far the running trials of a study say they are."""
    found = []
    for path in folder.glob("trials/*/status.json"):
        try:
            found.append(json.loads(path.read_text())["step"])
        except (OSError, ValueError):
            continue  # it ends just now
    return found


def _table(folder: Path) -> str:
    return (folder / "sweep.csv").read_text()


def _lines(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "trials.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_the_table_is_the_same_whatever_runs_at_the_same_time(start: Start, tmp_path: Path) -> None:
    for out, jobs in (("one", "1"), ("three", "3")):
        process = start(out, "--jobs", jobs)
        said, err = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, err
        assert said.startswith("method  seeds")
        trials = [line for line in err.splitlines() if line.startswith("[")]
        assert len(trials) == 3  # without a terminal a line a trial
    assert _table(tmp_path / "one") == _table(tmp_path / "three")


def _is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_after_a_kill_the_processes_end_and_the_rest_is_done(start: Start, tmp_path: Path) -> None:
    updates = 4000
    killed = start("killed", "--jobs", "2", updates=updates)
    folder = tmp_path / "killed"
    _wait(lambda: list(folder.glob("trials/*/iter_*.pt")))
    children = psutil.Process(killed.pid).children(recursive=True)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    _wait(lambda: all(map(_is_gone, children)))
    left = [int(path.stem[5:]) for path in folder.glob("trials/*/iter_*.pt")]
    assert all(0 < step < updates for step in left)
    for out in ("killed", "whole"):
        process = start(out, "--jobs", "2", updates=updates)
        _, err = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, err
    assert _table(folder) == _table(tmp_path / "whole")
    assert len(_lines(folder)) == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_what_the_trials_have_and_they_go_on_from_there(
    start: Start, tmp_path: Path, number: signal.Signals
) -> None:
    updates = 20_000
    stopped = start("stopped", "--jobs", "2", "--set", "snapshot=0", updates=updates)
    folder = tmp_path / "stopped"
    _wait(lambda: len(_steps(folder)) == 2 and min(_steps(folder)) > 0)
    stopped.send_signal(number)
    _, err = stopped.communicate(timeout=SECONDS)
    assert stopped.returncode == 128 + number
    assert err.splitlines()[-1] == "error: stopped; the same command goes on from what is saved"
    saved = [int(path.stem[5:]) for path in folder.glob("trials/*/iter_*.pt")]
    assert len(saved) == 2
    assert all(0 < step < updates for step in saved)
    assert not (folder / "sweep.csv").exists()


def test_the_terminals_signal_reaches_the_command_alone(start: Start, tmp_path: Path) -> None:
    process = start("group", "--jobs", "1", updates=2000)
    folder = tmp_path / "group"
    _wait(lambda: _steps(folder))
    own, parent = os.getpgid(process.pid), psutil.Process(process.pid)
    workers = [one for one in parent.children() if "LokyProcess" in " ".join(one.cmdline())]
    assert workers
    assert all(os.getpgid(worker.pid) != own for worker in workers)
    assert all(worker.environ()["OMP_NUM_THREADS"] == "1" for worker in workers)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    from sparsenet.study_folder import StudyFolder

    study = StudyFolder(folder)
    study.make()
    with study.alone():
        yield


def test_a_second_command_keeps_out(start: Start, tmp_path: Path) -> None:
    with _held(tmp_path / "held"):
        process = start("held")
        _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 2
    assert err == f"error: another command is at work in {tmp_path / 'held'}\n"
