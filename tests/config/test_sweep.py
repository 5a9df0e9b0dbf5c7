"""Sweep files: what is wrong with one is said with its line, all at once; what is right is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sparsenet.cli.main import run
from sparsenet.config.sweep import SweepConfig, grid_axis, is_sweep, load_sweep
from sparsenet.errors import ConfigError

FULL = """\
solver: solver.yaml
figure: sweep
seeds: [1, 5, 3]
set: {base_lr: [0.1, 0.2], max_iter: 20}
layers: {first: ip1, all: [ip1, ip]}
methods:
  dense: {}
  l1: {regularization: {type: l1, weight_decay: auto}, points: 3, threshold: 1e-3}
  pruned: {prune: [5%, 10], set: {weight_decay: 0}}
training_accuracy: true
"""


def load(folder: Path, text: str) -> SweepConfig:
    (folder / "sweep.yaml").write_text(text)
    return load_sweep(folder / "sweep.yaml")


def test_every_key_is_read(tmp_path: Path) -> None:
    sweep = load(tmp_path, FULL)
    assert (sweep.solver, sweep.figure, sweep.seeds) == ("solver.yaml", "sweep", (1, 5, 3))
    assert sweep.set == {"base_lr": [0.1, 0.2], "max_iter": 20}
    assert sweep.layers == {"first": ("ip1",), "all": ("ip1", "ip")}
    assert list(sweep.methods) == ["dense", "l1", "pruned"]
    l1, pruned = sweep.methods["l1"], sweep.methods["pruned"]
    assert (l1.automatic, l1.points, l1.threshold, l1.on_layers) == ("weight_decay", 3, 1e-3, True)
    assert (pruned.prune, pruned.automatic, pruned.on_layers) == (("5%", 10), None, True)
    assert not sweep.methods["dense"].on_layers
    assert sweep.training_accuracy


def test_defaults(tmp_path: Path) -> None:
    sweep = load(tmp_path, "solver: s.yaml\n")
    assert (sweep.seeds, sweep.figure, sweep.methods, sweep.training_accuracy) == (
        *((1,), None, {}, False),
    )
    assert load(tmp_path, "{solver: s.yaml, seeds: 7, methods: {m: {}}}").seeds == (7,)
    assert sweep.model_copy().methods == {}


SOLVER = "solver: s.yaml\n"
MALFORMED: dict[str, tuple[str, list[str]]] = {
    "no solver": ("seeds: 1\n", ["1: solver: is missing"]),
    "unknown keys": (
        SOLVER + "seed: 1\nmethods:\n  a: {sett: {}}\n  b:\n    regularisation: {type: l1}\n",
        [
            "2: seed: unknown key; did you mean 'seeds'?",
            "4: methods.a.sett: unknown key; did you mean 'set'?",
            "6: methods.b.regularisation: unknown key; did you mean 'regularization'?",
        ],
    ),
    "seeds": (SOLVER + "seeds: [1, 2, 1]\n", ["2: seeds: [1, 2, 1]: a number stands there twice"]),
    "no seeds": (SOLVER + "seeds: []\n", ["2: seeds: [] must have at least 1 value"]),
    "wrong seeds": (
        SOLVER + "seeds:\n  - 1\n  - -2\n  - 1.5\n",
        ["4: seeds.1: -2 must be at least 0", "5: seeds.2: 1.5 is not a whole number"],
    ),
    "figure": (
        SOLVER + "figure: fig6\n",
        ["2: figure: 'fig6' is not convergence, sweep or datasize"],
    ),
    "wrong types": (
        SOLVER + "set: [1]\nlayers: ip1\nmethods: [a]\ntraining_accuracy: 1\n",
        [
            "2: set: [1] is not a mapping of keys to values",
            "3: layers: 'ip1' is not a mapping of keys to values",
            "4: methods: ['a'] is not a mapping of keys to values",
            "5: training_accuracy: 1 is not true or false",
        ],
    ),
    "empty method": (
        SOLVER + "methods:\n  a:\n",
        ["3: methods.a: null is not a mapping of keys to values"],
    ),
    "no layers": (SOLVER + "layers:\n  a: []\n", ["3: layers.a: [] must have at least 1 value"]),
    "two unknown strengths": (
        SOLVER + "methods:\n  a:\n    regularization: {type: l0, strength: auto, delta: auto}\n",
        ["4: methods.a.regularization: only one of strength, delta can be auto"],
    ),
    "points of nothing": (
        SOLVER + "methods:\n  a:\n    points: 3\n",
        ["4: methods.a.points: is for a strength that is auto"],
    ),
    "too few points": (
        SOLVER + "methods:\n  a: {regularization: {x: auto},\n     points: 1}\n",
        ["4: methods.a.points: 1 must be at least 2"],
    ),
    "prune and train": (
        SOLVER + "methods:\n  a:\n    regularization: {}\n    prune: 5%\n",
        ["5: methods.a.prune: is without training, and excludes regularization"],
    ),
    "prune": (
        SOLVER + "methods:\n  a: {prune: 0}\n  b: {prune: [5%, 101%]}\n  c: {prune: []}\n",
        [
            "3: methods.a.prune: 0 is not a whole number from 1 or a percentage such as 5%",
            "4: methods.b.prune.1: '101%' must be above 0% and at most 100%",
            "5: methods.c.prune: [] must have at least 1 value",
        ],
    ),
    "threshold": (
        SOLVER + "methods:\n  a: {threshold: -1}\n",
        ["3: methods.a.threshold: -1 must be at least 0"],
    ),
    "repeated": (
        SOLVER + "seeds: 1\nseeds: 2\n",
        [
            "3: seeds: repeated key, first given in line 2; several values are written as a list, "
            "[a, b]"
        ],
    ),
    "not YAML": (
        SOLVER + "seeds: [1\n",
        [
            "3: not YAML: while parsing a flow sequence from line 2 on, expected ',' or ']', but "
            "got '<stream end>'"
        ],
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_all_that_is_wrong_is_said_with_its_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, expected = MALFORMED[name]
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, text)
    path = tmp_path / "sweep.yaml"
    found = [str(problem) for problem in raised.value.problems]
    assert found == [f"{path}:{line}" for line in expected]
    assert run(["sweep", str(path), "--output", str(tmp_path / "out")]) == 2
    assert capsys.readouterr() == ("", "".join(f"error: {line}\n" for line in found))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (FULL, True),
        ("seeds: 1\n", True),
        ("methods: {}\n", True),
        ("{net: net.yaml, max_iter: 1, base_lr: 1}", False),
        ("{layers: [], name: x}", False),
        ("", False),
        ("[solver]", False),
    ],
)
def test_a_sweep_file_is_known_by_its_keys(text: str, is_one: bool, tmp_path: Path) -> None:
    (tmp_path / "file.yaml").write_text(text)
    assert is_sweep(tmp_path / "file.yaml") == is_one


@pytest.mark.parametrize(
    ("argument", "key", "values"),
    [
        ("base_lr=0.1,1e-2", "base_lr", [0.1, 0.01]),
        ("a.b=x", "a.b", ["x"]),
        ("a=[1, 2],[3]", "a", [[1, 2], [3]]),
        ("a={type: l1},{type: l2}", "a", [{"type": "l1"}, {"type": "l2"}]),
        ("a='1,2',b=c", "a", ["1,2", "b=c"]),
    ],
)
def test_an_axis_of_the_command_line(argument: str, key: str, values: list[Any]) -> None:
    assert grid_axis(argument) == (key, values)


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("base_lr", "must be KEY.PATH=VALUE,VALUE,..."),
        ("=1", "must be KEY.PATH=VALUE,VALUE,..."),
        ("a..b=1", "must be KEY.PATH=VALUE,VALUE,..."),
        ("base_lr=", "has no value"),
        ("base_lr=[1", "not YAML: "),
        ("base_lr=1],[2", "not YAML: "),
        ("base_lr=!!set {a}", "the tag !!set is not allowed"),
    ],
)
def test_what_is_no_axis(argument: str, words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        grid_axis(argument)
    [problem] = raised.value.problems
    assert str(problem).startswith(f"--grid {argument}: ")
    assert words in str(problem)
