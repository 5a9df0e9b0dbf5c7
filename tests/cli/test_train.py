"""`sparsenet train` as a user meets it: exit codes, and what is on stdout and stderr."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from sparsenet.checkpoint import load_checkpoint
from sparsenet.cli.main import run
from tests.cli.conftest import STAGE, Captured


def train(solver: Path, *arguments: str, output: str = "run") -> int:
    return run(["train", str(solver), "--output", output, *arguments])


def error_of(capsys: Captured) -> str:
    """The one line on stderr of a command that failed, and nothing on stdout."""
    out, err = capsys.readouterr()
    assert out == ""
    [line] = err.splitlines()
    assert line.startswith("error: ")
    return line.removeprefix("error: ")


# What is shown


def test_elsewhere_than_on_a_terminal_it_shows_caffes_lines(solver: Path, capsys: Captured) -> None:
    assert train(solver) == 0
    out, err = capsys.readouterr()
    patterns = [
        r"Iteration 0, VAL accuracy = \S+, loss = \S+, density = 20%",
        r"Iteration 0, loss = \S+, lr = 0.5, density = 20%",
        r"Snapshot run/iter_10.pt",
        r"Iteration 10, VAL accuracy = \S+, loss = \S+, density = 20%",
        r"Iteration 10 \(\S+ iter/s\), loss = \S+, lr = 0.5, density = 20%",
        r"Snapshot run/iter_20.pt",
        r"Iteration 20, VAL accuracy = \S+, loss = \S+, density = 20%",
    ]
    lines = err.splitlines()
    assert len(lines) == len(patterns)
    for line, pattern in zip(lines, patterns, strict=True):
        assert re.fullmatch(pattern, line), line
    assert out == Path("run/summary.txt").read_text()
    assert out.startswith("tiny, seed 0, ")
    assert "best.pt, after " in out
    assert "A smaller file is not by itself a faster network" in out


def test_quiet_is_silent_on_stderr(solver: Path, capsys: Captured) -> None:
    assert train(solver, "--quiet") == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out == Path("run/summary.txt").read_text()


def test_json_is_one_document_on_stdout(solver: Path, capsys: Captured) -> None:
    assert train(solver, "--json") == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == json.loads(Path("run/summary.json").read_text())
    assert "Iteration 10" in err
    assert train(solver, "--json", "--quiet", "--resume", "auto") == 0  # finished already
    assert json.loads(capsys.readouterr().out) == json.loads(out)
    assert train(solver, "--json", "--quiet", "--dry-run") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["layers"][0]["nonzeros"] == 128
    assert err == ""


def test_a_dry_run_prints_shapes_weights_t_and_memory_and_writes_nothing(
    solver: Path, capsys: Captured
) -> None:
    before = sorted(Path.cwd().rglob("*"))
    assert run(["train", str(solver), "--dry-run"]) == 0
    out, err = capsys.readouterr()
    header, _, layer = (line.split() for line in out.splitlines()[:3])
    named = dict(zip(header, layer, strict=True))
    assert (named["layer"], named["shape"], named["weights"], named["t"]) == (
        "ip",
        "10x64",
        "640",
        "128",
    )
    assert (named["dense"], named["best"], named["format"]) == ("2.5KiB", "592B", "bitmask")
    assert err == ""
    assert sorted(Path.cwd().rglob("*")) == before


# Exit codes


def test_a_missed_stage_ends_with_3_and_all_results(solver: Path, capsys: Captured) -> None:
    assert train(solver, STAGE, "--quiet", "--json") == 3
    summary = json.loads(capsys.readouterr().out)
    assert summary["missed"] == ["1"]
    assert load_checkpoint(Path("run/final.pt")).iter == 15
    assert train(solver, STAGE, "--quiet", "--resume=auto") == 3
    assert "stage 1: MISSED its goal" in capsys.readouterr().out


def test_an_earlier_run_ends_with_2(solver: Path, capsys: Captured) -> None:
    Path("run").mkdir()
    Path("run/metrics.jsonl").write_text("mine\n")
    assert train(solver) == 2
    assert "--resume auto" in error_of(capsys)
    assert Path("run/metrics.jsonl").read_text() == "mine\n"
    assert train(solver, "--overwrite", "--quiet") == 0


def test_a_loss_that_is_not_finite_ends_with_1(solver: Path, capsys: Captured) -> None:
    settings = ("--set=base_lr=1e38", "--set=net.layers.digits.transform.scale=1e30")
    assert train(solver, *settings, "--quiet") == 1
    message = error_of(capsys)
    assert "finite" in message
    assert "ip" in message
    assert message.endswith("; there is no snapshot")


@pytest.mark.parametrize(
    "setting",
    ["base_lr=1e39", "weight_decay=1e39", "regularization.ip={type: shrink, strength: 1e300}"],
)
def test_factors_beyond_float32_end_with_1(setting: str, solver: Path, capsys: Captured) -> None:
    assert train(solver, f"--set={setting}", "--quiet") == 1
    message = error_of(capsys)
    assert "at iteration 0 the learning rate or a strength is beyond what float32 holds" in message


def test_a_folder_that_cannot_be_made_ends_with_1_before_training(
    solver: Path, capsys: Captured
) -> None:
    assert train(solver, output="net.yaml/run") == 1
    assert error_of(capsys) == "net.yaml/run: cannot be made: Not a directory"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--weights=net.yaml"], "net.yaml: is a YAML file; a checkpoint is needed here"),
        (["--weights=net.yaml", "--resume=auto"], "--weights and --resume exclude each other"),
        (["--overwrite", "--resume=auto"], "--overwrite and --resume exclude each other"),
        (["--resume=none.pt"], "none.pt: no such checkpoint"),
        (["--resume=run/a.pt"], "--resume run/a.pt goes on in its own folder; leave out --output"),
    ],
)
def test_flags_that_cannot_be_end_with_2(
    arguments: list[str], words: str, solver: Path, capsys: Captured
) -> None:
    output = "." if words.startswith("none") else "other"
    assert train(solver, *arguments, output=output) == 2
    assert error_of(capsys) == words
    assert not Path("other").exists()


@pytest.mark.parametrize(
    "device", ["nonsense", "meta", "hpu", "cpu:1", "CUDA", "", "cuda:-1", "\n"]
)
def test_a_device_that_is_none_ends_with_2(device: str, solver: Path, capsys: Captured) -> None:
    assert train(solver, f"--device={device}") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1] == (
        f"Error: Invalid value for '--device': {device!r} is not cpu, cuda or cuda:N"
    )


def test_a_device_that_is_not_there_ends_with_2(solver: Path, capsys: Captured) -> None:
    assert train(solver, "--device=cuda:999") == 2
    assert error_of(capsys).startswith("--device cuda:999 cannot be used here: ")


def test_a_model_to_resume_names_weights(solver: Path, capsys: Captured) -> None:
    assert train(solver, "--quiet") == 0
    capsys.readouterr()
    assert run(["train", str(solver), "--resume", "run/best.pt"]) == 2
    assert error_of(capsys) == (
        "run/best.pt: is a model without the solver's state; to start from its weights use "
        "--weights run/best.pt"
    )
    assert run(["train", "run/best.pt"]) == 2
    assert error_of(capsys).startswith("run/best.pt: is a checkpoint; a solver file is needed here")


def test_weights_show_what_was_copied(solver: Path, capsys: Captured) -> None:
    assert train(solver, "--quiet") == 0
    capsys.readouterr()
    assert train(solver, "--weights=run/iter_20.pt", "--set=max_iter=1", output="tuned") == 0
    assert capsys.readouterr().err.splitlines()[0] == "Weights copied: ip"
    wider = ("--set=net.layers.ip.num_output=12", "--weights=run/best.pt")
    assert train(solver, *wider, output="wider") == 2
    shown = capsys.readouterr().err.splitlines()
    assert shown[0].endswith("run/best.pt: ip.weight: 10x64 in the checkpoint, 12x64 in the net")
    assert len(shown) == 3
    assert not Path("wider").exists()


def test_tensorboard_without_its_extra_ends_with_2(
    solver: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    assert train(solver, "--tensorboard") == 2
    words = "--tensorboard needs its extra: pip install 'sparsenet[tensorboard]'"
    assert error_of(capsys) == words
    assert not Path("run").exists()
