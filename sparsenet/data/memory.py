"""Batches of a set that is held in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Unpack

import torch
from torch import Tensor

from sparsenet.data.batches import Batch, Batches, Options, Span
from sparsenet.data.raw import NO_IMAGE, DataError
from sparsenet.data.windows import centre


class InMemory(Batches):
    """Batches of uint8 images (N, C, H, W), already resized: all of them one tensor on the device.

    They are chosen, cut and converted a whole batch at once. `is_bad`, bool (N,), are those that
    could not be decoded: in a batch the next good one of the set is in their place, with its label;
    a sweep leaves them out. Raises DataError where all are bad.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        batch_size: int,
        is_bad: Tensor | None = None,
        **options: Unpack[Options],
    ) -> None:
        channels, height, width = images.shape[1:]
        super().__init__(labels, (channels, height, width), batch_size, **options)
        self._places = None if is_bad is None else _next_good(is_bad).to(self.device)
        """Which sample stands in a batch for each; None: all are good and stand for themselves."""
        # What is cropped alike every time is cropped once.
        images = images if self.windows else centre(images, self.crop)
        self._images = images.contiguous(memory_format=self.memory_format).to(self.device)

    def close(self) -> None:
        """Nothing: there are no such processes."""

    def _taken(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        drawn = self._own(step)
        chosen = drawn[0] if self._places is None else self._places.index_select(0, drawn[0])
        pixels, labels = self._select(chosen), self._labels.index_select(0, chosen)
        if self.windows is not None:
            places = torch.arange(len(chosen), device=self.device)
            pixels = self.windows.cut(pixels, places, drawn[1:])
        return pixels, labels, drawn

    def _swept(self, spans: Iterable[Span]) -> Iterator[Batch]:
        for start, stop in spans:
            chosen = torch.arange(start, stop, device=self.device) % len(self)
            if self._places is not None:
                chosen = chosen[self._places.index_select(0, chosen) == chosen]
            if not len(chosen):
                continue
            crop = self.crop if self.windows else None
            yield centre(self._select(chosen), crop), self._labels.index_select(0, chosen)

    def _select(self, chosen: Tensor) -> Tensor:
        if self._images.is_contiguous():
            return self._images.index_select(0, chosen)
        # channels_last: only of what is contiguous are whole images copied at once.
        return self._images.permute(0, 2, 3, 1).index_select(0, chosen).permute(0, 3, 1, 2)


def _next_good(is_bad: Tensor) -> Tensor:
    """Of each sample the place of the first good one from it on, cyclic. Raises DataError."""
    good = (~is_bad).nonzero().flatten()
    if not len(good):
        raise DataError(NO_IMAGE)
    return good[torch.searchsorted(good, torch.arange(len(is_bad))) % len(good)]
