"""2N updates are N, a stop, and N more, bit for bit: weights, solver state and log."""

from __future__ import annotations

import multiprocessing
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from sparsenet.cli.main import run
from sparsenet.solver.update import UPDATES
from tests.workflows.conftest import Spawn, assert_same_run, tensors

TYPES = {
    "SGD": ["momentum=0.9"],
    "Nesterov": ["momentum=0.9"],
    "Adam": ["momentum=0.9", "base_lr=0.003"],
    "AdaGrad": ["base_lr=0.01"],
    "RMSProp": ["base_lr=0.003"],
    "AdaDelta": ["momentum=0.95", "base_lr=1.0"],
}


def train(solver: Path, folder: Path, *arguments: str) -> int:
    return run(["train", str(solver), "--output", str(folder), "--quiet", *arguments])


def test_every_solver_type_is_tried() -> None:
    assert TYPES.keys() == UPDATES.keys()


@pytest.mark.parametrize("name", TYPES)
def test_two_n_is_n_and_n_more(name: str, solver: Path, tmp_path: Path) -> None:
    settings = [f"--set={text}" for text in (f"type={name}", *TYPES[name])]
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    expected = train(solver, whole, *settings)
    for last in ("19", "32", "60"):  # in the first stage, in the second, to the end
        arguments = [] if last == "19" else ["--resume=auto"]
        code = train(solver, halves, *settings, f"--set=max_iter={last}", *arguments)
    assert code == expected
    assert_same_run(whole, halves, 60)


def test_killed_at_random_moments_it_ends_the_same(solver: Path, tmp_path: Path) -> None:
    """kill -9 twenty times, wherever it hits: at the start, in a file, between stages."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    settings = ("--set=max_iter=1500", "--set=snapshot=2", "--set=stages.b.until.max_iters=100")
    expected = train(solver, whole, *settings)
    # The fork server has torch imported already: a kill hits the run, not Python's start.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["sparsenet.cli.train", "sklearn.datasets"])
    generator = random.Random(7)
    reached = [0]
    for kill in range(20):
        process = context.Process(target=train, args=(solver, killed, "--resume=auto", *settings))
        process.start()
        while kill % 4 and newest_iteration(killed) == reached[-1] and process.is_alive():
            time.sleep(0.002)
        process.join(generator.uniform(0, 0.05 if kill % 4 else 0.5))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL, "the run was over before the last kill"
        reached.append(newest_iteration(killed))
    assert len(set(reached)) > 15, reached
    assert train(solver, killed, "--resume=auto", *settings) == expected
    assert_same_run(whole, killed, 1500)


def newest_iteration(folder: Path) -> int:
    return max([0, *(int(path.stem.removeprefix("iter_")) for path in folder.glob("iter_*.pt"))])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_stops(
    number: signal.Signals, code: int, solver: Path, tmp_path: Path, spawn: Spawn
) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    expected = train(solver, whole, "--set=max_iter=400")
    process = spawn("train", solver, "--set=max_iter=400", "--output", stopped)
    wait_for(stopped / "metrics.jsonl", process)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert out == ""
    assert "--resume auto goes on from there" in err.splitlines()[-1]
    assert train(solver, stopped, "--set=max_iter=400", "--resume=auto") == expected
    assert_same_run(whole, stopped, 400)


def wait_for(log: Path, process: subprocess.Popen[str]) -> None:
    while process.poll() is None and not (log.exists() and log.read_text().count("\n") > 3):
        time.sleep(0.01)


def test_auto_passes_over_what_is_not_whole(
    solver: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, damaged = tmp_path / "whole", tmp_path / "damaged"
    train(solver, whole)
    train(solver, damaged, "--set=max_iter=45")
    newest = damaged / "iter_45.pt"
    newest.write_bytes(newest.read_bytes()[:-1000])
    (damaged / "iter_50.pt").write_text("not a checkpoint")
    capsys.readouterr()
    run(["train", str(solver), "--output", str(damaged), "--resume", "auto"])
    notes = [line for line in capsys.readouterr().err.splitlines() if "Iteration" not in line]
    assert notes[0].startswith(f"Passed over: {damaged}/iter_50.pt: not a whole checkpoint: ")
    assert notes[1].startswith(f"Passed over: {newest}: not a whole checkpoint: ")
    assert notes[2] == f"Resuming from {damaged}/iter_30.pt"
    assert_same_run(whole, damaged, 60)


def test_what_is_passed_over_is_named_however_quiet(
    solver: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    train(solver, folder, "--set=max_iter=30")
    (folder / "iter_50.pt").write_text("not a checkpoint")
    train(solver, folder, "--set=max_iter=30", "--resume=auto")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"Passed over: {folder}/iter_50.pt: not a whole checkpoint: ")


def test_another_configuration_is_refused_by_its_keys(
    solver: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    train(solver, folder, "--set=max_iter=30")
    before = tensors(folder / "iter_30.pt")
    changed = ["--set=base_lr=0.1", "--set=net.layers.ip1.num_output=30", "--set=display=7"]
    assert train(solver, folder, "--resume=auto", *changed) == 2
    assert capsys.readouterr().err == (
        "error: the snapshot was made under another configuration, which differs in "
        "net.layers.ip1.num_output, base_lr; "
        "to fine-tune its weights under this one use --weights\n"
    )
    assert tensors(folder / "iter_30.pt").keys() == before.keys()


def test_the_kind_of_checkpoint_says_which_flag_is_meant(
    solver: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    train(solver, folder, "--set=max_iter=30")
    model = folder / "final.pt"
    capsys.readouterr()
    assert run(["train", str(solver), "--resume", str(model)]) == 2
    assert capsys.readouterr().err == (
        f"error: {model}: is a model without the solver's state; to start from its weights use "
        f"--weights {model}\n"
    )


def test_a_finished_run_is_not_run_again(
    solver: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    code = train(solver, folder)
    first = capsys.readouterr().out
    written = (folder / "metrics.jsonl").stat().st_mtime_ns
    assert train(solver, folder, "--resume=auto") == code
    assert capsys.readouterr().out == first
    assert (folder / "metrics.jsonl").stat().st_mtime_ns == written
