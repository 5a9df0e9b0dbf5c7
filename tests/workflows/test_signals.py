"""The first signal ends the run well, the second at once, and neither outlives the run."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sparsenet.progress import Quiet
from sparsenet.workflows.signals import (
    StoppedError,
    StopRequest,
    TerminatedError,
    ended_by_signals,
    stop_on_signals,
)
from sparsenet.workflows.train import TrainOptions, train
from tests.workflows.conftest import assert_same_run

BOTH = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]


def handlers() -> list[Any]:
    return [signal.getsignal(number) for number, _ in BOTH]


@pytest.mark.parametrize(("number", "code"), BOTH)
def test_the_first_asks_and_the_second_stops_at_once(number: signal.Signals, code: int) -> None:
    before = handlers()

    def twice() -> None:
        with stop_on_signals() as stopping:
            assert not stopping()
            signal.raise_signal(number)
            assert stopping()
            assert stopping.signal == number
            signal.raise_signal(number)

    with pytest.raises(StoppedError) as raised:
        twice()
    assert raised.value.exit_code == code
    assert str(raised.value) == "stopped at once; what was saved before is kept"
    assert handlers() == before


def test_at_once_the_first_is_enough() -> None:
    request = StopRequest()
    request.at_once = True
    with pytest.raises(StoppedError):
        request.ask(signal.SIGTERM, None)


@pytest.fixture
def restored() -> Iterator[None]:
    """The handlers come back after a test whose process is at its end."""
    before = {number: signal.getsignal(number) for number, _ in BOTH}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [number for number, _ in BOTH])
def test_around_the_loop_the_first_ends_all_and_the_others_are_passed_over(
    number: signal.Signals,
) -> None:
    def stopped() -> None:
        with ended_by_signals():
            try:
                signal.raise_signal(number)
            finally:
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGTERM)

    before = handlers()
    with pytest.raises(KeyboardInterrupt if number == signal.SIGINT else TerminatedError):
        stopped()
    assert handlers() == before


@pytest.mark.parametrize("number", [number for number, _ in BOTH])
def test_an_error_after_a_signal_that_was_swallowed_is_the_signals(number: signal.Signals) -> None:
    def failed(error: Exception, *, signalled: bool) -> None:
        with ended_by_signals() as ending, ending.comes_first():
            if signalled:
                with contextlib.suppress(BaseException):
                    signal.raise_signal(number)
            raise error

    with pytest.raises(KeyboardInterrupt if number == signal.SIGINT else TerminatedError):
        failed(AttributeError("numpy is there by half"), signalled=True)
    with pytest.raises(StoppedError, match="after 3 updates"):
        failed(StoppedError(number, "stopped after 3 updates"), signalled=True)
    with pytest.raises(AttributeError):
        failed(AttributeError("a defect"), signalled=False)


def test_a_signal_in_the_loop_is_the_loops_and_the_handlers_come_back() -> None:
    before = handlers()
    with ended_by_signals(), stop_on_signals() as stopping:
        signal.raise_signal(signal.SIGTERM)
        assert stopping()
    assert handlers() == before


@pytest.mark.usefixtures("restored")
def test_what_is_ignored_stays_so() -> None:
    with ended_by_signals():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


def test_outside_the_main_thread_nothing_is_handled() -> None:
    asked: list[bool] = []

    def wait() -> None:
        with ended_by_signals(), stop_on_signals() as stopping:
            asked.append(stopping())

    before = handlers()
    thread = threading.Thread(target=wait)
    thread.start()
    thread.join()
    assert asked == [False]
    assert handlers() == before


class Raising(Quiet):
    """Raises signals when an event of the run comes."""

    def __init__(self, event: str, step: int, *signals: signal.Signals) -> None:
        self.when, self.signals = (event, step), signals

    def _now(self, event: str, step: int) -> None:
        if (event, step) == self.when:
            for number in self.signals:
                signal.raise_signal(number)

    def advanced(self, step: int) -> None:
        self._now("advanced", step)

    def tested(self, line: dict[str, Any], density: float) -> None:
        self._now("tested", line["iter"])


def stopped(solver: Path, folder: Path, display: Quiet) -> StoppedError:
    with pytest.raises(StoppedError) as raised:
        train(solver, TrainOptions(output=folder, resume="auto"), display)
    return raised.value


def test_stopped_anywhere_a_run_goes_on_to_the_same_end(solver: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(solver, TrainOptions(output=whole), Quiet())
    before = handlers()

    error = stopped(solver, parts, Raising("advanced", 8, signal.SIGTERM))
    assert error.exit_code == 143
    assert str(error) == "stopped after 8 updates; --resume auto goes on from there"
    assert (parts / "iter_8.pt").exists()

    error = stopped(solver, parts, Raising("advanced", 20, signal.SIGINT, signal.SIGINT))
    assert (error.exit_code, str(error)) == (130, "stopped at once; what was saved before is kept")
    assert not (parts / "iter_20.pt").exists()

    error = stopped(solver, parts, Raising("tested", 30, signal.SIGINT))  # within an update's test
    assert str(error).startswith("stopped after 31 updates")

    # With the last update made, its test and the results are all that is left: nothing is lost.
    error = stopped(solver, parts, Raising("tested", 60, signal.SIGINT))
    assert (error.exit_code, str(error)) == (130, "stopped at once; what was saved before is kept")
    assert not (parts / "final.pt").exists()

    assert handlers() == before
    train(solver, TrainOptions(output=parts, resume="auto"), Quiet())
    assert_same_run(whole, parts, 60)
    assert list(parts.glob(".*")) == []
