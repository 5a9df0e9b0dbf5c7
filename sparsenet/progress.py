"""How a run shows itself as it goes: a bar on a terminal, Caffe-like lines elsewhere."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, TextIO

from tqdm import tqdm

_SECONDS = 10.0
"""Between the lines that count pieces of work."""


class Display(Protocol):
    """What shows a run. `line` are the objects that metrics.jsonl gets."""

    def begin(self, step: int, total: int) -> None:
        """Training begins, or goes on, at `step` of `total`."""

    def displayed(self, line: dict[str, Any], density: float) -> None:
        """Show loss and learning rate."""

    def tested(self, line: dict[str, Any], density: float) -> None:
        """Show a test."""

    def note(self, text: str) -> None:
        """Show one line that is not progress: a snapshot, a stage."""

    def warn(self, text: str) -> None:
        """Show one line that must be seen, however quiet."""

    def advanced(self, step: int) -> None:
        """An update was made."""

    def end(self) -> None:
        """Training is over or interrupted."""

    def counting(self, what: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Show `what` is done, of `total` pieces; the function is told how many more are done.

        Without pieces it is shown as it begins, since nothing more may be seen of it for long.
        """


class Quiet:
    """Shows nothing but warnings."""

    def begin(self, step: int, total: int) -> None:
        """Nothing."""

    def displayed(self, line: dict[str, Any], density: float) -> None:
        """Nothing."""

    def tested(self, line: dict[str, Any], density: float) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""

    def warn(self, text: str) -> None:
        """A line on stderr."""
        print(text, file=sys.stderr, flush=True)

    def advanced(self, step: int) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""

    @contextmanager
    def counting(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        """Nothing."""
        yield lambda _done: None


class Lines(Quiet):
    """Caffe's log lines."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._last = (0, 0.0)

    def begin(self, step: int, total: int) -> None:
        """Start the clock of iter/s."""
        self._last = (step, time.monotonic())

    def displayed(self, line: dict[str, Any], density: float) -> None:
        """`Iteration N (x iter/s), loss = L, lr = R, stage = S (+n), density = d%`."""
        step, now = line["iter"], time.monotonic()
        done, since = step - self._last[0], now - self._last[1]
        self._last = (step, now)
        speed = f" ({done / since:.4g} iter/s)" if done and since > 0 else ""
        rest = f"loss = {line['loss']:.6g}, lr = {line['lr']:.6g}{_stage(line)}{_density(density)}"
        self.note(f"Iteration {step}{speed}, {rest}")

    def tested(self, line: dict[str, Any], density: float) -> None:
        """`Iteration N, VAL accuracy = a, loss = l, density = d%`."""
        self.note(f"Iteration {line['iter']}, {test_text(line)}{_density(density)}")

    def note(self, text: str) -> None:
        """A line of its own."""
        print(text, file=self.stream, flush=True)

    def warn(self, text: str) -> None:
        """A line of its own."""
        self.note(text)

    @contextmanager
    def counting(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        """`Decoding images: 1,200 of 50,000`, every ten seconds, and a line at the end."""
        if not total:
            self.note(what)
        began = last = time.monotonic()
        count = 0

        def advance(done: int) -> None:
            nonlocal count, last
            count += done
            if (now := time.monotonic()) >= last + _SECONDS:
                last = now
                self.note(f"{what}: {count:,} of {total:,}")

        yield advance
        counted = f"{count:,} in " if total else ""
        self.note(f"{what}: {counted}{time.monotonic() - began:.1f} s")


class Bar(Quiet):
    """One tqdm bar with the loss, the last test, the stage and the density."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._bar: tqdm[Any] | None = None
        self._shown: dict[str, str] = {}

    def begin(self, step: int, total: int) -> None:
        """Open the bar where the run stands."""
        self._bar = self._opened(total=total, initial=step, unit="it")

    @contextmanager
    def counting(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        """A bar of its own, which goes when the work is done."""
        with self._opened(desc=what, total=total, unit="", leave=False) as bar:

            def advance(done: int) -> None:
                bar.update(done)

            yield advance

    def _opened(self, **options: Any) -> tqdm[Any]:
        width = None if _has_width(self.stream) else 100
        return tqdm(file=self.stream, ncols=width, dynamic_ncols=width is None, **options)

    def displayed(self, line: dict[str, Any], density: float) -> None:
        """Show the loss and stage beside the bar."""
        self._show(line, density, loss=f"{line['loss']:.4f}", lr=f"{line['lr']:.4g}")

    def tested(self, line: dict[str, Any], density: float) -> None:
        """Show the accuracy beside the bar."""
        if line["accuracy"] is not None:
            self._show(line, density, **{line["phase"].lower(): f"{100 * line['accuracy']:.2f}%"})

    def note(self, text: str) -> None:
        """Write above the bar; nothing where the terminal has hung up, which ends no training."""
        try:
            tqdm.write(text, file=self.stream)
        except OSError as error:
            if error.errno != errno.EIO:
                raise

    def warn(self, text: str) -> None:
        """Write above the bar."""
        self.note(text)

    def advanced(self, step: int) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.update(step - self._bar.n)

    def end(self) -> None:
        """Close the bar, leaving its last state."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _show(self, line: dict[str, Any], density: float, **values: str) -> None:
        if line["stage"]:
            values["stage"] = f"{line['stage']}+{line['in_stage']}"
        if density < 1:
            values["density"] = f"{100 * density:.3g}%"
        self._shown |= values
        if self._bar is not None:
            self._bar.set_postfix(self._shown, refresh=False)


def _has_width(stream: TextIO) -> bool:
    """False for a terminal that does not say how wide it is, where tqdm would show nothing."""
    try:
        return os.get_terminal_size(stream.fileno()).columns > 0
    except (OSError, ValueError):
        return True


def choose_display(*, quiet: bool) -> Display:
    """Nothing if quiet, a bar where stderr is a terminal, lines elsewhere."""
    if quiet:
        return Quiet()
    return Bar(sys.stderr) if sys.stderr.isatty() else Lines(sys.stderr)


def test_text(line: dict[str, Any]) -> str:
    """A test as one reads it: `VAL accuracy = 0.9812, loss = 0.0613`."""
    parts = [f"{name} = {value:.6g}" for name, value in line["outputs"].items()]
    return f"{line['phase']} {', '.join(parts)}"


def _stage(line: dict[str, Any]) -> str:
    return f", stage = {line['stage']} (+{line['in_stage']})" if line["stage"] else ""


def _density(density: float) -> str:
    return f", density = {100 * density:.3g}%" if density < 1 else ""
