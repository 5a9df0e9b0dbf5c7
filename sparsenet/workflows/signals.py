"""Ctrl-C and SIGTERM: the first stops the loop after its update, the second stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from sparsenet.errors import SparsenetError

_STOPPING = (signal.SIGINT, signal.SIGTERM)


class StoppedError(SparsenetError):
    """A signal stopped the run; its exit code is 128 + signal."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = 128 + number


class StopRequest:
    """Which signal has asked the run to stop, if one has."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self.at_once = False
        """Whether already the first signal stops at once: where nothing would be lost by it."""

    def __call__(self) -> bool:
        """Whether to stop."""
        return self.signal is not None

    def ask(self, number: int, frame: FrameType | None) -> None:
        """Take note of a signal; raises StoppedError at the second, or `at_once`."""
        if self.signal is not None or self.at_once:
            raise StoppedError(number, "stopped at once; what was saved before is kept")
        self.signal = number


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Inside the block SIGINT and SIGTERM set the request; the old handlers come back after it.

    Outside the main thread, where Python handles no signals, nothing ever does.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.signal(number, request.ask) for number in _STOPPING}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
