"""The rows of results, typed; of each kind of damage one line is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sparsenet.files import FileError
from sparsenet.plots.results import (
    read_course,
    read_front,
    read_study,
    read_sweep,
    read_thresholds,
)
from tests.plots.studies import (
    QUICK,
    write_csv,
    write_search,
    write_study,
    write_sweep,
    write_thresholds,
)


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
        ("test_accuracy", "75.85", "'75.85' is not a number from 0 to 1"),
        ("nonzeros.ip1", "", "'' is not a whole number of 0 or more"),
        ("density", "\x1b[2J", r"'\x1b[2J' is not a number from 0 to 1"),
    ],
)
def test_a_damaged_front(column: str, value: str, words: str, tmp_path: Path) -> None:
    rows = write_search(tmp_path, rounds=1)
    rows[1][column] = value
    path = write_csv(tmp_path / "front.csv", rows)
    assert said(read_front, path) == f":3: {column}: {words}"


def test_a_diverged_candidate_has_no_accuracy(tmp_path: Path) -> None:
    rows = write_search(tmp_path, rounds=1)
    rows[1] |= {"test_accuracy": "", "val_accuracy": ""}
    row = read_front(write_csv(tmp_path / "front.csv", rows))[1]
    assert (row.test_accuracy, row.val_accuracy) == (None, None)


def test_a_sweep(tmp_path: Path) -> None:
    write_sweep(tmp_path, methods=["l0"], places=["ip1"], seeds=2)
    trials = read_sweep(tmp_path / "sweep.csv")
    assert [trial.method for trial in trials] == ["dense"] * 2 + ["l0"] * 14 + ["shrink"]
    assert trials[3].grid == {"layers": "ip1", "strength": "0"}
    assert (trials[3].seed, trials[3].nonzeros) == (1, 72688)
    assert (trials[-1].failed, trials[-1].nonzeros) == ("diverged", None)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("key", "../../..", "'../../..' is not 16 hexadecimal digits"),
        ("nonzeros", "", "'' is not a whole number of 0 or more"),
        ("seed", "a", "'a' is not a whole number of 0 or more"),
    ],
)
def test_a_damaged_sweep(column: str, value: str, words: str, tmp_path: Path) -> None:
    rows = write_sweep(tmp_path, methods=["l0"], places=["ip1"], seeds=1)
    rows[2][column] = value
    path = write_csv(tmp_path / "sweep.csv", rows)
    assert said(read_sweep, path) == f":4: {column}: {words}"


def test_what_a_study_says(tmp_path: Path) -> None:
    write_study(tmp_path, "search", strategy="greedy", figure="sweep")
    study = read_study(tmp_path / "study.json")
    assert (study.weights, study.strategy, study.figure) == (QUICK, "greedy", "sweep")
    (tmp_path / "study.json").write_text("{}")
    empty = read_study(tmp_path / "study.json")
    assert (empty.weights, empty.strategy, empty.figure) == ({}, None, None)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"settings": []}, ": settings: not a JSON object"),
        ({"layers": 3}, ": layers: not a JSON object"),
        ({"settings": {"figure": 6}}, ": settings.figure: not a text"),
        (
            {"layers": {"ip\n": {"weights": 0}}},
            r": layers.ip\n.weights: not a whole number above 0",
        ),
        ({"layers": {"ip": []}}, ": layers.ip.weights: not a whole number above 0"),
        ({"layers": {"ip": {"weights": True}}}, ": layers.ip.weights: not a whole number above 0"),
    ],
)
def test_a_damaged_study(content: object, words: str, tmp_path: Path) -> None:
    path = tmp_path / "study.json"
    path.write_text(json.dumps(content))
    assert said(read_study, path) == words


def test_thresholds(tmp_path: Path) -> None:
    write_thresholds(tmp_path)
    unpruned, *others = read_thresholds(tmp_path / "threshold.csv")
    assert (unpruned.weights, unpruned.test_accuracy) == (430500, 0.99)
    assert (others[-1].nonzeros, others[-1].retrained_nonzeros) == (0, None)
    path = tmp_path / "threshold.csv"
    path.write_text(path.read_text().replace("430500,430500,0.99", "0,430500,0.99"))
    assert said(read_thresholds, path) == ":2: the unpruned network has no weights or no accuracy"


def written(path: Path, *lines: object) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_the_course_of_a_run(tmp_path: Path) -> None:
    path = written(
        tmp_path / "metrics.jsonl",
        {"iter": 0, "phase": "VAL", "accuracy": 0.1, "loss": 2.3},
        {"iter": 0, "loss": 2.4},
        {"iter": 100, "loss": None},
        {"iter": 100, "phase": "VAL", "accuracy": None, "loss": None},
        {"iter": 200, "stage_end": {"stage": 0}},
        {"iter": 200, "loss": 1},
    )
    course = read_course(path)
    assert (course.losses, course.accuracies) == ({0: 2.4, 200: 1.0}, {0: 0.1})
    assert course.phases == {"VAL"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({}, "iter: not a whole number of 0 or more"),
        ({"iter": -1}, "iter: not a whole number of 0 or more"),
        ({"iter": True, "loss": 1}, "iter: not a whole number of 0 or more"),
        ({"iter": 1, "loss": "low"}, "loss: not a number"),
        ({"iter": 1, "loss": float("inf")}, "loss: not a number"),
        ({"iter": 1, "loss": 10**400}, "loss: not a number"),
        ({"iter": 1, "phase": "VAL", "accuracy": 75}, "accuracy: not a number from 0 to 1"),
    ],
)
def test_a_damaged_log(line: object, words: str, tmp_path: Path) -> None:
    path = written(tmp_path / "metrics.jsonl", {"iter": 0, "loss": 1}, line)
    assert said(read_course, path) == f":2: {words}"
