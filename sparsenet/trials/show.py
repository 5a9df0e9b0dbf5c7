"""How a study of many trials shows itself: bars on a terminal, a line a trial elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any, Protocol, TextIO

from tqdm import tqdm

from sparsenet.trials.board import Status
from sparsenet.trials.result import Result

Running = Sequence[tuple[str, Status]]


class Show(Protocol):
    """What shows a study as it goes."""

    def expected(self, trials: int, updates: int) -> None:
        """As far as can be told, so many trials and updates remain, those queued included."""

    def queued(self, updates: Sequence[int]) -> None:
        """These trials, of so many updates each, are to be run now."""

    def running(self, trials: Running) -> None:
        """The trials that are training now, by label, and where each of them stands."""

    def finished(self, label: str, result: Result) -> None:
        """A trial has ended."""

    def note(self, text: str) -> None:
        """Show one line."""

    def warn(self, text: str) -> None:
        """Show one line that must be seen, however quiet."""

    def end(self) -> None:
        """The study is over or interrupted."""


class QuietStudy:
    """Shows nothing but warnings."""

    def expected(self, trials: int, updates: int) -> None:
        """Nothing."""

    def queued(self, updates: Sequence[int]) -> None:
        """Nothing."""

    def running(self, trials: Running) -> None:
        """Nothing."""

    def finished(self, label: str, result: Result) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""

    def warn(self, text: str) -> None:
        """A line on stderr."""
        print(text, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Nothing."""


class _Counting(QuietStudy):
    """Counts trials and updates, those made and those still to make, and the time they take."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.trials = self.updates = 0
        self.left, self.updates_left = 0, 0
        self._began = time.monotonic()

    def expected(self, trials: int, updates: int) -> None:
        """Take the estimate for what remains."""
        self.left, self.updates_left = trials, updates

    def queued(self, updates: Sequence[int]) -> None:
        """At least these remain."""
        self.left = max(self.left, len(updates))
        self.updates_left = max(self.updates_left, sum(updates))

    def finished(self, label: str, result: Result) -> None:
        """One trial more is done, one fewer remains."""
        self.trials += 1
        self.updates += result.iterations
        self.left = max(0, self.left - 1)
        self.updates_left = max(0, self.updates_left - result.iterations)

    def seconds_left(self, ahead: int = 0) -> float | None:
        """Seconds to go at the pace so far; `ahead` updates have been made by running trials."""
        made = self.updates + ahead
        if not made:
            return None
        return (time.monotonic() - self._began) / made * max(0, self.updates_left - ahead)


class StudyLines(_Counting):
    """A line for each trial that has ended."""

    def finished(self, label: str, result: Result) -> None:
        """`[3 of 40] label: VAL 97.10 %, 12,000 nonzeros, 31.2 KiB, 41 s; about 12 min left`."""
        super().finished(label, result)
        rest = self.seconds_left()
        about = "" if rest is None or not self.left else f"; about {in_words(rest)} left"
        total = self.trials + self.left
        self.note(f"[{self.trials} of {total}] {label}: {result_words(result)}{about}")

    def note(self, text: str) -> None:
        """A line of its own."""
        print(text, file=self.stream, flush=True)

    def warn(self, text: str) -> None:
        """A line of its own."""
        self.note(text)


class StudyBars(_Counting):
    """One bar of all updates, and below it a line for each running trial."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._bar: tqdm[Any] | None = None
        self._lines: list[tqdm[Any]] = []

    def running(self, trials: Running) -> None:
        """Move the bar by what the running trials have made, and rewrite their lines."""
        ahead = sum(status.step for _, status in trials)
        if self._bar is None:
            total = self.updates + self.updates_left
            self._bar = tqdm(file=self.stream, total=total, dynamic_ncols=True, bar_format=_BAR)
        rest = self.seconds_left(ahead)
        self._bar.total = self.updates + self.updates_left
        # What a trial has made is counted a little later as of one that has ended.
        self._bar.n = min(max(self._bar.n, self.updates + ahead), self._bar.total)
        about = f", about {in_words(rest)} left" if rest else ""
        self._bar.set_postfix_str(f"{self.trials} of {self.trials + self.left} trials{about}")
        for place, (label, status) in enumerate(trials):
            if place == len(self._lines):
                self._lines.append(self._opened(place + 1))
            share = f"{status.step:,} of {status.total:,}"
            self._lines[place].set_description_str(f"  {label}: {share} {status.words}")
        for line in self._lines[len(trials) :]:
            line.set_description_str("")

    def _opened(self, position: int) -> tqdm[Any]:
        return tqdm(file=self.stream, position=position, bar_format="{desc}", leave=False)

    def finished(self, label: str, result: Result) -> None:
        """A line above the bar."""
        super().finished(label, result)
        self.note(f"{label}: {result_words(result)}")

    def note(self, text: str) -> None:
        """Write above the bar."""
        tqdm.write(text, file=self.stream)

    def warn(self, text: str) -> None:
        """Write above the bar."""
        self.note(text)

    def end(self) -> None:
        """Close the bars, leaving the last state of the first."""
        for bar in (*self._lines, *([self._bar] if self._bar else [])):
            bar.close()
        self._lines, self._bar = [], None


_BAR = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} updates [{elapsed}{postfix}]"


def choose_show(*, quiet: bool) -> Show:
    """Nothing if quiet, bars where stderr is a terminal, lines elsewhere."""
    if quiet:
        return QuietStudy()
    return StudyBars(sys.stderr) if sys.stderr.isatty() else StudyLines(sys.stderr)


def result_words(result: Result) -> str:
    """A result as one reads it in a line."""
    if result.failed is not None:
        return f"failed: {result.failed}"
    scores = [f"{p} {100 * a:.2f} %" for p, a in result.accuracy.items() if a is not None]
    size = [f"{result.nonzeros:,} nonzeros", f"{result.bytes / 1024:.1f} KiB"]
    return ", ".join([*scores, *size, f"{result.seconds:.0f} s"])


def in_words(seconds: float) -> str:
    """A time as one estimates it: 40 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
