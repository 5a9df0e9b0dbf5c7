"""Windows of images read from their files, one batch at a time or ahead in other processes."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from tempfile import gettempdir
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from sparsenet.data.raw import DataError
from sparsenet.data.windows import Windows, centre

T = TypeVar("T")

Decode = Callable[[str], Tensor]
"""From an image's name to its uint8 pixels (channels, height, width), resized.

It raises DataError, naming the image, and can be pickled for other processes.
"""

Request = tuple[list[str], Any]
"""Names, and their windows' draws, a NumPy int64 array (3, n); or None for the centres."""

Answer = tuple[Tensor, list[tuple[int, str]]]
"""uint8 (n, C, h, w), and the places of those that could not be read, with what is wrong."""

MOST_WORKERS = 8
_DECODING = "sparsenet.data.decoding"


@dataclass(frozen=True)
class Reader(Dataset[Answer]):
    """Answers requests: each image decoded by its name, and its window cut, to `shape`.

    It holds no list of names, so that it costs a process nothing to have one.
    """

    shape: tuple[int, int, int]
    decode: Decode
    crop: int | None
    windows: Windows | None
    memory_format: torch.memory_format

    def __getitem__(self, request: Request) -> Answer:
        names, drawn = request
        size = (len(names), *self.shape)
        pixels = torch.empty(size, dtype=torch.uint8, memory_format=self.memory_format)
        windows = [None] * len(names) if drawn is None else torch.from_numpy(drawn).unbind(1)
        failures = []
        for place, (name, window) in enumerate(zip(names, windows, strict=True)):
            try:
                pixels[place] = self._window(name, window)
            except DataError as error:
                failures.append((place, str(error)))
        return pixels, failures

    def _window(self, name: str, drawn: Tensor | None) -> Tensor:
        image = self.decode(name)
        height, width = image.shape[1:]
        if self.crop is not None and self.crop > min(height, width):
            words = f"crop_size {self.crop} is larger than the {height}x{width} image"
            raise DataError(f"{name}: {words}")
        if self.windows is None or drawn is None:
            return centre(image, self.crop)
        return self.windows.cut_one(image, drawn)


class Ahead:
    """Has requests answered by other processes before the answers are asked for.

    The processes begin with the first request and stay for further rows of requests; they end
    with `close`, or with the object. Without workers every answer is made when it is asked for.
    """

    def __init__(self, reader: Reader, workers: int | None, *, pin_memory: bool = False) -> None:
        self._reader, self._pin_memory = reader, pin_memory
        self.workers = default_workers() if workers is None else workers
        self._requests = _Requests()
        self._loader: DataLoader[Answer] | None = None
        self._answers: Iterator[Answer] = iter(())

    def answers(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """The answers in order; asking for another row of them ends the one before.

        Raises DataError where a process has died, or could not be started.
        """
        if not self.workers:
            yield from map(self._reader.__getitem__, requests)
            return
        self._requests.row = requests
        with warnings.catch_warnings():
            # torch warns of more workers than processors, which is for the user to choose.
            warnings.simplefilter("ignore")
            self._answers = self._begun()
        while True:
            try:
                answer = next(self._answers, None)
            except RuntimeError as error:
                if "worker" not in str(error):
                    raise
                why = str(error).splitlines()[0]
                remedy = "fewer workers need less memory, and workers: 0 needs no such process"
                raise DataError(
                    f"a process that reads images has ended ({why}): {remedy}"
                ) from None
            if answer is None:
                return
            yield answer

    def close(self) -> None:
        """End the processes."""
        self._loader, self._answers = None, iter(())

    def _begun(self) -> Iterator[Answer]:
        try:
            if self._loader is None:
                self._loader = self._started()
            with _hangups_wait():
                return iter(self._loader)
        except OSError as error:
            # A socket's path is in the folder of TMPDIR, and may have about a hundred characters.
            is_long = "path too long" in str(error)
            shorter = f"name a shorter folder in TMPDIR than {gettempdir()}, or " if is_long else ""
            words = f"cannot start processes that read images ({error.strerror or error})"
            raise DataError(f"{words}: {shorter}use workers: 0, which needs none") from None

    def _started(self) -> DataLoader[Answer]:
        atexit.register(_close, weakref.ref(self))
        # Forked from a process without threads, a GPU or an open file of this one, which has
        # imported already what they need.
        method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else None
        if method:
            context = multiprocessing.get_context(method)
            context.set_forkserver_preload([__name__, _DECODING, "torchvision.io"])
        return DataLoader(
            self._reader,
            batch_size=None,
            sampler=self._requests,
            num_workers=self.workers,
            collate_fn=_same,
            pin_memory=self._pin_memory,
            worker_init_fn=_begin,
            multiprocessing_context=method,
            generator=torch.Generator(),  # torch's own random state stays as it is
            persistent_workers=True,
        )


class _Requests:
    """The row of requests that the loader's next iteration is over."""

    row: Iterable[Request] = ()

    def __iter__(self) -> Iterator[Request]:
        return iter(self.row)


@contextmanager
def _hangups_wait() -> Iterator[None]:
    """In the block SIGHUP waits; for ever in processes that begin in it: it is the training's."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def default_workers() -> int:
    """One for each processor that this process may use, at most MOST_WORKERS."""
    if sys.platform == "linux":
        return min(MOST_WORKERS, len(os.sched_getaffinity(0)))
    return min(MOST_WORKERS, os.cpu_count() or 1)


def _same(answer: T) -> T:
    """What a worker sends is what it read, unchanged."""
    return answer


def _close(ahead: weakref.ref[Ahead]) -> None:
    """End the processes before multiprocessing does, by a SIGTERM that they let pass (`_begin`)."""
    if (alive := ahead()) is not None:
        alive.close()


def _begin(_worker: int) -> None:
    """A signal to all processes of a terminal or a job lets the training end in its own time.

    A second SIGTERM ends this process, and so does the end of the training, even if that was
    killed: the process it was forked from lives as long as this one, so torch would not notice.
    """
    if (training := multiprocessing.parent_process()) is not None:
        threading.Thread(target=_end_with, args=(training,), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, _frame: signal.signal(number, signal.SIG_DFL))


def _end_with(training: BaseProcess) -> None:
    training.join()
    os._exit(1)
