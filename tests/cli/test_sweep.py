"""`sparsenet sweep` as it is typed: of a sweep file, and of a solver file with --grid."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from sparsenet.cli.main import run
from sparsenet.config.read import read_yaml
from tests.cli.conftest import NET
from tests.cli.inline import ended, typed_aside
from tests.small import write_solver

SOLVER = "{net: net.yaml, max_iter: 10, base_lr: 0.05, display: 0, solver_mode: cpu}"
SWEEP = """
solver: solver.yaml
seeds: [1, 2]
training_accuracy: true
layers: {mine: ip}
methods:
  dense: {set: {net.layers.ip.regularization: {type: l2}}}
  l0: {regularization: {type: l0, t: [10%, 5]}}
  pruned: {prune: 10%, set: {net.layers.ip.regularization: {type: l2}}}
"""
Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A solver and a sweep file, and in `out` what the sweep by processes has left."""
    folder = tmp_path_factory.mktemp("sweep")
    write_solver(folder, NET.replace("0.0625", "0.00390625"), SOLVER)
    (folder / "sweep.yaml").write_text(SWEEP)
    return folder


def arguments(home: Path, *more: object, output: str = "out") -> list[str]:
    return [str(each) for each in ("sweep", *more, "--output", home / output)]


def typed(home: Path, *more: object, output: str = "out") -> int:
    return run(arguments(home, *more, output=output))


@pytest.fixture(scope="module")
def printed(home: Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the sweep."""
    return typed_aside(arguments(home, home / "sweep.yaml", "--jobs", 1))


def rows(home: Path, output: str = "out") -> list[dict[str, str]]:
    with (home / output / "sweep.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_row_for_each_trial_in_the_order_of_the_file(
    home: Path, printed: tuple[int, str, str]
) -> None:
    code, out, err = printed
    assert code == 0, err
    found = rows(home)
    columns = [(r["method"], r["layers"], r["t"], r["prune"], r["seed"]) for r in found]
    assert columns == [
        *(("dense", "", "", "", "1"), ("dense", "", "", "", "2")),
        *(("l0", "mine", "10%", "", "1"), ("l0", "mine", "10%", "", "2")),
        *(("l0", "mine", "5", "", "1"), ("l0", "mine", "5", "", "2")),
        *(("pruned", "mine", "", "10%", "1"), ("pruned", "mine", "", "10%", "2")),
    ]
    counts = [int(row["nonzeros"]) for row in found]
    assert [count <= 64 for count in counts] == [False, False, *[True] * 6]
    assert counts[4:] == [5, 5, 64, 64]
    assert [row["iterations"] for row in found] == [*["10"] * 6, "0", "0"]
    assert {row["samples"] for row in found} == {"1337"}
    assert all(0 <= float(row["train_accuracy"]) <= 1 for row in found)
    assert all(0 <= float(row["val_accuracy"]) <= 1 for row in found)
    config = read_yaml(home / "out" / "trials" / found[4]["key"] / "config.yaml").data
    rule = config["net"]["layers"][1]["regularization"]
    assert (rule["type"], rule["t"], config["random_seed"]) == ("l0", 5, 1)
    lines = out.splitlines()
    assert lines[0].split() == [
        *("method", "layers", "t", "prune", "seeds", "nonzeros", "dens%", "TRAIN", "VAL", "TEST")
    ]
    assert [line.split()[0] for line in lines[2:6]] == ["dense", "l0", "l0", "pruned"]
    # What is pruned is made of the dense nets, which are trained once.
    assert len(ended(err)) == 8


def test_the_same_command_again_trains_nothing(
    home: Path, printed: tuple[int, str, str], capsys: Captured
) -> None:
    before = {path: path.stat().st_mtime_ns for path in home.glob("out/trials/*/*")}
    assert typed(home, home / "sweep.yaml") == 0
    out, err = capsys.readouterr()
    assert (out, ended(err)) == (printed[1], [])
    assert {path: path.stat().st_mtime_ns for path in home.glob("out/trials/*/*")} == before


def test_what_is_left_is_counted_without_what_is_there(
    home: Path, printed: tuple[int, str, str], inline: None, capsys: Captured
) -> None:
    shutil.copytree(home / "out", home / "part")
    journal = home / "part" / "trials.jsonl"
    journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:-2]))
    assert typed(home, home / "sweep.yaml", output="part") == 0
    out, err = capsys.readouterr()
    assert out == printed[1].replace(str(home / "out"), str(home / "part"))
    assert [line.split("]")[0] for line in ended(err)] == ["[1 of 2", "[2 of 2"]


def test_json_is_one_document(
    home: Path, printed: tuple[int, str, str], inline: None, capsys: Captured
) -> None:
    assert typed(home, home / "sweep.yaml", "--json", "--quiet") == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert err == ""
    assert (document["folder"], document["ranges"]) == (str(home / "out"), [])
    assert [row["key"] for row in document["rows"]] == [row["key"] for row in rows(home)]
    assert document["rows"][2]["values"] == {"t": "10%"}


def test_a_grid_over_a_solver_file(home: Path, inline: None, capsys: Captured) -> None:
    grid = ["--grid", "net.layers.ip.num_output=10,12", "--grid", "base_lr=0.05,0.1", "--seeds=4"]
    assert typed(home, home / "solver.yaml", *grid, "--set=max_iter=2", output="grid") == 0
    found = rows(home, "grid")
    assert [list(row.values())[:5] for row in found] == [
        ["tiny", "", outputs, rate, "4"] for outputs in ("10", "12") for rate in ("0.05", "0.1")
    ]
    assert [row["weights"] for row in found] == ["640", "640", "768", "768"]
    assert {row["iterations"] for row in found} == {"2"}
    assert {row["train_accuracy"] for row in found} == {""}
    capsys.readouterr()


def test_a_strength_is_found_between_dense_and_empty(
    home: Path, inline: None, capsys: Captured
) -> None:
    text = SWEEP.partition("methods:")[0] + "methods:\n  shrink:\n    points: 2\n"
    text += "    regularization: {type: shrink, strength: auto}\n"
    (home / "auto.yaml").write_text(text)
    assert typed(home, home / "auto.yaml", "--set=max_iter=4", output="auto") == 0
    out = capsys.readouterr().out
    found = rows(home, "auto")
    strengths = [float(row["strength"]) for row in found]
    assert strengths == sorted(strengths)
    by_strength = {float(row["strength"]): float(row["density"]) for row in found}
    [words] = [line for line in out.splitlines() if line.startswith("shrink, mine: strength from ")]
    weak, strong = float(words.split()[4]), float(words.split()[7])
    assert by_strength[weak] >= 0.9
    assert by_strength[strong] <= 0.01
    within = [row for row in found if weak < float(row["strength"]) < strong]
    assert len({row["strength"] for row in within if row["seed"] == "2"}) == 2
    # Only the seed that the range was found with has trials outside of it.
    assert {row["seed"] for row in found if row not in within} == {"1"}


def test_a_range_that_is_not_there(home: Path, inline: None, capsys: Captured) -> None:
    (home / "none.yaml").write_text(
        "solver: solver.yaml\nmethods:\n  l2: {regularization: {type: l2, weight_decay: auto}}\n"
    )
    rate = ("--set=base_lr=1e-12", "--set=max_iter=1", "--quiet")
    assert typed(home, home / "none.yaml", *rate, output="norange") == 1
    assert capsys.readouterr().err == "error: l2, all: at 1e+06 the network is not empty yet\n"


def test_trials_that_diverge_are_rows(home: Path, inline: None, capsys: Captured) -> None:
    grid = ("--grid", "base_lr=0.05,1e60", "--set=max_iter=3", "--quiet")
    assert typed(home, home / "solver.yaml", *grid, output="diverged") == 3
    assert capsys.readouterr().out.splitlines()[-1] == "1 of 2 trials diverged."
    good, bad = rows(home, "diverged")
    assert (good["failed"], bad["nonzeros"]) == ("", "")
    assert "learning rate or a strength is beyond what float32 holds" in bad["failed"]


METHODS = "solver: solver.yaml\nmethods: "
ERRORS: list[tuple[str, list[str], list[str]]] = [
    ("solver: absent.yaml\n", [], ["{file}: solver: there is no file {home}/absent.yaml"]),
    (
        METHODS + "{a: {set: {base_lrr: 1, max_iter: x}}}",
        [],
        [
            "{file}: methods.a: --set base_lrr=1: base_lrr: unknown key; did you mean 'base_lr'?",
            "{file}: methods.a: --set max_iter=x: max_iter: 'x' is not a whole number",
        ],
    ),
    (
        METHODS + "{a: {prune: 641}}",
        [],
        ["{file}: methods.a: prune: 641 is more than the 640 weights there are"],
    ),
    (
        METHODS + "{a: {regularization: {type: l1, strength: auto}}}",
        [],
        ["{file}: methods.a: --set regularization.ip.strength=1.0: regularization.ip.strength: "],
    ),
    (
        METHODS + "{a: {}}\nlayers: {x: conv}\n",
        [],
        ["layers.x: the net has no layer 'conv' with weights; it may be ip"],
    ),
    (METHODS + "{a: {set: {base_lr: []}}}", [], ["base_lr: has no value"]),
    (SOLVER, ["--grid", "base_lr"], ["--grid base_lr: must be KEY.PATH=VALUE,VALUE,..."]),
    (SOLVER, ["--grid", "base_lr=1,x"], ["{file}: methods.tiny: --set base_lr=x: base_lr: 'x'"]),
    (SOLVER, ["--grid", "random_seed=1,2"], ["random_seed: is what seeds are for, or --seeds"]),
    (SOLVER, ["--set", "random_seed=1"], ["--set random_seed=1: is what --seeds is for"]),
    (
        SOLVER,
        ["--grid", "base_lr=1,2", "--set", "base_lr=3"],
        ["--set base_lr=3: the sweep has values of its own for base_lr"],
    ),
]


@pytest.mark.parametrize(("text", "asked", "lines"), ERRORS, ids=lambda it: str(it)[:40])
def test_what_cannot_be_is_said_before_anything_is_written(
    text: str, asked: list[str], lines: list[str], home: Path, capsys: Captured
) -> None:
    file = home / "wrong.yaml"
    file.write_text(text)
    assert typed(home, file, *asked, output="none") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == len(lines), err
    for line, wanted in zip(err.splitlines(), lines, strict=True):
        assert line.startswith(f"error: {wanted.format(file=file, home=home)}")
    assert not (home / "none").exists()


def test_a_folder_of_another_sweep(
    home: Path, printed: tuple[int, str, str], capsys: Captured
) -> None:
    assert typed(home, home / "sweep.yaml", "--seeds", "1,3", "--set", "base_lr=0.1") == 2
    err = capsys.readouterr().err
    assert "out holds another study, which differs in settings.seeds" in err
    assert "configuration.base_lr" in err
