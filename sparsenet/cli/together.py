"""The command line in each of several processes: its results and its errors are shown once."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from sparsenet import ranks
from sparsenet.errors import SparsenetError

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

_LAST_SECONDS = 3.0


class Run(Protocol):
    """Runs a command line, gives what went wrong to `say`, and returns the exit code."""

    def __call__(self, arguments: list[str] | None, say: Callable[[str], None]) -> int:
        """The exit code."""


class _Voice:
    """Lets the first process that has something to say speak for all of them.

    The first error is the cause of the others, where these are not the same words: a process that
    has failed is lost to the rest.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.failed = False

    def say(self, words: str) -> None:
        """Show the words, or wait until others have been shown.

        torchrun sends SIGTERM to all processes as soon as the first has ended: so the first waits
        a little for the others' own end, which this signal must not turn into another exit code.
        """
        self.failed = True
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        try:
            if self.store.add("failed", 1) > 1:
                self.store.wait(["said"], timedelta(seconds=10))
                return
            click.echo(words, err=True, nl=False)
            self.store.set("said", "")
        except RuntimeError:  # the store, or who was to speak, is gone
            click.echo(words, err=True, nl=False)
            return
        deadline = time.monotonic() + _LAST_SECONDS
        with suppress(RuntimeError):
            while self.store.add("failed", 0) < ranks.size() and time.monotonic() < deadline:
                time.sleep(0.02)


def run_together(run: Run, arguments: list[str] | None) -> int:
    """Run the command line as one of several processes; the exit code, the same in all."""
    try:
        voice = _Voice(ranks.join())
    except SparsenetError as error:
        click.echo(f"error: {error}", err=True)
        return error.exit_code
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        redirect_stdout(nowhere if ranks.rank() > 0 else sys.stdout),
    ):
        code = run(arguments, voice.say)
    if not voice.failed:
        try:
            ranks.leave()
        except SparsenetError as error:
            return error.exit_code
    return code
