"""`sparsenet export`: what it prints, and how its mistakes end."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import onnxruntime
import pytest
import torch

from sparsenet.checkpoint import load_checkpoint
from sparsenet.cli.main import run
from tests.cli.conftest import NET, SOLVER
from tests.small import write_solver

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def trained(solver: Path, capsys: Captured) -> Path:
    """The best checkpoint of the smallest net, in the working folder."""
    assert run(["train", str(solver), "--output", "run", "--quiet"]) == 0
    capsys.readouterr()
    return Path("run/best.pt")


def test_it_tells_the_file_its_size_and_how_it_was_proved(trained: Path, capsys: Captured) -> None:
    assert run(["export", str(trained), "--format", "onnx", "-o", "net.onnx"]) == 0
    out, err = capsys.readouterr()
    size = Path("net.onnx").stat().st_size
    weight = load_checkpoint(trained).weights["ip.weight"]
    first, second, third, last = out.splitlines()
    assert err == ""
    assert first == f"net.onnx: {size:,} bytes"
    assert second == "opset 17, 2 nodes, from 'data' to 'ip'"
    assert third.startswith(f"largest difference in ONNX Runtime {onnxruntime.__version__}: ")
    assert third.endswith(" (5 images)")
    assert last == f"{int((weight != 0).sum())} of 640 weights are not zero, as in the net"


def test_json_is_one_document(trained: Path, capsys: Captured) -> None:
    assert run(["export", str(trained), "--format", "onnx", "--json"]) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert err == ""
    assert 0 <= document.pop("largest_difference") <= 1e-4 * document.pop("largest_score")
    assert document == {
        "file": "run/best.onnx",
        "format": "onnx",
        "bytes": Path("run/best.onnx").stat().st_size,
        "opset": 17,
        "nodes": 2,
        "input": "data",
        "output": "ip",
        "images": 5,
        "weights": 640,
        "nonzeros": 128,
    }


def test_without_the_extra_it_says_how_to_have_it(
    trained: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert run(["export", str(trained), "--format", "onnx"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "error: --format onnx needs onnx and onnxruntime, which are not both installed: "
        "pip install 'sparsenet[onnx]'\n"
    )
    assert not Path("run/best.onnx").exists()


def test_mistakes_are_one_line(trained: Path, capsys: Captured) -> None:
    Path("there.onnx").touch()
    Path("foreign.pt").write_bytes(b"not a checkpoint")
    asked = [
        ([str(trained)], 2, "Missing option '--format'"),
        ([str(trained), "--format", "tflite"], 2, "'tflite' is not"),
        ([str(trained), "--format", "onnx", "-o", "there.onnx"], 2, "there.onnx exists: replace"),
        ([str(trained), "--format", "onnx", "-o", "no/a.onnx"], 1, "no is no folder"),
        (["foreign.pt", "--format", "onnx"], 1, "foreign.pt: not a whole checkpoint"),
        (["net.yaml", "--format", "onnx"], 2, "is a YAML file; a checkpoint is needed"),
    ]
    for arguments, code, words in asked:
        assert run(["export", *arguments]) == code, arguments
        out, err = capsys.readouterr()
        assert out == ""
        assert words in err
        assert "Traceback" not in err


def test_the_command_is_there_without_the_extra(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its libraries are looked for when a file is to be made, not before."""
    for name in [name for name in sys.modules if name.startswith("sparsenet.exports.onnx.")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("sparsenet.cli.export", "sparsenet.workflows.export"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    for name in ("onnx", "onnxruntime", "google.protobuf"):
        monkeypatch.setitem(sys.modules, name, None)
    assert run(["export", "--help"]) == 0
    assert "--format [onnx|c|caffe]" in capsys.readouterr().out


def test_c_is_a_folder_that_make_builds(trained: Path, capsys: Captured) -> None:
    assert run(["pack", str(trained), "-o", "net.safetensors", "--values=int8", "--quiet"]) == 0
    capsys.readouterr()
    assert run(["export", "net.safetensors", "--format", "c", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    names = sorted(path.name for path in Path("net-c").iterdir())
    assert names == ["Makefile", "main.c", "tiny.c", "tiny.h"]
    assert document["folder"] == "net-c"
    # 128 numbers of a byte, 10 scales, and gaps in 4 or 8 bits; 10 biases, a mean and a factor.
    assert 128 + 40 < document["weights"] <= 128 + 40 + 128 + 3
    assert document["read_only"] == document["weights"] + 40 + 8
    assert run(["export", "net.safetensors", "--format", "c"]) == 2
    words = "net-c has tiny.h, tiny.c, main.c, Makefile already: give --overwrite"
    assert words in capsys.readouterr().err
    assert run(["export", "net.safetensors", "--format", "c", "--overwrite"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "net-c: tiny.h, tiny.c, main.c and Makefile"
    assert lines[2].startswith("RAM: ")


def test_c_and_onnx_give_the_probabilities_that_end_a_net(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    net = NET + "  - {name: prob, type: Softmax, bottom: ip, phase: TEST}\n"
    solver = write_solver(Path(), net, SOLVER)
    assert run(["train", str(solver), "--output", "run", "--quiet"]) == 0
    capsys.readouterr()
    for name in ("onnx", "c"):
        assert run(["export", "run/best.pt", "--format", name, "--json"]) == 0
        largest = json.loads(capsys.readouterr().out)["largest_score"]
        assert largest is None or 0.1 <= largest <= 1


def test_caffe_is_a_folder_of_its_files(trained: Path, capsys: Captured) -> None:
    assert run(["export", str(trained), "--format", "caffe"]) == 0
    out, err = capsys.readouterr()
    first, *preparing, last = out.splitlines()
    folder = Path("run/best-caffe")
    files = ["deploy.prototxt", "deploy.caffemodel"]
    sizes = [f"{name} ({(folder / name).stat().st_size:,} bytes)" for name in files]
    assert err == ""
    assert first == f"{folder}: {', '.join(sizes)}"
    text = (folder / "deploy.prototxt").read_text()
    assert text.startswith("".join(f"# {line}\n" for line in preparing))
    assert last.startswith("Output 'ip'; largest difference, imported again: 0 of scores up to ")
    assert run(["export", str(trained), "--format", "caffe"]) == 2
    assert "best-caffe has deploy.prototxt, deploy.caffemodel already" in capsys.readouterr().err
    assert run(["export", str(trained), "--format", "caffe", "--overwrite", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document.pop("largest_difference") == 0
    assert document.pop("largest_score") > 0
    assert document == {
        "folder": "run/best-caffe",
        "format": "caffe",
        "files": {name: (folder / name).stat().st_size for name in files},
        "input": "data",
        "output": "ip",
        "preparing": preparing,
        "images": 5,
    }


def test_caffes_weights_train_on_as_the_net_they_are_of(trained: Path, capsys: Captured) -> None:
    assert run(["export", str(trained), "--format", "caffe", "-o", "caffe"]) == 0
    weights = ["--weights", "caffe/deploy.caffemodel", "--set", "base_lr=1e-30"]
    assert run(["train", "solver.yaml", *weights, "--output", "again", "--quiet"]) == 0
    before, after = (load_checkpoint(path).weights for path in (trained, Path("again/best.pt")))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    capsys.readouterr()


def test_mistakes_with_caffe_are_one_line(
    trained: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("file").touch()
    assert run(["export", str(trained), "--format", "caffe", "-o", "file"]) == 2
    assert "file is a file, and Caffe takes a folder" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "google.protobuf", None)
    assert run(["export", str(trained), "--format", "caffe"]) == 2
    assert "pip install 'sparsenet[caffe]'" in capsys.readouterr().err
    assert not Path("run/best-caffe").exists()
