"""The rows of studies, typed; of each kind of damage one line is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sparsenet.files import FileError
from sparsenet.results.rows import Study
from sparsenet.results.study import read_ensemble, read_front, read_path, read_study, read_sweep
from tests.plots.studies import (
    QUICK,
    write_csv,
    write_search,
    write_study,
    write_sweep,
)
from tests.report import samples


def said(read: Callable[[Path], Any], path: Path) -> str:
    """The one line that is said of a file, after its path."""
    with pytest.raises(FileError) as caught:
        read(path)
    [line] = str(caught.value).splitlines()
    return line.removeprefix(str(path))


def test_a_search(tmp_path: Path) -> None:
    written = write_search(tmp_path, rounds=2)
    rows = read_front(tmp_path / "front.csv")
    assert len(rows) == len(written) == 1 + 2 * len(QUICK)
    start = rows[0]
    assert (start.strategy, start.accepted, start.density) == ("greedy", True, 1)
    assert (start.test_accuracy, start.val_accuracy) == (0.7585, 0.7625)
    assert (start.bytes, start.counts) == (4 * sum(QUICK.values()) + 712, QUICK)
    assert sum(row.accepted for row in rows) == 3


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("accepted", "yes", "'yes' is not 0 or 1"),
        ("bytes", "-3", "'-3' is not a whole number of 0 or more"),
        ("bytes", "", "is missing"),
        ("test_accuracy", "75.85", "'75.85' is not a number from 0 to 1"),
        ("nonzeros.ip1", "", "is missing"),
        ("density", "\x1b[2J", r"'\x1b[2J' is not a number"),
        ("key", "", "is missing"),
    ],
)
def test_a_damaged_front(column: str, value: str, words: str, tmp_path: Path) -> None:
    rows = write_search(tmp_path, rounds=1)
    rows[1][column] = value
    path = write_csv(tmp_path / "front.csv", rows)
    assert said(read_front, path) == f":3: {column}: {words}"


def test_the_layers_of_a_sweep_by_the_names_of_its_sets(tmp_path: Path) -> None:
    sets = {"first": ["conv1"], "all": ["conv1", "ip1"]}
    write_study(tmp_path / "sweep", "sweep", layers=sets)
    assert read_study(tmp_path / "sweep/study.json").sets == {
        "first": ("conv1",),
        "all": ("conv1", "ip1"),
    }
    write_study(tmp_path / "search", "search", layers=["conv1"])
    assert read_study(tmp_path / "search/study.json").sets == {}
    write_study(tmp_path / "wrong", "sweep", layers={"first": "conv1"})
    words = ": settings: layers: first: 'conv1' is not a list"
    assert said(read_study, tmp_path / "wrong/study.json") == words


def test_a_path_is_of_measured_networks(tmp_path: Path) -> None:
    rows = [row for row in write_search(tmp_path, rounds=2) if row["accepted"]]
    rows[1]["test_accuracy"] = ""
    path = write_csv(tmp_path / "path.csv", rows)
    start, second, third = read_path(path)
    assert (start.round, start.val_accuracy, start.test_accuracy) == (0, 0.7625, 0.7585)
    assert (start.nonzeros, start.bytes) == (sum(QUICK.values()), 4 * sum(QUICK.values()) + 712)
    assert (start.counts, second.test_accuracy, third.key) == (QUICK, None, rows[2]["key"])
    for accuracy, words in (("", "is missing"), ("nan", "'nan' is not a number")):
        rows[1]["val_accuracy"] = accuracy
        assert said(read_path, write_csv(path, rows)) == f":3: val_accuracy: {words}"
    bare = [{k: v for k, v in row.items() if not k.startswith("nonzeros.")} for row in rows]
    assert said(read_path, write_csv(path, bare)) == ":2: has no nonzeros of a layer"


def test_ensembles(tmp_path: Path) -> None:
    samples.ensemble(tmp_path)
    rows = read_ensemble(tmp_path / "ensemble.csv")
    assert [(row.members, row.trial, row.member) for row in rows[:5]] == [
        *((1, 1, 1), (1, 1, None), (1, 2, 1), (1, 2, None), (2, 1, 1)),
    ]
    assert (rows[0].seed, rows[1].seed) == (11, None)
    assert (rows[-1].nonzeros, rows[-1].bytes) == (3 * 14000, 3 * 52000)
    content = (tmp_path / "ensemble.csv").read_text()
    for old, new, words in (
        ("\n1,1,1,", "\n0,1,1,", ":2: members: '0' is not a whole number of 1 or more"),
        ("\n1,1,1,11,", "\n1,1,1,x,", ":2: seed: 'x' is not a whole number of 0 or more"),
        (",trial,", ",try,", ":1: there is no column 'trial'"),
    ):
        (tmp_path / "ensemble.csv").write_text(content.replace(old, new))
        assert said(read_ensemble, tmp_path / "ensemble.csv") == words


def test_a_sweep(tmp_path: Path) -> None:
    write_sweep(tmp_path, methods=["l0"], places=["ip1"], seeds=2)
    trials = read_sweep(tmp_path / "sweep.csv")
    assert [trial.method for trial in trials] == ["dense"] * 2 + ["l0"] * 14 + ["shrink"]
    assert trials[3].grid == {"layers": "ip1", "strength": "0"}
    assert (trials[3].seed, trials[3].nonzeros, trials[3].samples) == (1, 72688, None)
    assert (trials[-1].failed, trials[-1].nonzeros) == ("diverged", None)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("key", "../../..", "'../../..' is not 16 hexadecimal digits"),
        ("nonzeros", "", "is missing"),
        ("seed", "a", "'a' is not a whole number of 0 or more"),
    ],
)
def test_a_damaged_sweep(column: str, value: str, words: str, tmp_path: Path) -> None:
    rows = write_sweep(tmp_path, methods=["l0"], places=["ip1"], seeds=1)
    rows[2][column] = value
    path = write_csv(tmp_path / "sweep.csv", rows)
    assert said(read_sweep, path) == f":4: {column}: {words}"


def test_what_a_study_says(tmp_path: Path) -> None:
    flags = {"cut": 0.3, "seeds": [1, 2], "t": None, "all": True}
    write_study(tmp_path, "search", strategy="greedy", figure="sweep", **flags)
    study = read_study(tmp_path / "study.json")
    assert {layer.name: layer.weights for layer in study.layers} == QUICK
    assert (study.command, study.strategy, study.figure) == ("search", "greedy", "sweep")
    words = {"strategy": "greedy", "figure": "sweep"}
    assert study.settings == words | {"cut": "0.3", "seeds": "1, 2", "t": "", "all": "yes"}
    (tmp_path / "study.json").write_text("{}")
    assert read_study(tmp_path / "study.json") == Study()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"settings": []}, ": settings: [] is not an object"),
        ({"layers": 3}, ": layers: 3 is not an object"),
        ({"settings": {"figure": 6}}, ": settings: figure: 6 is not a text"),
        (
            {"layers": {"ip\n": {"weights": 0}}},
            r": layers: ip\n: weights: 0 is not a whole number of 1 or more",
        ),
        ({"layers": {"ip": []}}, ": layers: ip: [] is not an object"),
        ({"layers": {"ip": {"weights": 1}}}, ": layers: ip: biases: is missing"),
    ],
)
def test_a_damaged_study(content: object, words: str, tmp_path: Path) -> None:
    path = tmp_path / "study.json"
    path.write_text(json.dumps(content))
    assert said(read_study, path) == words


def test_settings_that_are_nested_too_deeply(tmp_path: Path) -> None:
    path = tmp_path / "study.json"
    path.write_text('{"settings": {"a": ' + "[" * 900 + "]" * 900 + "}}")
    assert said(read_study, path) == ": nested too deeply"
