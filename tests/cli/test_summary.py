"""`sparsenet summary` of a net, a solver and a checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from sparsenet.checkpoint import Checkpoint, save_checkpoint
from sparsenet.cli.main import run
from sparsenet.config.load import load_solver
from sparsenet.workflows.build import build_net

Captured = pytest.CaptureFixture[str]
CONFIGS = Path(__file__).parents[2] / "configs"
SOLVER, NET = CONFIGS / "digits" / "solver.yaml", CONFIGS / "digits" / "net.yaml"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    configuration = load_solver(SOLVER)
    net = build_net(configuration.solver.net, 5, torch.device("cpu"))
    save_checkpoint(tmp_path / "a.pt", Checkpoint(configuration.data, 0, net.weights()))
    return tmp_path / "a.pt"


def test_it_is_the_same_of_a_net_a_solver_and_a_checkpoint(
    checkpoint: Path, capsys: Captured
) -> None:
    said = []
    for path in (NET, SOLVER, checkpoint):
        assert run(["summary", str(path), "--phase", "TEST"]) == 0
        said.append(capsys.readouterr())
    assert said[0] == said[1] == said[2]
    assert said[0].out.endswith(
        "\nLeNet, TEST: 431,080 parameters, 2.293 M multiply-accumulates of one example.\n"
    )
    assert said[0].err == ""


def test_the_document_has_the_keys_that_programs_rely_on(
    checkpoint: Path, capsys: Captured
) -> None:
    key = "layers.ip1.num_output=100"
    for path, prefix in ((NET, ""), (SOLVER, "net."), (checkpoint, "net.")):
        assert run(["summary", str(path), "--json", "--set", prefix + key]) == 0
        document = json.loads(capsys.readouterr().out)
        assert list(document) == ["name", "phase", "layers", "total"]
        ip1 = next(layer for layer in document["layers"] if layer["name"] == "ip1")
        assert ip1["output_shapes"] == [[100]]
        assert ip1["parameter_shapes"] == [[100, 800], [100]]
        assert (ip1["parameters"], ip1["multiply_accumulates"]) == (80_100, 80_000)
        assert document["total"]["parameters"] == 431_080 - 320_400 - 4000


def test_pictures_are_written_beside_what_is_printed(tmp_path: Path, capsys: Captured) -> None:
    dot, png = tmp_path / "net.dot", tmp_path / "net.png"
    assert run(["summary", str(NET), "--dot", str(dot), "--png", str(png)]) == 0
    assert capsys.readouterr().out.startswith("layer ")
    text = dot.read_text(encoding="utf-8")
    assert text.startswith('digraph "LeNet" {')
    assert r"LeNet, TRAIN\n431,080 parameters, 2.293 M multiply-accumulates" in text
    assert png.read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.dot", "net.png"]


def test_pictures_replace_pictures_and_what_is_empty(tmp_path: Path) -> None:
    dot, png = tmp_path / "net.dot", tmp_path / "net.png"
    dot.touch()
    png.touch()
    for _ in range(2):
        assert run(["summary", str(NET), "--dot", str(dot), "--png", str(png)]) == 0
    assert dot.read_text(encoding="utf-8").startswith("digraph")
    assert png.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--dot", "net.yaml"], "--dot: net.yaml: is no picture by --dot and is kept"),
        (["--png", "link.png"], "--png: link.png: is no picture by --png and is kept"),
        (["--dot", "x", "--png", "../here/x"], "--png: ../here/x: is the file of --dot"),
        (["--dot", "x", "--png", "no/x.png"], "--png: no/x.png: there is no folder no"),
        (["--dot", "x", "--png", "net.yaml"], "--png: net.yaml: is no picture by --png"),
    ],
)
def test_a_picture_replaces_nothing_else_and_none_is_written_if_one_cannot_be(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    text = NET.read_text(encoding="utf-8")
    (folder / "net.yaml").write_text(text, encoding="utf-8")
    (folder / "link.png").symlink_to("net.yaml")
    assert run(["summary", "net.yaml", *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert words in err
    assert (folder / "net.yaml").read_text(encoding="utf-8") == text
    assert sorted(path.name for path in folder.iterdir()) == ["link.png", "net.yaml"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([str(NET), "--phase", "VALL"], 2, "'VALL' is not one of"),
        ([str(NET), "--set", "layers.ip1.num_outptu=3"], 2, "did you mean 'num_output'?"),
        ([str(NET), "--dot", "none/net.dot"], 2, "--dot: none/net.dot: there is no folder none"),
        ([str(NET), "--png", "none/net.png"], 2, "--png: none/net.png: there is no folder none"),
        ([str(NET), "--png", "."], 2, "is a directory"),
        (["none.yaml"], 2, "does not exist"),
        ([__file__], 1, "not a whole checkpoint"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], code: int, words: str, capsys: Captured
) -> None:
    assert run(["summary", *arguments]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert "Traceback" not in err
