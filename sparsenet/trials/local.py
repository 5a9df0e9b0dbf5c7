"""Trials in processes of this machine."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

import psutil
import torch
from loky import ProcessPoolExecutor

from sparsenet.trials.board import FileBoard, Status
from sparsenet.trials.work import Order, Outcome, carry_out

_SECONDS = 0.5
"""Between two looks at whether the command that started a process still lives."""


class LocalPool:
    """`jobs` processes, each computing with `threads` threads; `folder` holds the trials' folders.

    With `--device cuda` they share the GPU. A signal from the terminal is not theirs: who started
    them passes it on by `stop`.
    """

    def __init__(self, jobs: int, threads: int, folder: Path) -> None:
        self.slots = jobs
        self._board = FileBoard(folder)
        self._executor = ProcessPoolExecutor(
            jobs,
            initializer=_prepare,
            initargs=(threads, os.getpid()),
            env={"OMP_NUM_THREADS": str(threads)},
        )

    def submit(self, order: Order) -> Future[Outcome]:
        """Carry out an order as soon as a process is free."""
        future: Future[Outcome] = self._executor.submit(carry_out, order, self._board)
        return future

    def status(self, key: str) -> Status | None:
        """Where a trial stands, None where it has not begun to train."""
        return self._board.read(key)

    def stop(self) -> None:
        """Ask all processes to save what they have and stop."""
        for child in psutil.Process().children():
            with suppress(psutil.Error):
                child.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """End the processes; what they are in the midst of is lost."""
        self._executor.shutdown(wait=True, kill_workers=True)


def _prepare(threads: int, parent: int) -> None:
    """Make a new process one of the pool's."""
    os.setpgid(0, 0)
    torch.set_num_threads(threads)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process when its parent is gone, however that ended.

    Otherwise a trial would go on after a kill -9 of the command, beside the same trial of the
    command that is started next.
    """
    while os.getppid() == parent:
        time.sleep(_SECONDS)
    os._exit(1)
