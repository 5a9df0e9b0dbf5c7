"""Reports of running trials: whole or not at all, and never a reason to fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparsenet.trials.board import FileBoard, Reporter, Status


def test_what_was_reported_last_is_read(tmp_path: Path) -> None:
    board = FileBoard(tmp_path)
    (tmp_path / "a").mkdir()
    assert board.read("a") is None
    for step in (1, 2):
        assert board.report("a", Status(step, 9, "loss 0.5"))
    assert board.read("a") == Status(2, 9, "loss 0.5")
    board.report("a", None)
    assert board.read("a") is None
    assert list((tmp_path / "a").iterdir()) == []


def test_a_report_that_cannot_be_written_is_lost(tmp_path: Path) -> None:
    board = FileBoard(tmp_path)
    assert board.report("no folder", Status(1, 2))
    assert board.read("no folder") is None


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '{"steps": 1}'])
def test_a_damaged_report_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "status.json").write_text(text)
    assert FileBoard(tmp_path).read("a") is None


def test_a_reporter_says_no_more_than_can_be_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    (tmp_path / "a").mkdir()
    board = FileBoard(tmp_path)
    reporter = Reporter("a", board)
    reporter.begin(0, 10)
    reporter.displayed({"loss": 0.25}, 1.0)
    reporter.advanced(1)
    assert board.read("a") == Status(0, 10)
    now = 0.6
    reporter.tested({"phase": "VAL", "accuracy": 0.5}, 1.0)
    reporter.advanced(2)
    assert board.read("a") == Status(2, 10, "loss 0.25 VAL 50.00 %")
    reporter.end()
    assert board.read("a") == Status(10, 10, "loss 0.25 VAL 50.00 % measuring")


def test_warnings_are_kept(tmp_path: Path) -> None:
    reporter = Reporter("a", FileBoard(tmp_path))
    reporter.warn("a bad image")
    assert reporter.warnings == ["a bad image"]
