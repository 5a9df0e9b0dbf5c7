"""`sparsenet time`: what it tells of a checkpoint and of a packed model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sparsenet.checkpoint import save_checkpoint
from sparsenet.cli.main import run
from sparsenet.execution import tuning
from sparsenet.execution.load import runnable
from sparsenet.execution.timed import Timed
from sparsenet.packed.file import write_packed
from sparsenet.packed.model import PackedModel, unpack
from sparsenet.program import compiler
from sparsenet.workflows import timing
from sparsenet.workflows.timing import Peak, Row
from tests.execution.packed_nets import packed_net, small_solver
from tests.program.sparse_nets import NEEDS_COMPILER
from tests.small import convolution, inner_product

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(tuning, "SECONDS", 0.0)
    monkeypatch.setattr(timing, "SECONDS", 0.0)


@pytest.fixture
def quick_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of this process alone: what others find in the cache is made by another compiler."""
    flags = ("-O1" if flag == "-O3" else flag for flag in compiler.FLAGS)
    monkeypatch.setattr(compiler, "FLAGS", tuple(flags))


def small() -> PackedModel:
    pooled = {"name": "pool", "type": "Pooling", "kernel_size": 2, "stride": 2}
    split = {"name": "flat", "type": "Flatten"}
    layers = (convolution("conv", 6), {"name": "relu", "type": "ReLU"}, pooled, split)
    return packed_net(small_solver(*layers, inner_product("ip", 10)), 0.2)[0]


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    write_packed(tmp_path / "x.safetensors", small())
    return tmp_path / "x.safetensors"


@pytest.fixture
def no_process(quick_compiler: None, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int]]:
    """What the memory was to be measured of, each being a MiB and a KiB."""
    asked: list[tuple[str, int, int]] = []

    def peak(file: Path, execution: str, images: int, threads: int) -> Peak:
        assert file.is_file()
        asked.append((execution, images, threads))
        return Peak(2**20, 2**10)

    monkeypatch.setattr(timing, "_peak", peak)
    return asked


@NEEDS_COMPILER
def test_json(packed: Path, no_process: list[tuple[str, int, int]], capsys: Captured) -> None:
    threads = torch.get_num_threads()
    assert run(["time", str(packed), "--batch", "1,9", "--threads=2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["model"], told["execution"], told["threads"]) == (str(packed), "auto", 2)
    assert torch.get_num_threads() == threads
    assert no_process == [("auto", 9, 2), ("dense", 9, 2)]
    sizes = {name.removesuffix(".weight"): one.nbytes for name, one in small().weights.items()}
    assert told["weights"]["layers"] == sizes
    assert told["weights"]["resident"] == told["weights"]["packed"] == sum(sizes.values())
    assert told["weights"]["dense"] == 4 * (54 + 540)
    measured = {"peak": 2**20, "growth": 2**10}
    assert told["peak_memory"] == {"images": 9, "auto": measured, "dense": measured}
    assert [batch["images"] for batch in told["batches"]] == [1, 9]
    for batch in told["batches"]:
        assert batch["rounds"] == 5
        assert batch["ratio"] == batch["dense_milliseconds"] / batch["milliseconds"] > 0
        names = [name for row in batch["layers"] for name in row["layers"]]
        assert names == ["conv", "relu", "pool", "flat", "ip"]
        for row in batch["layers"]:
            assert row["dense_milliseconds"] > 0
            assert (row["milliseconds"] > 0) == (row["method"] != "nothing")


def test_for_the_reader(
    packed: Path, no_process: list[tuple[str, int, int]], capsys: Captured
) -> None:
    assert run(["time", str(packed), "--batch=1", "--threads=1", "--execution=dense"]) == 0
    first, table, memory = capsys.readouterr().out.split("\n\n")
    assert first == f"{packed}: execution dense, 1 thread"
    header, *rows, total, ratio = table.splitlines()
    assert header.split() == ["1", "image", "method", "ms", "dense", "ms"]
    assert [row.split()[:2] for row in rows] == [
        ["conv", "dense"],
        ["relu", "torch"],
        ["pool", "torch"],
        ["flat", "torch"],
        ["ip", "dense"],
    ]
    assert total.split()[0] == "total"
    assert ratio.endswith(" times as fast as dense, median of 5 rounds each")
    weights, peak = memory.splitlines()
    assert weights.startswith("Weights in memory: 2.3 KiB, packed ")
    assert peak == (
        "Peak memory of a process, 1 image at a time: dense 1.0 MiB, of these 1.0 KiB by the model."
    )


def test_the_operations_of_a_layer_are_one_row() -> None:
    net = runnable(small(), "x", "dense")
    layers = ("conv", "relu")
    ours = [Timed(layers, "program", 1.0), Timed(layers, "program", 2.0)]
    dense = [Timed((layer,), "dense", seconds) for layer, seconds in (("conv", 4.0), ("relu", 8.0))]
    assert timing._rows(net, ours, dense) == (Row(layers, "program", 3.0, 12.0),)


@NEEDS_COMPILER
def test_a_checkpoint_is_packed_and_a_process_measures_its_memory(
    tmp_path: Path, capsys: Captured
) -> None:
    """By a net whose dense weights are 64 MiB more than its packed ones.

    The process finds what this one has compiled and chosen.
    """
    configuration = small_solver(inner_product("ip1", 4096), inner_product("ip2", 4096))
    model, _ = packed_net(configuration, 0.001)
    save_checkpoint(tmp_path / "x.pt", unpack(model, "x"))
    assert run(["time", str(tmp_path / "x.pt"), "--batch=1", "--threads=1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    packed, dense = told["peak_memory"]["auto"], told["peak_memory"]["dense"]
    assert dense["growth"] > told["weights"]["dense"] > 64 * 2**20
    assert dense["growth"] - packed["growth"] > 32 * 2**20
    assert dense["peak"] > packed["peak"] > packed["growth"] > told["weights"]["packed"]


def test_a_process_that_fails_is_one_line(
    packed: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr(timing, "write_packed", lambda path, model: path.write_bytes(b"x"))
    assert run(["time", str(packed), "--batch=1"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: the process that measures its memory failed: ")
    assert "not a whole packed model" in error
    assert error.count("\n") == 1


def test_what_cannot_be_asked_for(packed: Path, tmp_path: Path, capsys: Captured) -> None:
    text = tmp_path / "x.yaml"
    text.write_text("a: 1")
    for arguments in (["--batch=0"], ["--batch=x"], ["--execution=fast"], ["--threads=0"]):
        assert run(["time", str(packed), *arguments]) == 2
        assert capsys.readouterr().err.count("rror: ") == 1
    assert run(["time", str(tmp_path / "none")]) == 2
    capsys.readouterr()
    assert run(["time", str(text)]) == 2
    assert "Traceback" not in capsys.readouterr().err
    bad = replace(small(), others={})
    write_packed(packed, bad)
    assert run(["time", str(packed), "--batch=1"]) == 1
    assert capsys.readouterr().err.startswith(f"error: {packed}: the net needs a conv.bias of ")
