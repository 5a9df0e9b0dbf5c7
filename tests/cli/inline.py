"""Trials in this process, one after another: what processes make, without their start."""

from __future__ import annotations

import io
from concurrent.futures import Future
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from sparsenet.cli.main import run
from sparsenet.trials.board import FileBoard, Status
from sparsenet.trials.work import Order, Outcome, carry_out


class InlinePool:
    """Carries out an order when it is submitted."""

    slots = 1

    def __init__(self, jobs: int, threads: int, folder: Path) -> None:
        self._board = FileBoard(folder)

    def submit(self, order: Order) -> Future[Outcome]:
        done: Future[Outcome] = Future()
        done.set_result(carry_out(order, self._board))
        return done

    def status(self, key: str) -> Status | None:
        return None

    def stop(self) -> None:
        pass

    def close(self) -> None:
        pass


def ended(err: str) -> list[str]:
    """The lines of stderr that are of trials that have ended."""
    return [line for line in err.splitlines() if line.startswith("[")]


def typed_aside(arguments: list[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command that several tests look at."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(arguments)
    return code, out.getvalue(), err.getvalue()
