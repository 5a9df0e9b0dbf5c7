"""`sparsenet ensemble` as it is typed, and the checkpoint it leaves behind."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch

from sparsenet.checkpoint import load_checkpoint
from sparsenet.cli.main import run
from sparsenet.config.read import read_yaml
from tests.cli.inline import ended, typed_aside
from tests.small import write_solver

NET = """
name: tiny
layers:
  - {name: digits, type: Data, source: digits, split: 100, batch_size: 16,
     transform: {scale: 0.00390625}}
  - {name: ip1, type: InnerProduct, num_output: 4, weight_filler: {type: xavier}}
  - {name: bn, type: BatchNormScale}
  - {name: ip, type: InnerProduct, num_output: 10, weight_filler: {type: xavier}}
  - {name: accuracy, type: Accuracy, bottom: [ip, label], phase: TEST}
  - {name: loss, type: SoftmaxWithLoss, bottom: [ip, label]}
"""
SOLVER = """
{net: net.yaml, max_iter: 20, base_lr: 0.5, display: 0, random_seed: 3, solver_mode: cpu}
"""
# 256 + 40 weights; 4 + 10 biases, 4 scales and 4 shifts.
WEIGHTS, OTHERS = 296, 22
Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A solver file, and in `out` what ensembles by processes have left."""
    folder = tmp_path_factory.mktemp("ensemble")
    write_solver(folder, NET, SOLVER)
    return folder


def arguments(home: Path, *more: object, output: str = "out") -> list[str]:
    known = ["ensemble", home / "solver.yaml", "--output", home / output]
    return [str(each) for each in (*known, *more)]


def typed(home: Path, *more: object, output: str = "out") -> int:
    return run(arguments(home, *more, output=output))


@pytest.fixture(scope="module")
def printed(home: Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the ensembles."""
    return typed_aside(arguments(home, "--members", "1,2", "--density", "40%", "--jobs", 1))


def rows(home: Path, output: str = "out") -> list[dict[str, str]]:
    with (home / output / "ensemble.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_members_have_their_share_and_their_own_samples(
    home: Path, printed: tuple[int, str, str]
) -> None:
    code, out, err = printed
    assert code == 0, err
    found = rows(home)
    assert [(row["members"], row["member"], row["seed"]) for row in found] == [
        *(("1", "1", "3"), ("1", "", "3"), ("2", "1", "3"), ("2", "2", "4"), ("2", "", "3"))
    ]
    dense, half = WEIGHTS + OTHERS, 102 + 16 + OTHERS
    assert [int(row["nonzeros"]) for row in found] == [dense, dense, half, half, 2 * half]
    assert 2 * half <= dense
    bags = []
    for row in found[:4]:
        config = read_yaml(home / "out" / "trials" / row["key"] / "config.yaml").data
        bags.append((config["random_seed"], config["net"]["layers"][0].get("bootstrap")))
    assert bags == [(3, None), (3, None), (3, 3), (4, 4)]
    single, pair = (line.split() for line in out.splitlines()[2:4])
    assert (single[:2], pair[:2]) == (["1", str(dense)], ["2", str(half)])
    # Three nets are trained, and one is made of two.
    assert len(ended(err)) == 4


def test_the_ensemble_is_a_checkpoint_with_the_accuracy_it_says(
    home: Path, printed: tuple[int, str, str], capsys: Captured
) -> None:
    row = rows(home)[-1]
    path = home / "out" / "ensemble-2-trial1.pt"
    assert run(["test", str(path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert f"{document['accuracy']:.6f}" == row["test_accuracy"]
    assert f"{document['loss']:.6f}" == row["test_loss"]
    assert run(["memsize", str(path), "--json"]) == 0
    memory = json.loads(capsys.readouterr().out)["total"]
    assert (memory["nonzeros"], memory["bytes"]["best"]) == (
        *(int(row["nonzeros"]), int(row["bytes"])),
    )
    whole = load_checkpoint(path).weights
    for place, member in enumerate(rows(home)[2:4], start=1):
        alone = load_checkpoint(home / "out" / "trials" / member["key"] / "final.pt").weights
        for name, tensor in alone.items():
            assert torch.equal(whole[f"member{place}/{name}"], tensor)


def test_one_net_is_the_dense_one_as_it_is(home: Path, printed: tuple[int, str, str]) -> None:
    member, whole = rows(home)[:2]
    assert member | {"member": ""} == whole
    path = home / "out" / "trials" / member["key"] / "final.pt"
    assert (home / "out" / "ensemble-1-trial1.pt").read_bytes() == path.read_bytes()


def test_an_l0_and_stages_of_the_solvers_own_give_way(
    home: Path, inline: None, capsys: Captured
) -> None:
    staged = [
        "--set",
        "regularization.ip={type: l0}",
        "--set",
        "regularization.ip1={type: l0, t: 9}",
    ]
    staged += ["--set", "stages=[{t: {ip: 5}}]"]
    asked = ["--members", "1,2", "--t", "ip1=90", *staged]
    assert typed(home, *asked, output="staged") == 0
    counted = [row["nonzeros"] for row in rows(home, "staged")]
    dense, sparse = WEIGHTS + OTHERS, 90 + 40 + OTHERS
    assert counted == [str(each) for each in (dense, dense, sparse, sparse, 2 * sparse)]


def test_the_same_command_again_trains_nothing(
    home: Path, printed: tuple[int, str, str], capsys: Captured
) -> None:
    before = {path: path.stat().st_mtime_ns for path in home.glob("out/trials/*/*")}
    assert typed(home, "--members", "1,2", "--density", "40%") == 0
    out, err = capsys.readouterr()
    assert (out, ended(err)) == (printed[1], [])
    assert {path: path.stat().st_mtime_ns for path in home.glob("out/trials/*/*")} == before


def test_more_trials_and_members_go_on(
    home: Path, printed: tuple[int, str, str], inline: None, capsys: Captured
) -> None:
    asked = ("--members", 2, "--trials", 2, "--density", "40%")
    assert typed(home, *asked, "--json") == 0
    out, err = capsys.readouterr()
    assert len(ended(err)) == 3  # two members and a whole that are new
    first, second = json.loads(out)["ensembles"]
    assert (first["trial"], second["trial"], second["members"]) == (1, 2, 2)
    assert [row["seed"] for row in rows(home)] == ["3", "4", "3", "103", "104", "3"]
    assert first["accuracy"] != second["accuracy"]
    assert (home / "out" / "ensemble-2-trial2.pt").exists()


def test_counts_of_a_search(home: Path, inline: None, capsys: Captured) -> None:
    search = ["search", str(home / "solver.yaml"), "--nonzeros", "110", "--cut", "60%", "--iters=3"]
    assert run([*search, "--strategy", "uniform", "--output", str(home / "found")]) == 0
    asked = ("--members", 2, "--from", home / "found", "--quiet")
    assert typed(home, *asked, output="from") == 0
    capsys.readouterr()
    with (home / "found" / "path.csv").open(newline="") as stream:
        fitting = [int(row["nonzeros"]) for row in csv.DictReader(stream)]
    most = (WEIGHTS + OTHERS) // 2 - OTHERS
    best = max(count for count in fitting if count <= most)
    assert [int(row["nonzeros"]) for row in rows(home, "from")][:2] == [best + OTHERS] * 2


def test_a_member_that_diverges(home: Path, inline: None, capsys: Captured) -> None:
    asked = ("--members", 2, "--density", "40%", "--set", "base_lr=1e30", "--quiet")
    assert typed(home, *asked, output="diverged") == 3
    assert capsys.readouterr().out.splitlines()[-1] == "2 of 2 members diverged."
    assert [bool(row["failed"]) for row in rows(home, "diverged")] == [True] * 3
    assert not list((home / "diverged").glob("ensemble-*"))


ERRORS: list[tuple[list[str], str]] = [
    (["--members", "2"], "the distribution: is missing; give one of --from, --t, --density"),
    (["--members", "2", "--t", "ip=5", "--density", "5%"], "the distribution: --t and --density"),
    (["--members", "0,2", "--density", "5%"], "--members 0: from 1 to 100 are possible"),
    (["--members", "two", "--density", "5%"], "'--members': 'two' is not a number, or a list such"),
    (
        ["--members", "2", "--density", "60%"],
        "--density 60%: 177 nonzero weights are more than the 137 of its share",
    ),
    (["--members", "14", "--t", "ip1=1,ip=1"], "--members 14: 1/14 of its 318 parameters is too"),
    (["--members", "2", "--from", "{home}"], "{home}: is not the folder of a search"),
    (
        ["--members", "2", "--density", "5%", "--set", "net.layers.loss.phase=TRAIN"],
        "{home}/solver.yaml: the net has 0 SoftmaxWithLoss in its tests",
    ),
]


@pytest.mark.parametrize(("asked", "words"), ERRORS, ids=lambda it: str(it)[:40])
def test_a_usage_error_writes_nothing(
    asked: list[str], words: str, home: Path, capsys: Captured
) -> None:
    given = [str(home) if each == "{home}" else each for each in asked]
    assert typed(home, *given, output="none") == 2
    out, err = capsys.readouterr()
    assert out == ""
    last = err.splitlines()[-1].partition("rror: ")[2].removeprefix("Invalid value for ")
    assert last.startswith(words.format(home=home))
    assert not (home / "none").exists()


def test_a_folder_of_another_ensemble(
    home: Path, printed: tuple[int, str, str], capsys: Captured
) -> None:
    other = ["--density", "30%", "--threads", 2, "--set", "base_lr=0.1"]
    assert typed(home, "--members", 2, *other) == 2
    differing = "settings.density, settings.threads, configuration.base_lr:"
    assert f"differs in {differing}" in capsys.readouterr().err
