"""How a run shows itself: Caffe-like lines, or one bar on a terminal, or nothing."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import sys
import termios
import time
from contextlib import suppress
from typing import Any

import pytest

from sparsenet.progress import Bar, Display, Lines, Quiet, choose_display
from sparsenet.progress import test_text as text_of_a_test

SHOWN: dict[str, Any] = {"iter": 100, "loss": 0.123456789, "lr": 0.01, "stage": "", "in_stage": 100}
TESTED: dict[str, Any] = {
    "iter": 200,
    "phase": "VAL",
    "accuracy": 0.98765432,
    "outputs": {"accuracy": 0.98765432, "loss": 0.0613},
    "stage": "tight",
    "in_stage": 7,
}


def run_through(display: Display) -> None:
    display.begin(90, 300)
    display.advanced(100)
    display.displayed(SHOWN, 1.0)
    display.tested(TESTED, 0.0512)
    display.note("Snapshot runs/a/iter_200.pt")
    display.end()


def test_lines_are_caffes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([10.0, 10.5])
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    stream = io.StringIO()
    run_through(Lines(stream))
    assert stream.getvalue().splitlines() == [
        "Iteration 100 (20 iter/s), loss = 0.123457, lr = 0.01",
        "Iteration 200, VAL accuracy = 0.987654, loss = 0.0613, density = 5.12%",
        "Snapshot runs/a/iter_200.pt",
    ]


def test_lines_name_the_stage_and_have_no_speed_before_an_update() -> None:
    stream = io.StringIO()
    lines = Lines(stream)
    lines.begin(100, 300)
    lines.displayed({**SHOWN, "stage": "tight", "in_stage": 7}, 0.05)
    expected = "Iteration 100, loss = 0.123457, lr = 0.01, stage = tight (+7), density = 5%\n"
    assert stream.getvalue() == expected


def test_a_loss_that_is_not_finite_can_be_shown() -> None:
    for display in (Lines(io.StringIO()), Bar(io.StringIO())):
        display.begin(0, 10)
        display.displayed({**SHOWN, "loss": float("nan")}, 1.0)
        outputs = {"accuracy": float("nan"), "loss": float("inf")}
        display.tested({**TESTED, "accuracy": float("nan"), "outputs": outputs}, 1.0)
        display.end()


def test_the_bar_has_all_of_it_and_notes_stay_above_it() -> None:
    stream = io.StringIO()
    bar = Bar(stream)
    run_through(bar)
    text = stream.getvalue()
    last = re.split(r"[\r\n]+", text.strip())[-1]
    assert "100/300" in last
    for part in ("loss=0.1235", "lr=0.01", "val=98.77%", "stage=tight+7", "density=5.12%"):
        assert part in last
    assert "Snapshot runs/a/iter_200.pt\n" in text
    assert text.endswith("\n")
    bar.end()  # a second end, and what comes after it, is nothing
    bar.advanced(200)
    bar.displayed(SHOWN, 1.0)


def test_a_terminal_that_does_not_say_how_wide_it_is_gets_the_bar_too() -> None:
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 0, 0, 0, 0))
    with os.fdopen(its, "w", encoding="utf-8") as stream:
        run_through(Bar(stream))
    shown = b""
    with suppress(OSError):  # the other end is closed
        while piece := os.read(ours, 4096):
            shown += piece
    os.close(ours)
    assert "100/300" in shown.decode()
    assert "loss=0.1235" in shown.decode()


def test_the_bar_begins_where_the_run_goes_on() -> None:
    stream = io.StringIO()
    bar = Bar(stream)
    bar.begin(90, 300)
    assert "90/300" in stream.getvalue()
    bar.end()


def test_quiet_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    run_through(Quiet())
    assert capsys.readouterr() == ("", "")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert isinstance(choose_display(quiet=False), Lines)
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert isinstance(choose_display(quiet=False), Bar)
    assert isinstance(choose_display(quiet=True), Quiet)


def count_through(display: Display) -> None:
    with display.counting("Decoding images", 3000) as advance:
        for _ in range(3):
            advance(1000)


def test_lines_count_every_ten_seconds_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([10.0, 15.0, 20.5, 28.0, 33.25])
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    stream = io.StringIO()
    count_through(Lines(stream))
    assert stream.getvalue().splitlines() == [
        "Decoding images: 2,000 of 3,000",
        "Decoding images: 3,000 in 23.2 s",
    ]


def test_what_is_waited_for_is_a_line_as_it_begins() -> None:
    stream = io.StringIO()
    with Lines(stream).counting("Waiting", 0):
        assert stream.getvalue() == "Waiting\n"
    assert re.fullmatch(r"Waiting\nWaiting: 0\.\d s\n", stream.getvalue())
    with Bar(terminal := io.StringIO()).counting("Waiting", 0):
        assert "Waiting: " in terminal.getvalue()


def test_the_bar_that_counts_is_gone_when_all_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    count_through(Bar(stream))
    assert "Decoding images" in stream.getvalue()
    assert "/3000" in stream.getvalue()
    assert stream.getvalue().endswith("\r")
    count_through(Quiet())
    assert capsys.readouterr() == ("", "")


def test_a_test_without_accuracy_shows_its_loss() -> None:
    line = {"phase": "TEST", "outputs": {"loss": 1.5}}
    assert text_of_a_test(line) == "TEST loss = 1.5"
