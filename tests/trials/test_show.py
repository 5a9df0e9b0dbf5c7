"""How a study shows itself: a line a trial, or bars on a terminal."""

from __future__ import annotations

import io

import pytest

from sparsenet.trials.board import Status
from sparsenet.trials.result import Result
from sparsenet.trials.show import (
    QuietStudy,
    StudyBars,
    StudyLines,
    choose_show,
    in_words,
    result_words,
)
from tests.trials.trials import result


def _done(key: str, iterations: int) -> Result:
    return result(key, iterations=iterations, bytes=2048, seconds=41.4)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_a_line_says_which_of_how_many_what_it_came_to_and_when_all_is_done(
    clock: list[float],
) -> None:
    out = io.StringIO()
    show = StudyLines(out)
    show.expected(3, 300)
    show.queued([100, 100])
    clock[0] = 60.0
    show.finished("round 1, ip1", _done("a", 100))
    clock[0] = 240.0
    show.finished("round 1, ip2", _done("b", 100))
    show.finished("round 2", _done("c", 100))
    words = "VAL 50.00 %, 720 nonzeros, 2.0 KiB, 41 s"
    assert out.getvalue().splitlines() == [
        f"[1 of 3] round 1, ip1: {words}; about 2 min left",
        f"[2 of 3] round 1, ip2: {words}; about 2 min left",
        f"[3 of 3] round 2: {words}",
    ]


def test_what_is_queued_counts_where_nothing_was_expected() -> None:
    out = io.StringIO()
    show = StudyLines(out)
    show.queued([10, 10])
    show.finished("a", result("a", failed="diverged"))
    assert out.getvalue() == "[1 of 2] a: failed: diverged\n"


def test_bars_show_all_updates_and_a_line_for_each_running_trial(clock: list[float]) -> None:
    out = io.StringIO()
    show = StudyBars(out)
    show.expected(4, 400)
    clock[0] = 30.0
    show.running([("one", Status(50, 100, "loss 0.5")), ("two", Status(25, 100))])
    show.finished("one", _done("a", 100))
    clock[0] = 60.0
    show.running([("two", Status(50, 100))])
    show.note("a note")
    show.end()
    said = out.getvalue()
    assert "75/400 updates" in said
    assert "150/400 updates" in said
    assert "0 of 4 trials, about 2 min left" in said  # 325 updates at 2.5 a second
    assert "1 of 4 trials, about 2 min left" in said  # 250 at 2.5
    assert "?" not in said
    assert "one: 50 of 100 loss 0.5" in said
    assert "two: 50 of 100" in said
    assert "one: VAL 50.00 %" in said
    assert "a note" in said


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "1.5 h"), (86400, "24.0 h")],
)
def test_times_are_as_exact_as_an_estimate_is(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_a_result_in_words() -> None:
    assert result_words(result("a", failed="diverged")) == "failed: diverged"
    assert result_words(result("a", accuracy={"VAL": None})) == "720 nonzeros, 0.0 KiB, 0 s"


def test_quiet_shows_warnings_alone(capsys: pytest.CaptureFixture[str]) -> None:
    show = choose_show(quiet=True)
    assert isinstance(show, QuietStudy)
    show.expected(1, 1)
    show.queued([1])
    show.running([("a", Status(1, 2))])
    show.finished("a", result("a"))
    show.note("a note")
    show.end()
    show.warn("a warning")
    assert capsys.readouterr() == ("", "a warning\n")


def test_without_a_terminal_there_are_lines() -> None:
    assert isinstance(choose_show(quiet=False), StudyLines)
