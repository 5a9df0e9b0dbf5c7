"""`sparsenet memsize` of a checkpoint, a net and a solver, against sizes counted by hand."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from sparsenet.checkpoint import Checkpoint, Constraint, save_checkpoint
from sparsenet.cli.main import run
from sparsenet.config.load import load_solver
from sparsenet.regularization.projections import keep_largest_
from sparsenet.storage.report import SPEED_NOTE
from sparsenet.workflows.build import build_net
from tests.small import write_solver

LENET = Path(__file__).parents[2] / "configs" / "mnist" / "nets" / "lenet.yaml"
SIZES = {"conv1": 500, "conv2": 25_000, "ip1": 400_000, "ip2": 5000}
FORMATS = (
    *("dense", "bitmask", "indexed", "csr", "relative4", "relative8", "periodic"),
    *("best", "floor"),
)

NET = """
name: tiny
layers:
  - {name: digits, type: Data, source: digits, split: 100, batch_size: 8}
  - {name: conv, type: Convolution, num_output: 6, kernel_size: 3, weight_filler: {type: xavier}}
  - {name: ip1, type: InnerProduct, num_output: 20, weight_filler: {type: xavier}}
  - {name: ip2, type: InnerProduct, num_output: 10, bias_term: false,
     weight_filler: {type: xavier}}
  - {name: loss, type: SoftmaxWithLoss}
"""
# conv 6x1x3x3 = 54 and 6 biases, ip1 20x216 = 4320 and 20 biases, ip2 10x20 = 200
SOLVER = """
net: net.yaml
max_iter: 1000
base_lr: 0.01
regularization:
  conv: {type: l0, group: both}
  ip1: {type: l0, group: both}
stages:
  - {name: half, t: {both: 50%}, until: {iters: 100}}
  - {name: last, t: {both: {from: 40%, to: 437, over: 50}}}
"""


@pytest.fixture
def solver(tmp_path: Path) -> Path:
    return write_solver(tmp_path, NET, SOLVER)


@pytest.fixture
def sizes(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command with --json and return its document."""

    def measure(*arguments: object) -> dict[str, Any]:
        assert run(["memsize", *map(str, arguments), "--json"]) == 0
        out, err = capsys.readouterr()
        assert err == SPEED_NOTE + "\n"
        document = json.loads(out)
        assert isinstance(document, dict)
        return document

    return measure


def expected_bytes(
    size: int, nonzeros: int, rows: int, skips: tuple[int, int] | None = None
) -> dict[str, int]:
    """Appendix A and the conventions beside it, by hand; of `skips` as many as there can be."""
    four, eight = skips or ((size - nonzeros) // 15, (size - nonzeros) // 255)
    sizes = {
        "dense": 4 * size,
        "bitmask": math.ceil(size / 8) + 4 * nonzeros,
        "indexed": (5 if size <= 256 else 6) * nonzeros,
        "csr": 8 * nonzeros + 4 * (rows + 1),
        "relative4": math.ceil((nonzeros + four) / 2) + 4 * nonzeros,
        "relative8": nonzeros + eight + 4 * nonzeros,
    }
    bits = math.ceil(math.log2(math.comb(size, nonzeros)))
    return sizes | {"best": min(sizes.values()), "floor": math.ceil((bits + 32 * nonzeros) / 8)}


def test_the_document_has_the_keys_that_programs_rely_on(solver: Path, sizes: Any) -> None:
    document = sizes(solver)
    assert list(document) == ["layers", "total"]
    for layer in document["layers"]:
        assert {"name", "shape", "params", "nonzeros", "bytes", "best"} <= set(layer)
        assert tuple(layer["bytes"]) == FORMATS
        assert layer["best"] in FORMATS[:7]
    assert {"params", "nonzeros", "bytes", "ratio"} <= set(document["total"])
    assert tuple(document["total"]["bytes"]) == FORMATS


def test_lenet_has_431_080_parameters(sizes: Any) -> None:
    document = sizes(LENET)
    assert {layer["name"]: layer["params"] for layer in document["layers"]} == SIZES
    assert document["layers"][2]["shape"] == [500, 800]
    total = document["total"]
    assert (total["params"], total["nonzeros"]) == (431_080, 431_080)
    assert total["bytes"]["dense"] == total["bytes"]["best"] == 4 * 431_080
    assert total["ratio"] == 1


def test_a_net_is_predicted_from_its_declared_t(sizes: Any) -> None:
    t = {"conv1": "33%", "ip1": "20000"}
    keys = [f"layers.{name}.regularization={{type: l0, t: {value}}}" for name, value in t.items()]
    document = sizes(LENET, "--set", keys[0], "--set", keys[1])
    counts = {layer["name"]: layer["nonzeros"] for layer in document["layers"]}
    assert counts == SIZES | {"conv1": 165, "ip1": 20_000}
    ip1 = document["layers"][2]
    assert (ip1["bytes"]["bitmask"], ip1["bytes"]["indexed"]) == (130_000, 160_000)
    assert (ip1["best"], ip1["bytes"]["csr"]) == ("relative8", 162_004)
    # 380,000 zeros are at most 1,490 skips of 255.
    assert ip1["bytes"]["relative8"] == 5 * 20_000 + 1490


def test_a_solver_is_predicted_from_its_last_stage_and_a_group_is_spread(
    solver: Path, sizes: Any
) -> None:
    document = sizes(solver)
    conv, ip1, ip2 = document["layers"]
    assert conv["nonzeros"] + ip1["nonzeros"] == 437
    assert abs(conv["nonzeros"] - 437 * 54 / 4374) < 1
    assert ip2["nonzeros"] == ip2["params"] == 200
    for layer in document["layers"]:
        rows = layer["shape"][0]
        periodic = layer["bytes"].pop("periodic")
        assert periodic > layer["bytes"]["dense"]  # for all that is known
        assert layer["bytes"] == expected_bytes(layer["params"], layer["nonzeros"], rows)
    total = document["total"]
    assert (total["params"], total["nonzeros"]) == (4574 + 26, 437 + 200 + 26)
    for name in set(FORMATS) - {"periodic"}:
        assert total["bytes"][name] == 4 * 26 + sum(x["bytes"][name] for x in document["layers"])
    assert total["ratio"] == total["bytes"]["dense"] / total["bytes"]["best"]


def test_overrides_go_over_the_solver(solver: Path, sizes: Any) -> None:
    document = sizes(solver, "--set", "stages.1.t.both=50%")
    assert sum(layer["nonzeros"] for layer in document["layers"][:2]) == 4374 // 2


@pytest.fixture
def checkpoint(solver: Path) -> Path:
    """A net with 437 weights in its first two layers, in numbers that no one declared for each."""
    configuration = load_solver(solver)
    net = build_net(configuration.solver.net, 5, torch.device("cpu"))
    weights = net.weights()
    ball = ("conv.weight", "ip1.weight")
    keep_largest_([weights[name] for name in ball], 437)
    path = solver.with_name("model.pt")
    held = (Constraint("both", ball, 437),)
    save_checkpoint(path, Checkpoint(configuration.data, 0, weights, held))
    return path


def test_a_checkpoint_is_counted(checkpoint: Path, sizes: Any) -> None:
    saved = torch.load(checkpoint, weights_only=True)["weights"]
    document = sizes(checkpoint)
    for layer in document["layers"]:
        weight = saved[f"{layer['name']}.weight"]
        nonzeros = int((weight != 0).sum())
        assert layer["shape"] == list(weight.shape)
        assert layer["nonzeros"] == nonzeros
        zeros = [len(run) for run in "".join("01"[x] for x in weight.flatten() != 0).split("1")]
        skips = sum(n // 15 for n in zeros[:-1]), sum(n // 255 for n in zeros[:-1])
        assert layer["bytes"].pop("periodic") >= layer["bytes"]["best"]
        assert layer["bytes"] == expected_bytes(weight.numel(), nonzeros, len(weight), skips)
    assert sum(layer["nonzeros"] for layer in document["layers"][:2]) == 437


def test_csv_has_the_same_numbers(
    solver: Path, sizes: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    document = sizes(solver)
    assert run(["memsize", str(solver), "--csv"]) == 0
    out, err = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(out)))
    assert err == SPEED_NOTE + "\n"
    assert [row["name"] for row in rows[:3]] == ["conv", "ip1", "ip2"]
    for row, layer in zip(rows[:3], document["layers"], strict=True):
        assert row["shape"] == "x".join(map(str, layer["shape"]))
        assert row["best"] == layer["best"]
        assert {key: int(row[f"{key}_bytes"]) for key in FORMATS} == layer["bytes"]
    without, with_biases = rows[3:]
    assert (int(without["params"]), int(with_biases["params"])) == (4574, 4600)
    assert {k: int(with_biases[f"{k}_bytes"]) for k in FORMATS} == document["total"]["bytes"]


def test_the_table_has_binary_units_both_totals_and_the_warning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["memsize", str(LENET)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "1.5MiB" in out
    assert "19.5KiB" in out
    assert [line.split()[2] for line in out.splitlines() if line.startswith("total")] == [
        "430,500",
        "biases",
    ]
    assert "431,080" in out
    assert out.splitlines()[0].split()[3] == "t"
    assert out.endswith(SPEED_NOTE + "\n")
    assert "not by itself a faster network" in out


def test_a_checkpoints_column_is_of_nonzeros(
    checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["memsize", str(checkpoint)]) == 0
    assert capsys.readouterr().out.splitlines()[0].split()[3] == "nonzeros"


def test_mistakes_are_one_line_and_exit_2(
    solver: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = "--json and --csv exclude each other"
    asked: list[tuple[list[object], str]] = [
        ([solver, "--json", "--csv"], both),
        ([checkpoint, "--set", "base_lr=1"], "--set goes with a net or solver file"),
        ([solver.with_name("none.yaml")], "does not exist"),
        ([solver, "--set", "stages.1.t.both=4375"], "4375 is more than the 4374 weights there are"),
        ([solver, "--set", "stages.1.t.bth=3"], "did you mean 'both'?"),
    ]
    for arguments, words in asked:
        assert run(["memsize", *map(str, arguments)]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert words in err
        assert "Traceback" not in err


def test_a_file_that_is_no_checkpoint_exits_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "foreign.pt"
    path.write_bytes(b"not a checkpoint")
    assert run(["memsize", str(path)]) == 1
    assert capsys.readouterr().err.startswith(f"error: {path}: not a whole checkpoint")
