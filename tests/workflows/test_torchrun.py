"""Two processes under torchrun train LeNet as one does, stop together, and survive a lost one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from sparsenet.cli.main import run
from tests.workflows.conftest import assert_same_run, tensors, trace

LENET = Path(__file__).parents[2] / "configs" / "digits" / "net.yaml"
UPDATES, DENSE = 60, 20
SOLVER = f"""
net: {LENET}
max_iter: {UPDATES}
base_lr: 0.001
momentum: 0.9
weight_decay: 0.0005
lr_policy: fixed
display: 1
test_interval: 15
snapshot: 10
snapshot_keep: 9
stages:
  - {{name: dense, until: {{iters: {DENSE}}}}}
  - name: sparse
    t: {{conv1: 80%, conv2: 30%, ip1: {{from: 50%, to: 10%, over: 9}}, ip2: 50%}}
    interval: 5
"""
BATCH = "--set=net.layers.digits.batch_size="


@pytest.fixture(scope="module")
def solver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("together") / "solver.yaml"
    path.write_text(SOLVER)
    return path


def start(
    solver: Path,
    folder: Path,
    *arguments: str,
    restarts: int = 0,
    processes: tuple[str, ...] = ("--nproc-per-node=2",),
) -> subprocess.Popen[str]:
    """Two processes that share batches of 8."""
    launcher = ["torch.distributed.run", *processes, f"--max-restarts={restarts}"]
    ours = ["-m", "sparsenet", "train", str(solver), "--output", str(folder), f"{BATCH}8"]
    return subprocess.Popen(
        [sys.executable, "-m", *launcher, *ours, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def alone(solver: Path, folder: Path, *arguments: str) -> Path:
    """The run folder of one process."""
    assert run(["train", str(solver), "--output", str(folder), "--quiet", *arguments]) == 0
    return folder


@pytest.fixture(scope="module")
def undisturbed(solver: Path) -> Path:
    """The run folder of two processes."""
    folder = solver.parent / "undisturbed"
    process = start(solver, folder)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert out.count("final.pt, after") == 1
    assert err.count("Iteration 5 ") == 1
    return folder


def assert_same_losses(ours: Path, theirs: Path, updates: int) -> None:
    """To 1e-5, while nothing turns on a rounding: float32 sums are made in another order.

    A small rate keeps small what turns on one by chance, as a unit does that is almost zero. Of two
    weights that roundings alone tell apart a projection may keep the other, so it ends before that.
    """
    losses = [
        {
            line["iter"]: line["loss"]
            for line in trace(folder)
            if "phase" not in line and "loss" in line
        }
        for folder in (ours, theirs)
    ]
    for iteration in range(updates):
        assert losses[0][iteration] == pytest.approx(losses[1][iteration], rel=1e-5)


def test_the_trace_is_that_of_one_process(solver: Path, undisturbed: Path, tmp_path: Path) -> None:
    assert_same_losses(undisturbed, alone(solver, tmp_path / "one", f"{BATCH}8"), DENSE)


def test_it_is_bit_for_bit_that_of_the_halves_one_after_the_other(
    solver: Path, undisturbed: Path, tmp_path: Path
) -> None:
    """Two halves are summed alike whoever computes them: projections and tests are the same too."""
    one = alone(solver, tmp_path / "one", f"{BATCH}4", "--set=iter_size=2")
    for name in ("final.pt", "iter_30.pt"):
        ours, theirs = tensors(undisturbed / name), tensors(one / name)
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    nonzeros = [[line.get("nonzeros") for line in trace(each)] for each in (undisturbed, one)]
    assert nonzeros[0] == nonzeros[1]


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    while process.poll() is None and not path.exists():
        time.sleep(0.01)
    assert path.exists(), process.communicate()[1]


def test_after_a_kill_torchrun_goes_on_to_the_same_end(
    solver: Path, undisturbed: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "killed"
    process = start(solver, folder, restarts=1)
    wait_for(folder / "iter_20.pt", process)
    workers = psutil.Process(process.pid).children()
    [lost] = [worker for worker in workers if worker.environ().get("RANK") == "1"]
    lost.kill()
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert out.count("final.pt, after") == 1
    assert err.count(f"Resuming from {folder}/iter_") == 1
    assert err.count("error: another process of this run has ended") == 1
    assert_same_run(undisturbed, folder, UPDATES)


def test_after_a_kill_on_one_machine_the_other_goes_on_with_it(
    solver: Path, undisturbed: Path, tmp_path: Path
) -> None:
    """Two launchers as of two machines; that of rank 0 does not count the other's loss."""
    folder = tmp_path / "killed"
    with socket.socket() as free:
        free.bind(("localhost", 0))
        place = f"--rdzv-endpoint=localhost:{free.getsockname()[1]}"
    nodes = ("--nnodes=2", "--nproc-per-node=1", "--rdzv-backend=c10d", "--rdzv-id=night", place)
    machines = [start(solver, folder, restarts=1, processes=nodes) for _ in range(2)]
    wait_for(folder / "iter_20.pt", machines[0])
    workers = [worker for each in machines for worker in psutil.Process(each.pid).children()]
    [lost] = [worker for worker in workers if worker.environ().get("RANK") == "1"]
    lost.kill()
    told = [machine.communicate(timeout=300) for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0], told
    assert sum(err.count(f"Resuming from {folder}/iter_") for _, err in told) == 1
    assert_same_run(undisturbed, folder, UPDATES)


def test_a_signal_stops_all_after_the_same_update(solver: Path, tmp_path: Path) -> None:
    folder = tmp_path / "stopped"
    process = start(solver, folder, "--set=iter_size=2")
    wait_for(folder / "iter_20.pt", process)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=300)
    assert process.returncode != 0
    assert out == ""
    [said] = [line for line in err.splitlines() if line.startswith("error")]
    updates = int(said.removeprefix("error: stopped after ").partition(" ")[0])
    assert said == f"error: stopped after {updates} updates; --resume auto goes on from there"
    assert updates < UPDATES
    assert (folder / f"iter_{updates}.pt").exists()
    one = alone(solver, tmp_path / "one", f"{BATCH}8", "--set=iter_size=2")
    assert_same_losses(folder, one, DENSE)


def test_a_hangup_of_one_has_the_first_save_and_all_go_on(solver: Path, tmp_path: Path) -> None:
    folder = tmp_path / "hung"
    process = start(solver, folder, "--set=snapshot=0", "--set=max_iter=200")
    wait_for(folder / "best.pt", process)  # of the test before the first update
    while '"iter": 1,' not in (folder / "metrics.jsonl").read_text():
        assert process.poll() is None
        time.sleep(0.01)
    workers = psutil.Process(process.pid).children()
    [other] = [worker for worker in workers if worker.environ().get("RANK") == "1"]
    other.send_signal(signal.SIGHUP)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert out.count("final.pt, after") == 1
    asked, last = sorted(int(path.stem.removeprefix("iter_")) for path in folder.glob("iter_*"))
    assert 1 < asked < last == 200


def test_a_mistake_is_said_once_and_ends_all_with_2(solver: Path, tmp_path: Path) -> None:
    process = start(solver, tmp_path / "run", f"{BATCH}15")
    out, err = process.communicate(timeout=300)
    assert out == ""
    place = f"{BATCH}15".replace("=", " ", 1)
    said = f"{place}: net.layers.digits.batch_size: 15 cannot be divided evenly among 2 processes"
    assert [line for line in err.splitlines() if line.startswith("error")] == [
        f"error: {said}; it may be 14 or 16"
    ]
    assert err.count("exitcode  : 2 ") == 2
    assert not (tmp_path / "run").exists()
