"""Where running trials write how far they are, and the command that started them reads it."""

from __future__ import annotations

import json
import signal
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from sparsenet.progress import Quiet

_SECONDS = 0.5
"""Between two reports of a trial."""


@dataclass(frozen=True)
class Status:
    """A trial has made `step` of `total` updates; `words` are its loss and last test."""

    step: int
    total: int
    words: str = ""


class Board(Protocol):
    """What trials report to, from whichever process they run in."""

    def report(self, key: str, status: Status | None) -> bool:
        """Note where a trial stands; None: it runs no more. Whether the trial is to go on.

        Never fails: a report may be lost.
        """


class FileBoard:
    """A file for each running trial, in a folder that all processes see."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def report(self, key: str, status: Status | None) -> bool:
        """Replace the trial's file, or remove it. It needs no sync: after a crash nobody asks."""
        path = self.folder / key / "status.json"
        with suppress(OSError):
            if status is None:
                path.unlink(missing_ok=True)
            else:
                part = path.with_suffix(".part")
                part.write_text(json.dumps(asdict(status)), encoding="utf-8")
                part.replace(path)
        return True  # who is to stop gets a signal

    def read(self, key: str) -> Status | None:
        """Where a trial stands, None where it has not said so."""
        try:
            text = (self.folder / key / "status.json").read_text(encoding="utf-8")
            return Status(**json.loads(text))
        except (OSError, ValueError, TypeError):
            return None


class Reporter(Quiet):
    """The display of a trial's training: it tells the board, and keeps the warnings."""

    def __init__(self, key: str, board: Board) -> None:
        self.key, self.board = key, board
        self.warnings: list[str] = []
        self._total = 0
        self._words: dict[str, str] = {}
        self._next = 0.0

    def begin(self, step: int, total: int) -> None:
        """Training begins, or goes on, at `step` of `total`."""
        self._total = total
        self._report(step)

    def displayed(self, line: dict[str, Any], density: float) -> None:
        """Keep the loss for the next report."""
        self._words["loss"] = f"{line['loss']:.4g}"

    def tested(self, line: dict[str, Any], density: float) -> None:
        """Keep the accuracy for the next report."""
        if line["accuracy"] is not None:
            self._words[line["phase"]] = f"{100 * line['accuracy']:.2f} %"

    def warn(self, text: str) -> None:
        """Keep it for whoever started the trial."""
        self.warnings.append(text)

    def advanced(self, step: int) -> None:
        """Report, but not more often than a reader follows."""
        if time.monotonic() >= self._next:
            self._report(step)

    def end(self) -> None:
        """Training is over: what is left, measuring, has no steps."""
        self._words["measuring"] = ""
        self._report(self._total)

    def _report(self, step: int) -> None:
        words = " ".join(f"{name} {value}".strip() for name, value in self._words.items())
        if not self.board.report(self.key, Status(step, self._total, words)):
            signal.raise_signal(signal.SIGTERM)
        self._next = time.monotonic() + _SECONDS
