"""`sparsenet import-caffe` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sparsenet.cli.main import run

Captured = pytest.CaptureFixture[str]
NET = """name: "tiny"
layer { name: "d" type: "Data" top: "data" top: "label"
  data_param { source: "nowhere_lmdb" batch_size: 3 backend: LMDB } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" frozen: 1
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" }
"""


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("net.prototxt").write_text(NET, encoding="utf-8")
    return "net.prototxt"


def test_it_prints_the_net_and_what_is_next_and_warns_on_stderr(net: str, capsys: Captured) -> None:
    assert run(["import-caffe", net, "-o", "out", "--shape", "1,4,4"]) == 0
    out, err = capsys.readouterr()
    assert "tiny, TRAIN: 85 parameters, 80 multiply-accumulates of one example." in out
    assert "d: point folder at the LMDB nowhere_lmdb\n" in out
    assert out.endswith("wrote out/net.yaml\nnext: sparsenet summary out/net.yaml\n")
    assert err == "warning: net.prototxt:4: ip: frozen: is not known here, and is left out\n"
    assert run(["summary", "out/net.yaml"]) == 0
    assert capsys.readouterr().out.startswith("layer ")


def test_the_document(net: str, capsys: Captured) -> None:
    assert run(["import-caffe", net, "-o", "out", "--shape", "1,4,4", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert list(document) == ["files", "left_out", "notes", "net"]
    assert document["files"] == ["out/net.yaml"]
    assert document["net"]["total"]["parameters"] == 85


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["net.prototxt", "-o", "out"], "d.data_param: source 'nowhere_lmdb' is not here"),
        (
            ["net.prototxt", "-o", "out", "--shape", "1,4"],
            "'1,4' is not channels, height and width",
        ),
        (["net.prototxt", "-o", "out", "--shape", "0,4,4"], "'0,4,4' is not channels"),
        (["net.prototxt"], "Missing option '--output'"),
        (["none.prototxt", "-o", "out"], "does not exist"),
        (["net.prototxt", "-o", "out", "--weights", "none"], "does not exist"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(
    net: str, arguments: list[str], words: str, capsys: Captured
) -> None:
    assert run(["import-caffe", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert "Traceback" not in err
    assert not Path("out").exists()
