"""`sparsenet test`, and that no damaged checkpoint ever ends a command in a traceback."""

from __future__ import annotations

import copy
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from sparsenet.checkpoint import load_checkpoint
from sparsenet.cli.main import run
from tests.workflows.conftest import NET, SOLVER

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small net, its solver, and a run that stopped in its last stage."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "net.yaml").write_text(NET)
    (folder / "solver.yaml").write_text(SOLVER)
    arguments = ["--output", str(folder / "run"), "--quiet", "--set=max_iter=50"]
    run(["train", str(folder / "solver.yaml"), *arguments])
    return folder


@pytest.mark.parametrize("name", ["best", "final"])
@pytest.mark.parametrize("phase", ["TEST", "VAL"])
def test_it_prints_the_accuracy_the_checkpoint_records(
    name: str, phase: str, home: Path, capsys: Captured
) -> None:
    path = home / "run" / f"{name}.pt"
    recorded = load_checkpoint(path).accuracy[phase]
    assert run(["test", str(path), *([] if phase == "TEST" else ["--phase=VAL"]), "--json"]) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    samples = {"TEST": 360, "VAL": 100}[phase]
    assert document.keys() == {"phase", "samples", "accuracy", "loss"}
    assert document["phase"] == phase
    assert (document["accuracy"], document["samples"]) == (recorded, samples)
    assert err == ""
    assert run(["test", str(path), f"--phase={phase}"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{phase} accuracy = {recorded:.6g} ({samples} samples)",
        f"{phase} loss = {document['loss']:.6g} ({samples} samples)",
    ]


def test_a_snapshot_is_tested_as_its_constraints_want_it(home: Path, capsys: Captured) -> None:
    path = home / "run" / "iter_50.pt"
    assert run(["test", str(path), "--json"]) == 0
    tested = json.loads(capsys.readouterr().out)
    assert tested["accuracy"] == load_checkpoint(home / "run" / "final.pt").accuracy["TEST"]


@pytest.mark.parametrize("name", ["solver.yaml", "net.yaml"])
def test_a_yaml_file_is_named_for_what_it_is(name: str, home: Path, capsys: Captured) -> None:
    assert run(["test", str(home / name)]) == 2
    words = f"error: {home / name}: is a YAML file; a checkpoint is needed here\n"
    assert capsys.readouterr().err == words


# 200 damaged checkpoints


JUNK: list[Any] = [
    None, True, -1, 0, 3, 10**5, 10**12, 2**70, float("nan"), float("inf"), "", "x", "l0", "Data",
    [], [1], ["a", "b"], {}, {"a": 1}, {"type": "l0", "t": 5}, {1: 2}, (1, 2), b"x",
    torch.zeros(()), torch.zeros(3), torch.empty(0), torch.zeros(1).expand(10**9),
    torch.zeros(2, 3).t(), torch.zeros(3, dtype=torch.int64), torch.full((2, 2), float("nan")),
]  # fmt: skip


def key_paths(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items: Any = ()
    if isinstance(node, dict):
        items = node.items()
    elif isinstance(node, list):
        items = enumerate(node)
    for key, value in items:
        yield (*path, key)
        yield from key_paths(value, (*path, key))


def mutated(content: Any, generator: random.Random) -> Any:
    """The content of a checkpoint with one value of another kind, gone, or too many."""
    content = copy.deepcopy(content)
    *above, last = generator.choice(list(key_paths(content)))
    node = content
    for key in above:
        node = node[key]
    how, junk = generator.choice(["set", "set", "set", "remove", "add"]), generator.choice(JUNK)
    if how == "set":
        node[last] = junk
    elif how == "remove":
        del node[last]
    elif isinstance(node, dict):
        node["extra"] = junk
    else:
        node.append(junk)
    return content


def damaged_bytes(whole: bytes, generator: random.Random) -> bytes:
    content = bytearray(whole)
    start = generator.randrange(len(content))
    how = generator.choice(["flip", "cut", "zero", "remove", "repeat"])
    if how == "flip":
        content[start] ^= 1 << generator.randrange(8)
    elif how == "cut":
        del content[start:]
    elif how == "zero":
        content[start : start + 64] = bytes(len(content[start : start + 64]))
    elif how == "remove":
        del content[start : start + generator.randrange(1, 200)]
    else:
        content[start:start] = content[start : start + 100]
    return bytes(content)


@pytest.mark.parametrize("kind", ["bytes", "values"])
def test_no_damaged_checkpoint_ends_in_a_traceback(
    kind: str, home: Path, tmp_path: Path, capsys: Captured
) -> None:
    generator = random.Random(4)
    path = tmp_path / "run" / "iter_50.pt"
    whole = home / "run" / "iter_50.pt"
    content, size = torch.load(whole, weights_only=True), whole.read_bytes()
    solver, codes = str(home / "solver.yaml"), []
    commands = [
        ["test", str(path)],
        ["memsize", str(path)],
        ["train", solver, "--dry-run", "--quiet", "--weights", str(path)],
        ["train", solver, "--resume", str(path), "--quiet", "--set=max_iter=52"],
    ]
    for number in range(100):
        shutil.copytree(home / "run", path.parent, dirs_exist_ok=True)
        if kind == "values":
            torch.save(mutated(content, generator), path)
        else:
            path.write_bytes(damaged_bytes(size, generator))
        codes.append(run(commands[number % 4]))
        err = capsys.readouterr().err
        if codes[-1] in (1, 2):
            assert err
            assert all(line.startswith("error: ") for line in err.splitlines()), err
        else:
            assert codes[-1] in (0, 3)
    assert sum(code in (1, 2) for code in codes) > 50
