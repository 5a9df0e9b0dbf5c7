"""The rows of runs, typed; of each kind of damage one line is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sparsenet.files import FileError
from sparsenet.results.rows import LogTest
from sparsenet.results.run import read_log, read_prunings, read_summary, read_thresholds
from tests.plots.studies import write_prunings, write_thresholds
from tests.report import samples


def written(path: Path, *lines: object) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_a_log(tmp_path: Path) -> None:
    scores = {"accuracy": 0.1, "loss": 2.3, "nonzeros": {"a": 3, "b": 4}, "seconds": 0.5}
    path = written(
        tmp_path / "metrics.jsonl",
        {"iter": 0, "phase": "VAL", "stage": None, **scores},
        {"iter": 0, "loss": 2.4},
        {"iter": 100, "loss": None},
        {"iter": 100, "phase": "TEST", "stage": "s", "accuracy": None, "loss": None},
        {"iter": 200, "stage_end": {"stage": "s"}},
        {"iter": 200, "loss": 1},
    )
    log = read_log(path)
    assert log.losses == [(0, 2.4), (200, 1.0)]
    assert log.tests == [
        LogTest(0, "", "VAL", 0.1, 2.3, 7, 0.5),
        LogTest(100, "s", "TEST", None, None, 0, None),
    ]
    assert log.stage_ends == [(200, "s")]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"loss": 1}, "iter: is missing"),
        ({"iter": -1}, "iter: -1 is not a whole number of 0 or more"),
        ({"iter": True, "loss": 1}, "iter: True is not a whole number of 0 or more"),
        ({"iter": 1, "loss": "x"}, "loss: 'x' is not a number"),
        ({"iter": 1, "loss": float("inf")}, "loss: inf is not a number"),
        ({"iter": 1, "phase": "VAL", "accuracy": 75}, "accuracy: 75 is not a number from 0 to 1"),
        (
            {"iter": 1, "phase": "VAL", "nonzeros": {"a": -1}},
            "nonzeros: a: -1 is not a whole number of 0 or more",
        ),
        ({"iter": 1, "stage_end": "x"}, "stage_end: 'x' is not an object"),
    ],
)
def test_a_damaged_log(line: dict[str, Any], words: str, tmp_path: Path) -> None:
    path = written(tmp_path / "metrics.jsonl", {"iter": 0, "loss": None}, line)
    with pytest.raises(FileError) as raised:
        read_log(path)
    assert str(raised.value) == f"{path}:2: {words}"


def test_a_summary(tmp_path: Path) -> None:
    path = samples.run(tmp_path) / "summary.json"
    summary = read_summary(path)
    assert (summary.net, summary.seed, summary.nonzeros, summary.weights) == (
        *("LeNet", 1, 14537, 145376),
    )
    assert [model.name for model in summary.models] == ["best", "final"]
    assert summary.models[1].outputs["TEST"] == {"accuracy": 0.9861, "loss": 0.05}
    assert [(stage.name, stage.ended) for stage in summary.stages] == [("dense", 500)]
    assert [layer.name for layer in summary.layers] == list(samples.LAYERS)
    path.write_text(json.dumps(samples.summary() | {"missed": [[]]}))
    with pytest.raises(FileError, match=r"missed\[0\]: \[\] is not a text"):
        read_summary(path)


def test_thresholds(tmp_path: Path) -> None:
    write_thresholds(tmp_path)
    path = tmp_path / "threshold.csv"
    unpruned, *others = read_thresholds(path)
    assert (unpruned.weights, unpruned.test_accuracy) == (430500, 0.99)
    assert (others[-1].nonzeros, others[-1].retrained_nonzeros) == (0, None)
    content = path.read_text()
    for row, words in (
        ("0,430500,0.99", "weights: '0' is not a whole number of 1 or more"),
        ("430500,430500,", "test_accuracy: is missing"),
    ):
        path.write_text(content.replace("430500,430500,0.99", row))
        with pytest.raises(FileError) as raised:
            read_thresholds(path)
        assert str(raised.value) == f"{path}:2: {words}"


def test_prunings(tmp_path: Path) -> None:
    write_prunings(tmp_path)
    path = tmp_path / "prune.csv"
    rows = read_prunings(path)
    assert len(rows) == 20
    assert (rows[1].training, rows[1].fraction) == ("dense/best.pt", 0.1)
    assert (rows[1].criterion, rows[1].scope) == ("filter-norm", "layer")
    assert rows[0].shrunk_test_accuracy is None
    assert rows[11].finetuned_test_accuracy is None
    path.write_text(path.read_text().replace("layer,0.1,", "layer,1.1,"))
    with pytest.raises(
        FileError, match=r"prune.csv:3: fraction: '1.1' is not a number from 0 to 1"
    ):
        read_prunings(path)
