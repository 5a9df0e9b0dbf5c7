"""Tiny trials on the 8x8 digits, and a pool that carries them out in the test's own process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sparsenet.study_folder import StudyFolder
from sparsenet.trials.board import FileBoard, Status
from sparsenet.trials.engine import Engine
from sparsenet.trials.journal import Journal
from sparsenet.trials.result import LayerCount, Result
from sparsenet.trials.show import QuietStudy, Show
from sparsenet.trials.trial import Trial
from sparsenet.trials.work import Order, Outcome
from sparsenet.workflows.signals import StopRequest
from tests.small import configured, inner_product, net_data

Answer = Callable[[Order], Outcome]


def data(seed: int = 1, **solver: Any) -> dict[str, Any]:
    """The configuration of a net of two layers."""
    net = net_data(inner_product("ip1", 12), inner_product("ip2", 10), split=100)
    return configured(net, random_seed=seed, **{"max_iter": 6, "base_lr": 0.1} | solver).data


def trial(seed: int = 1, **keys: Any) -> Trial:
    return Trial(data(seed), label=f"seed {seed}", **keys)


def result(key: str, **keys: Any) -> Result:
    layers = {"ip1": LayerCount(768, 700), "ip2": LayerCount(120, 20)}
    return Result(key=key, **{"accuracy": {"VAL": 0.5}, "layers": layers} | keys)


def line(order: Order, **keys: Any) -> Outcome:
    """The outcome of an order that was carried out well."""
    found = {"key": order.key, "label": order.label, "iterations": order.data["max_iter"]}
    return Outcome(line=found | keys)


def weights_written(order: Order) -> Outcome:
    """As `line`, with a checkpoint that others can start from."""
    order.folder.mkdir(parents=True, exist_ok=True)
    (order.folder / "final.pt").write_bytes(b"weights")
    return line(order)


class FakePool:
    """Answers orders as a function does, when it is looked at: those that `ends` is true of.

    The others go on until they are stopped.
    """

    def __init__(self, answer: Answer, slots: int | None = 2) -> None:
        self.answer, self._slots = answer, slots
        self.orders: list[Order] = []
        self.at_most = self.stopped = 0
        self.ends: Callable[[Order], bool] = lambda order: True
        self._running: list[tuple[Order, Future[Outcome]]] = []

    @property
    def slots(self) -> int | None:
        return self._slots

    def submit(self, order: Order) -> Future[Outcome]:
        self.orders.append(order)
        future: Future[Outcome] = Future()
        self._running.append((order, future))
        self.at_most = max(self.at_most, len(self._running))
        return future

    def _end(self, ends: Callable[[Order], bool]) -> None:
        """Answer orders, the last first: the order of ends is not that of beginnings."""
        for order, future in reversed(self._running):
            if ends(order):
                try:
                    future.set_result(self.answer(order))
                except RuntimeError as error:
                    future.set_exception(error)
        self._running = [one for one in self._running if not one[1].done()]

    def status(self, key: str) -> Status | None:
        self._end(self.ends)
        return None

    def stop(self) -> None:
        self.stopped += 1
        self._end(lambda order: True)

    def close(self) -> None:
        pass


@contextmanager
def engine(
    folder: Path, pool: FakePool, show: Show | None = None, stopping: int | None = None
) -> Iterator[Engine]:
    """An engine in a folder, of which `stopping` is the signal that it has got."""
    study = StudyFolder(folder)
    study.make()
    request = StopRequest()
    request.signal = stopping
    with closing(Journal(study)) as journal:
        yield Engine(study, journal, pool, show or QuietStudy(), request)


def run(
    folder: Path, pool: FakePool, trials: Sequence[Trial], show: Show | None = None
) -> list[Result]:
    """The results of trials, by an engine of their own."""
    with engine(folder, pool, show) as own:
        return own.run(trials)


def order(home: Path, /, **keys: Any) -> Order:
    """An order for the tiny net, in the folder `k` of another."""
    return Order(**{"key": "k", "label": "tiny", "data": data(), "folder": home / "k"} | keys)


def board(folder: Path) -> FileBoard:
    return FileBoard(folder)
