"""`sparsenet prune` as it is typed: what it prints where, and how it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sparsenet.cli.main import run
from tests.workflows.prunable import make_model

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("home") / "a" / "net.pt", solver_mode="cpu")


def test_the_table_goes_to_stdout_and_progress_to_stderr(
    model: Path, tmp_path: Path, capsys: Capture
) -> None:
    arguments = ["--fraction", "0,0.5", "--shrink", "--output", str(tmp_path)]
    assert run(["prune", str(model), *arguments]) == 0
    out, err = capsys.readouterr()
    assert out == (tmp_path / "prune.txt").read_text()
    assert out.splitlines()[0] == "Trained networks pruned by filter-norm, each layer by itself"
    assert out.splitlines()[2].split()[:4] == ["net", "fraction", "pruned", "TEST"]
    assert [line.split()[1] for line in out.splitlines()[4:6]] == ["0", "0.5"]
    assert err.splitlines()[0].startswith("a/net.pt, fraction 0: TEST accuracy = ")
    assert err.splitlines()[-1].startswith("Written: ")
    assert (tmp_path / "prune.png").read_bytes().startswith(b"\x89PNG")


def test_quiet_json_is_one_document(model: Path, tmp_path: Path, capsys: Capture) -> None:
    arguments = ["--criterion=random", "--seed=2", "--fraction=0.5", f"--output={tmp_path}"]
    assert run(["prune", str(model), *arguments, "--quiet", "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    document = json.loads(out)
    assert (document["criterion"], document["scope"], document["seed"]) == ("random", "layer", 2)
    [point] = document["points"]
    assert (point["fraction"], point["zero_filters"], point["filters"]) == (0.5, 9, 18)
    assert point["TEST"]["samples"] == 360


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--finetune", "x"], "'x' is not a number of updates; bare --finetune goes after CKPT"),
        (["--finetune", "0"], "'0' is not a number of updates"),
        (["--criterion", "l1"], "'l1' is not one of"),
        (["--fraction", "0.5,0.5"], "--fraction: 0.5 is given more than once"),
        (["--layers", "conv9"], "conv9: the net has no such layer with weights; did you mean"),
    ],
)
def test_what_cannot_be_is_refused_in_words(
    arguments: list[str], words: str, model: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert run(["prune", str(model), *arguments, "--output", str(tmp_path / "out")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in " ".join(err.split())
    assert not (tmp_path / "out").exists()


def test_a_solver_file_is_no_checkpoint(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "solver.yaml").write_text("net: net.yaml\n")
    assert run(["prune", str(tmp_path / "solver.yaml")]) == 2
    assert "is a YAML file; a checkpoint is needed here" in capsys.readouterr().err
