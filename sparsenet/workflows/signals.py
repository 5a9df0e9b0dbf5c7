"""Ctrl-C and SIGTERM: the first stops the loop after its update, the second stops at once.

Outside the loop, where nothing would be lost, the first ends the command. SIGHUP has the loop save
a snapshot and go on, as Caffe's does.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from sparsenet.errors import SparsenetError

_STOPPING = (signal.SIGINT, signal.SIGTERM)

_Handler = Callable[[int, FrameType | None], None]


class StoppedError(SparsenetError):
    """A signal stopped the run; its exit code is 128 + signal."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = 128 + number


class TerminatedError(BaseException):
    """SIGTERM, as KeyboardInterrupt is Ctrl-C: no `except Exception` takes it for another error."""


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
    with _handled(_STOPPING, request.ask):
        yield request


class SnapshotRequest:
    """Whether a snapshot has been asked for since somebody looked."""

    def __init__(self) -> None:
        self._asked = False

    def __call__(self) -> bool:
        """Whether to save one; who was told so is not told again."""
        asked, self._asked = self._asked, False
        return asked

    def ask(self, _number: int, _frame: FrameType | None) -> None:
        """Take note of a signal."""
        self._asked = True


@contextmanager
def snapshot_on_hangup() -> Iterator[SnapshotRequest]:
    """Inside the block SIGHUP sets the request, unless it was ignored before, as under nohup."""
    request = SnapshotRequest()
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    with _handled(() if ignored else (signal.SIGHUP,), request.ask):
        yield request


@contextmanager
def _handled(numbers: tuple[signal.Signals, ...], handler: _Handler) -> Iterator[None]:
    """Inside the block a handler has the signals, in the main thread; the old ones come back."""
    chosen = numbers if _handles_signals() else ()
    before = {number: signal.signal(number, handler) for number in chosen}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


class Ending:
    """Which signal has ended a block, if one has."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def end(self, number: int, _frame: FrameType | None) -> None:
        """Raise KeyboardInterrupt for SIGINT and TerminatedError for SIGTERM, but once."""
        self.signal = number
        pass_over_signals()
        self._raise()

    @contextmanager
    def comes_first(self) -> Iterator[None]:
        """Inside the block any error that follows a signal is the signal's own.

        C code can take its exception for a failure and go on, as torch does while it imports NumPy,
        which then is there by half.
        """
        try:
            yield
        except StoppedError:
            raise
        except Exception:
            self._raise()
            raise

    def _raise(self) -> None:
        if self.signal is not None:
            raise (KeyboardInterrupt if self.signal == signal.SIGINT else TerminatedError) from None


@contextmanager
def ended_by_signals() -> Iterator[Ending]:
    """Inside the block SIGINT raises KeyboardInterrupt and SIGTERM TerminatedError, but once.

    Whatever comes after the first in it is passed over, so that nothing disturbs the end that it
    began. A signal that the block itself has come to ignore stays so.
    """
    ending = Ending()
    if not _handles_signals():
        yield ending
        return
    end = ending.end
    before = {number: signal.signal(number, end) for number in _STOPPING}
    try:
        yield ending
    finally:
        for number, handler in before.items():
            if ending.signal is not None or signal.getsignal(number) is end:
                signal.signal(number, handler)


def pass_over_signals() -> None:
    """Let SIGINT and SIGTERM do nothing any more: for a process that is about to end anyway."""
    for number in _STOPPING:
        signal.signal(number, signal.SIG_IGN)


def _handles_signals() -> bool:
    return threading.current_thread() is threading.main_thread()
