"""`sparsenet search` as it is typed, from the dense net to one that meets the target."""

from __future__ import annotations

import csv
import json
import re
from itertools import pairwise
from pathlib import Path

import pytest

from sparsenet.cli.main import run
from sparsenet.config.load import load_solver
from tests.cli.inline import ended, typed_aside
from tests.small import write_solver

NET = """
name: tiny
layers:
  - {name: digits, type: Data, source: digits, split: 100, batch_size: 16,
     transform: {scale: 0.00390625}}
  - {name: ip1, type: InnerProduct, num_output: 4, weight_filler: {type: xavier}}
  - {name: ip, type: InnerProduct, num_output: 10, weight_filler: {type: xavier}}
  - {name: accuracy, type: Accuracy, bottom: [ip, label], phase: TEST}
  - {name: loss, type: SoftmaxWithLoss, bottom: [ip, label]}
"""
SOLVER = "{net: net.yaml, max_iter: 20, base_lr: 0.5, display: 0, solver_mode: cpu}"
SIZES = {"ip1": 256, "ip": 40}
Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A solver file, and in `out` what a search by processes has left, with what it printed."""
    folder = tmp_path_factory.mktemp("search")
    write_solver(folder, NET, SOLVER)
    return folder


def arguments(home: Path, *more: object, output: str = "out") -> list[str]:
    known = [
        "search",
        home / "solver.yaml",
        "--cut",
        "50%",
        "--iters",
        5,
        "--output",
        home / output,
    ]
    return [str(each) for each in (*known, *more)]


def typed(home: Path, *more: object, output: str = "out") -> int:
    return run(arguments(home, *more, output=output))


@pytest.fixture(scope="module")
def printed(home: Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the search."""
    return typed_aside(arguments(home, "--density", "40%", "--jobs", 2))


def rows(home: Path, name: str, output: str = "out") -> list[dict[str, str]]:
    with (home / output / name).open(newline="") as stream:
        return list(csv.DictReader(stream))


def files(folder: Path) -> dict[Path, object]:
    """When the files of trials were written, and what the journal says."""
    times = {path: path.stat().st_mtime_ns for path in folder.glob("out/trials/*/*")}
    return {**times, folder: (folder / "out" / "trials.jsonl").read_text()}


def test_a_search_goes_by_the_best_candidate_till_the_target(
    home: Path, printed: tuple[int, str, str]
) -> None:
    code, out, err = printed
    assert code == 0, err
    front, path = rows(home, "front.csv"), rows(home, "path.csv")
    # 296 weights, of which 118 may stay. Each round halves one layer, and has a candidate a layer.
    assert front[0]["nonzeros"] == "296"
    assert int(path[-1]["nonzeros"]) <= 118 < int(path[-2]["nonzeros"])
    assert path == [row for row in front if row["accepted"] == "1"]
    assert len(front) == 1 + 2 * (len(path) - 1)
    for before, after in pairwise(path):
        group = [row for row in front if row["round"] == after["round"]]
        assert [row["layer"] for row in group] == list(SIZES)
        best = max(group, key=lambda row: (float(row["val_accuracy"]), -int(row["nonzeros"])))
        assert after == best
        for row in group:
            for name in SIZES:
                half = int(before[f"t.{name}"]) // 2
                assert int(row[f"t.{name}"]) == (half if name == row["layer"] else 2 * half)
                assert int(row[f"nonzeros.{name}"]) <= int(row[f"t.{name}"])
    spent = [int(row["spent"]) for row in front]
    assert spent == [20 + 5 * place for place in range(len(front))]
    assert out.splitlines()[-1] == f"Strategy greedy: {spent[-1]:,} updates in all."
    assert len(out.splitlines()) == 2 + len(path) + 3
    assert len(ended(err)) == len(front)
    assert err.splitlines()[0].startswith("[1 of ")


def test_weights_are_kept_of_the_path_alone(home: Path, printed: tuple[int, str, str]) -> None:
    for row in rows(home, "front.csv"):
        final = home / "out" / "trials" / row["key"] / "final.pt"
        assert final.exists() == (row["accepted"] == "1")


def test_the_same_command_again_trains_nothing(
    home: Path, printed: tuple[int, str, str], capsys: Captured
) -> None:
    before = files(home)
    assert typed(home, "--density", "40%", "--jobs", 1) == 0
    out, err = capsys.readouterr()
    assert (out, ended(err)) == (printed[1], [])
    assert files(home) == before


def test_json_is_one_document(
    home: Path, printed: tuple[int, str, str], inline: None, capsys: Captured
) -> None:
    assert typed(home, "--density", "40%", "--json", "--quiet") == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    path = rows(home, "path.csv")
    assert err == ""
    assert (document["strategy"], document["folder"]) == ("greedy", str(home / "out"))
    assert document["iterations"] == int(rows(home, "front.csv")[-1]["spent"])
    assert [one["key"] for one in document["path"]] == [row["key"] for row in path]
    assert [one["layer"] for one in document["path"]][:1] == [None]
    assert document["path"][-1]["nonzeros"] == {
        name: int(path[-1][f"nonzeros.{name}"]) for name in SIZES
    }


def test_a_smaller_target_goes_on_and_a_larger_one_stops_earlier(
    home: Path, printed: tuple[int, str, str], inline: None, capsys: Captured
) -> None:
    front = rows(home, "front.csv")
    assert typed(home, "--nonzeros", 200) == 0
    assert rows(home, "front.csv") == front[: len(rows(home, "front.csv"))]
    assert typed(home, "--nonzeros", 90) == 0
    longer = rows(home, "front.csv")
    assert longer[: len(front)] == front
    assert int(rows(home, "path.csv")[-1]["nonzeros"]) <= 90
    assert typed(home, "--density", "40%") == 0
    capsys.readouterr()
    assert rows(home, "front.csv") == front


def test_the_solver_of_a_found_network(
    home: Path, printed: tuple[int, str, str], inline: None, capsys: Captured
) -> None:
    path = rows(home, "path.csv")
    size = int(path[-1]["bytes"])
    assert typed(home, "--write-solver", size) == 0
    written = home / "out" / f"solver-{size}.yaml"
    assert capsys.readouterr() == (f"{written}\n", "")
    rules = [layer.regularization for layer in load_solver(written).solver.net.layers[1:3]]
    for rule, name in zip(rules, SIZES, strict=True):
        count = int(path[-1][f"nonzeros.{name}"])
        assert (rule is None and count == SIZES[name]) or rule.t == count  # type: ignore[union-attr]
    written.unlink()
    assert typed(home, "--write-solver", f"{size}B", "--density", "40%", "--quiet") == 0
    assert capsys.readouterr() == (printed[1], "")
    assert (home / "out" / f"solver-{size}B.yaml").exists()
    assert typed(home, "--write-solver", "10B", "--density", "40%", "--quiet") == 2
    out, err = capsys.readouterr()
    assert out == printed[1]
    assert err.startswith("error: --write-solver 10B: the smallest network of the search takes")


@pytest.mark.parametrize("strategy", ["lazy", "global", "uniform", "erk"])
def test_every_strategy_meets_a_budget_from_given_weights(
    strategy: str, home: Path, printed: tuple[int, str, str], inline: None, capsys: Captured
) -> None:
    dense = home / "out" / "trials" / rows(home, "path.csv")[0]["key"] / "final.pt"
    asked = ("--strategy", strategy, "--weights", dense, "--quiet", "--budget")
    assert typed(home, *asked, "1", output=strategy) == 2
    said = re.search(r"([\d,]+) bytes are the file's description$", capsys.readouterr().err.strip())
    assert said is not None
    description = int(said[1].replace(",", ""))
    assert typed(home, *asked, str(716 + description), output=strategy) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[-2].startswith(f"Strategy {strategy}: ")
    packed = home / strategy / "packed.safetensors"
    assert packed.stat().st_size <= 716 + description
    assert shown[-1].endswith(f"bytes, within the budget of {716 + description:,}")
    front, path = (rows(home, name, strategy) for name in ("front.csv", "path.csv"))
    assert int(path[-1]["bytes"]) <= 716 < int(path[-2]["bytes"])
    assert (front[0]["iterations"], front[0]["nonzeros"]) == ("0", "296")
    assert front[0]["val_accuracy"] == rows(home, "path.csv")[0]["val_accuracy"]
    if strategy != "lazy":
        assert len(front) == len(path)
        assert {row["layer"] for row in front} == {""}
        for row in path:
            total = sum(int(row[f"t.{name}"]) for name in SIZES)
            assert int(row["nonzeros"]) <= total


def test_where_every_candidate_diverges(home: Path, inline: None, capsys: Captured) -> None:
    assert typed(home, "--density", "40%", "--base-lr", 1e30, output="diverged") == 1
    out, err = capsys.readouterr()
    assert out == ""
    last = err.splitlines()[-1]
    assert last.startswith("error: every candidate after dense diverged, the last: the loss is not")
    assert last.endswith("a smaller base_lr may help")
    assert len(rows(home, "front.csv", "diverged")) == 1


ERRORS: list[tuple[list[str], str]] = [
    ([], "give one of --nonzeros, --density, --ratio, --budget"),
    (["--budget", "1KiB", "--ratio", "3"], "--ratio and --budget exclude each other"),
    (["--budget", "70B"], "--budget 70B: cannot be met: one weight a layer comes to 2 nonzero"),
    (["--density", "5%", "--layers", "ip2"], "--layers ip2: the net has no layer 'ip2' with"),
    (["--density", "5%", "--write-solver", "x"], "--write-solver x: is not a size such as 64KiB"),
    (["--density", "5%", "--set", "net.layers.digits.split=null"], "{home}/solver.yaml: a search"),
    (["--density", "5%", "--set", "lr_polcy=x"], "--set lr_polcy=x: lr_polcy: unknown key"),
    (["--write-solver", "1KiB"], "{home}/none: is not the folder of a search: it has no path.csv"),
]


@pytest.mark.parametrize(("asked", "words"), ERRORS, ids=lambda it: str(it)[:40])
def test_a_usage_error_writes_nothing(
    asked: list[str], words: str, home: Path, capsys: Captured
) -> None:
    assert typed(home, *asked, output="none") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {words.format(home=home)}")
    assert len(err.splitlines()) == 1
    assert not (home / "none").exists()


def test_another_search_in_the_same_folder(
    home: Path, printed: tuple[int, str, str], capsys: Captured
) -> None:
    before = files(home)
    assert typed(home, "--density", "40%", "--strategy", "lazy", "--iters", 6) == 2
    assert capsys.readouterr().err == (
        f"error: {home}/out holds another study, which differs in settings.strategy, "
        "settings.iters: choose another folder by --output\n"
    )
    assert files(home) == before
