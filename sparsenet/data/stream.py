"""Batches of a set that stays in its files: read again whenever they are used."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import Literal, Unpack

import torch
from torch import Tensor

from sparsenet.data.batches import Batch, Batches, Options, Span
from sparsenet.data.listed import ListedSet
from sparsenet.data.raw import NO_IMAGE, DataError
from sparsenet.data.reader import Ahead, Answer, Reader, Request
from sparsenet.data.transforms import mean_of_sum, sum_of
from sparsenet.data.watch import Watch

Warn = Callable[[str], None]
OnBadImage = Literal["error", "skip"]
_AT_A_TIME = 64


class Stream(Batches):
    """Batches of listed images: bit for bit those of InMemory of the same images.

    The images may be of any sizes where a crop makes them alike. Processes read ahead in a
    training that takes one batch after another, and in a sweep; a batch out of order is read at
    once. With `on_bad_image` skip an image that cannot be read is told once to `warn`, and counted
    in `bad`; in a batch the next one of the set that can be is in its place, with its label, and a
    sweep leaves it out. Else it raises DataError, as where no image can be read.
    """

    def __init__(
        self,
        listed: ListedSet,
        batch_size: int,
        *,
        on_bad_image: OnBadImage = "error",
        workers: int | None = None,
        warn: Warn = warnings.warn,
        bad: set[str] | None = None,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(listed.labels, listed.stored, batch_size, alike=listed.alike, **options)
        self._listed, self._on_bad_image, self._warn = listed, on_bad_image, warn
        self._reader = Reader(
            self.shape, listed.decode, self.crop, self.windows, self.memory_format
        )
        pin = self.device.type == "cuda"
        self._ahead, self._sweeping = (Ahead(self._reader, workers, pin_memory=pin) for _ in "12")
        self._running: Iterator[Answer] | None = None
        self._last = -2
        self._bad = set() if bad is None else bad

    def close(self) -> None:
        """End the processes that read ahead; a further batch begins them anew."""
        self._running = None
        self._ahead.close()
        self._sweeping.close()

    def mean(self, watch: Watch) -> Tensor:
        """The mean of the images as this transform leaves them, float32 (C, h, w)."""
        total, samples = torch.zeros(self.shape, dtype=torch.int64), 0
        starts = range(0, len(self), _AT_A_TIME)
        spans = [(start, min(start + _AT_A_TIME, len(self))) for start in starts]
        with watch("Computing the mean image", len(self)) as advance:
            for pixels, labels in self._swept(spans):
                total += sum_of(pixels.cpu())
                samples += len(labels)
                advance(len(labels))
        if not samples:
            raise DataError(NO_IMAGE)
        return mean_of_sum(total, samples)

    def _taken(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        drawn = self._own(step)
        pixels, labels = self._placed(self._answer(step, drawn), drawn)
        return pixels, labels, drawn

    def _swept(self, spans: Iterable[Span]) -> Iterator[Batch]:
        chosen = [torch.arange(*span)[None] % len(self) for span in spans]
        requests = [self._request(rows) for rows in chosen]
        alone = len(requests) < 2
        answers = map(self._reader.__getitem__, requests) if alone else None
        for rows, answer in zip(chosen, answers or self._sweeping.answers(requests), strict=True):
            pixels, labels = self._left(answer, rows[0])
            if len(labels):
                yield pixels, labels

    def _order_device(self) -> torch.device:
        return torch.device("cpu")

    def _request(self, drawn: Tensor) -> Request:
        names = [str(self._listed.names[sample]) for sample in drawn[0].tolist()]
        return names, (drawn[1:].numpy() if len(drawn) > 1 else None)

    def _answer(self, step: int, drawn: Tensor) -> Answer:
        """What is read for a batch: by the workers, which begin where one follows another."""
        follows, self._last = step == self._last + 1, step
        if not follows:
            self._running = None
            return self._reader[self._request(drawn)]
        if self._running is None:
            self._running = self._ahead.answers(self._request(self._own(s)) for s in count(step))
        return next(self._running)

    def _placed(self, answer: Answer, drawn: Tensor) -> Batch:
        """The windows and labels on the device, with others in the place of bad images."""
        pixels, failures = answer
        chosen = drawn[0].clone()
        for place, fault in failures:
            chosen[place], pixels[place] = self._instead(drawn[:, place : place + 1], fault)
        return self._moved(pixels), self._labels.index_select(0, self._moved(chosen))

    def _left(self, answer: Answer, chosen: Tensor) -> Batch:
        """The windows and labels on the device, without bad images."""
        pixels, failures = answer
        if failures:
            for place, fault in failures:
                self._refuse(int(chosen[place]), fault)
            is_good = torch.ones(len(chosen), dtype=torch.bool)
            is_good[[place for place, _ in failures]] = False
            pixels, chosen = pixels[is_good], chosen[is_good]
        return self._moved(pixels), self._labels.index_select(0, self._moved(chosen))

    def _instead(self, drawn: Tensor, fault: str) -> tuple[int, Tensor]:
        """The next sample after one that is bad, and its window where that one's would be."""
        sample = drawn.clone()
        for _ in range(len(self)):
            self._refuse(int(sample[0]), fault)
            sample[0] = (sample[0] + 1) % len(self)
            request = self._request(sample)
            if request[0][0] not in self._bad:
                pixels, failures = self._reader[request]
                if not failures:
                    return int(sample[0]), pixels[0]
                fault = failures[0][1]
        raise DataError(NO_IMAGE)

    def _refuse(self, sample: int, fault: str) -> None:
        """Tell of a bad image, once. Raises DataError where it is not to be skipped."""
        if self._on_bad_image == "error":
            raise DataError(fault)
        name = str(self._listed.names[sample])
        if name not in self._bad:
            self._bad.add(name)
            self._warn(f"Skipped (bad image {len(self._bad)}): {fault}")
