"""`sparsenet prune-threshold` as it is typed: what it prints where, and how it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from sparsenet.checkpoint import Checkpoint, save_checkpoint
from sparsenet.cli.main import run
from sparsenet.config.read import write_yaml
from tests.small import inner_product, net_data

SOLVER = {
    "net": net_data(inner_product("ip", 10), split=100),
    "max_iter": 10,
    "base_lr": 0.1,
    "solver_mode": "cpu",
}
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """solver.yaml and net.pt, whose weights are 0.001, 0.002, ..., 0.64."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "solver.yaml").write_text(write_yaml(SOLVER))
    weight = (torch.arange(1, 641) / 1000).view(10, 64)
    weights = {"ip.weight": weight, "ip.bias": torch.zeros(10)}
    save_checkpoint(folder / "net.pt", Checkpoint(config=SOLVER, iter=1, weights=weights))
    return folder


def typed(home: Path, *arguments: object) -> int:
    paths = [str(home / "solver.yaml"), str(home / "net.pt")]
    return run(["prune-threshold", *paths, *map(str, arguments)])


def test_the_table_goes_to_stdout_and_progress_to_stderr(
    home: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert typed(home, "--output", tmp_path) == 0
    out, err = capsys.readouterr()
    assert out == (tmp_path / "threshold.txt").read_text()
    assert [line.split()[1] for line in out.splitlines()[5:16]] == [
        *("0", "0.01", "0.02", "0.03", "0.04", "0.05", "0.06", "0.07", "0.08", "0.09", "0.1")
    ]
    assert err.splitlines()[0].startswith("unpruned: density = 100%, TEST accuracy = ")
    assert err.splitlines()[-1].startswith("Written: ")


def test_quiet_json_is_one_document(home: Path, tmp_path: Path, capsys: Capture) -> None:
    assert typed(home, "--output", tmp_path, "--delta=0.321", "--json", "--quiet") == 0
    out, err = capsys.readouterr()
    assert err == ""
    document = json.loads(out)
    assert document["checkpoint"] == str(home / "net.pt")
    unpruned, point = document["points"]
    assert (unpruned["delta"], unpruned["nonzeros"], unpruned["ratio"]) == (None, 640, 1)
    assert point["layers"] == {"ip": 320}
    assert (point["delta"], point["nonzeros"], point["weights"]) == (0.321, 320, 640)
    assert (point["density"], point["bytes"]) == (0.5, 80 + 4 * 320 + 40)
    assert point["TEST"]["samples"] == 360
    assert point["VAL"]["samples"] == 100
    assert point["retrained"] is None


def test_given_counts(home: Path, tmp_path: Path, capsys: Capture) -> None:
    assert typed(home, "--output", tmp_path, "--t", "ip=5%", "--quiet") == 0
    assert capsys.readouterr().out.splitlines()[5].split()[:1] == ["ip=5%"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--delta", "0:x:0.1"], "--delta: 'x' is not a number of 0 or more"),
        (["--delta", "0:1:0"], "--delta: 0:1:0: the step must be above 0"),
        (["--t", "ip1=3"], "--t: ip1: the net has no such layer with weights; did you mean 'ip'?"),
        (["--t", "ip=641"], "--t: ip: 641 is more than the 640 weights there are"),
        (
            ["--delta", "0.1", "--density", "5%"],
            "--delta and --density exclude each other; give one of them",
        ),
    ],
)
def test_a_usage_error_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, home: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert typed(home, "--output", tmp_path / "none", *arguments) == 2
    assert capsys.readouterr() == ("", f"error: {message}\n")
    assert not (tmp_path / "none").exists()


def test_a_solver_in_place_of_the_checkpoint(home: Path, capsys: Capture) -> None:
    solver, net = home / "solver.yaml", home / "net.pt"
    assert run(["prune-threshold", str(solver), str(solver)]) == 2
    wanted = f"error: {solver}: is a YAML file; a checkpoint is needed here\n"
    assert capsys.readouterr().err == wanted
    assert run(["prune-threshold", str(net), str(solver)]) == 2
    wanted = f"error: {net}: is a checkpoint; the solver file comes first, then CKPT\n"
    assert capsys.readouterr().err == wanted


def test_a_checkpoint_of_another_net(home: Path, capsys: Capture) -> None:
    assert typed(home, "--set", "net.layers.digits.transform.resize=4") == 2
    assert capsys.readouterr().err == (
        f"error: {home}/net.pt: ip.weight: 10x64 in the checkpoint, 10x16 in the net\n"
    )
    assert typed(home, "--set", "net.layers.ip.name=fc", "--set", "net.layers.fc.top=ip") == 2
    assert capsys.readouterr().err == (f"error: {home}/net.pt: the checkpoint lacks fc\n")


def test_nothing_to_compare_by(home: Path, tmp_path: Path, capsys: Capture) -> None:
    assert typed(home, "--set", "net.layers.digits.phase=TRAIN") == 2
    wanted = f"error: {home}/solver.yaml: its net has no data for phase TEST\n"
    assert capsys.readouterr().err == wanted
    assert typed(home, "--set", "net.layers.accuracy.phase=TRAIN") == 2
    wanted = "error: the net has no Accuracy in phase TEST, by which results are compared\n"
    assert capsys.readouterr().err == wanted
