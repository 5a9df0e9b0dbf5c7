"""Batches of a part of a data set: a pure function of (seed, step), wherever the images are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import TypedDict

import torch
from torch import Tensor

from sparsenet.data.order import Order
from sparsenet.data.raw import DataError
from sparsenet.data.transforms import Transform
from sparsenet.data.windows import Windows, centre
from sparsenet.layout import channels_last

Batch = tuple[Tensor, Tensor]
Span = tuple[int, int]
_PLAIN = Transform()


class Options(TypedDict, total=False):
    """The keywords of `Batches`."""

    transform: Transform
    mean_image: Tensor | None
    classes: tuple[str, ...] | None
    train: bool
    shuffle: bool
    seed: int
    device: torch.device | str
    memory_format: torch.memory_format
    share: tuple[int, int]


class Batches(ABC):
    """A part of a data set and its batches.

    The samples follow one another as from Caffe's cursor: position p = step * batch_size + i is
    sample p mod N of epoch p div N, so a batch may end one epoch and begin the next. `shuffle`
    orders each epoch anew by (seed, epoch); otherwise the order is that of the samples. With
    `train` the transform's crop and mirror are random, drawn by (seed, epoch) too; otherwise the
    crop is the centre and nothing is padded or mirrored.

    `share` is (rank, size) of a process that trains with others: of every batch of `batch_size`
    that is trained on, which `size` divides, it gets its own contiguous rows, which in the order of
    ranks are the whole; of a sweep it gets each size-th batch whole.

    `stored` is the images' (channels, height, width) before the crop, or unless they are `alike`
    the least of them; `labels` int64 (N,);
    `mean_image` float32 of that shape, needed where the transform subtracts one and ignored
    elsewhere; `classes` are the names of the labels, where they have any. Raises DataError where
    the mean image or the transform does not fit the images.
    """

    def __init__(
        self,
        labels: Tensor,
        stored: tuple[int, int, int],
        batch_size: int,
        *,
        alike: bool = True,
        transform: Transform = _PLAIN,
        mean_image: Tensor | None = None,
        classes: tuple[str, ...] | None = None,
        train: bool = False,
        shuffle: bool = False,
        seed: int = 0,
        device: torch.device | str = "cpu",
        memory_format: torch.memory_format = torch.contiguous_format,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        try:
            self.shape = transform.output_shape(stored)
        except ValueError as error:
            raise DataError(str(error)) from None
        named = transform.image_of_mean
        self.mean_image = None if named is None else _fitting(mean_image, stored, named)
        self.classes = classes
        self.label_values = torch.unique(labels).tolist()
        """The labels that occur, ascending."""
        assert batch_size % share[1] == 0 or not train, "processes train on equal shares"
        self.batch_size, self.share = batch_size, share
        # A batch of what is only tested may have fewer rows than there are processes.
        self._rows = share if train else (0, 1)
        self.device, self.memory_format = torch.device(device), memory_format
        pad = transform.pad if train else 0
        cut = pad or not alike or stored != self.shape
        self.crop = transform.crop_size if cut else None
        random = train and (self.crop is not None or transform.mirror)
        self.windows = Windows(self.crop, transform.mirror, pad) if random else None
        self.order = Order(
            len(labels), seed, shuffle=shuffle, windows=self.windows, device=self._order_device()
        )
        self._labels = labels.to(device)
        self._take_values(transform)

    def __len__(self) -> int:
        """The number of samples."""
        return len(self._labels)

    def epoch(self, step: int) -> float:
        """How many times over the set has been passed when `step` batches have been taken."""
        return step * self.batch_size / len(self)

    def batch(self, step: int) -> Batch:
        """Batch number `step` from 0: images float32 (batch_size, C, h, w) and int64 labels."""
        pixels, labels, drawn = self._taken(step)
        if self.windows is None or self._mean is None:
            return self._converted(pixels, self._fixed_mean), labels
        first = torch.zeros(drawn.shape[1], dtype=torch.int64, device=self.device)
        mean = self.windows.cut(self._mean, first, self._moved(drawn[1:]))
        return self._converted(pixels, mean), labels

    def sweep(self, batches: int | None = None) -> Iterator[Batch]:
        """The set once in order, the last batch being as short as it must; nothing is random.

        With `batches` exactly so many full ones, wrapping round at the end of the set as Caffe's
        test_iter does. Unlike Caffe's cursor each sweep begins with the first sample, so that a
        score does not depend on the tests before it. Processes that share the batches have whole
        ones in turn: each is computed as by one process alone.
        """
        total = len(self) if batches is None else batches * self.batch_size
        rank, size = self.share
        starts = range(0, total, self.batch_size)[rank::size]
        spans = [(start, min(start + self.batch_size, total)) for start in starts]
        for pixels, labels in self._swept(spans):
            yield self._converted(pixels, self._fixed_mean), labels

    @abstractmethod
    def close(self) -> None:
        """End the processes that read ahead, if there are any; a further batch begins them anew."""

    @abstractmethod
    def _taken(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Of batch number `step` this process's windows, uint8, the labels, and the draws."""

    @abstractmethod
    def _swept(self, spans: Iterable[Span]) -> Iterator[Batch]:
        """The centre windows, uint8, and labels of positions start..stop - 1 of each span."""

    def _order_device(self) -> torch.device:
        return self.device

    def _own(self, step: int) -> Tensor:
        """The order (see `Order`) at this process's positions of a batch."""
        (rank, size), rows = self._rows, self.batch_size
        start = step * rows
        return self.order.between(start + rows * rank // size, start + rows * (rank + 1) // size)

    def _take_values(self, transform: Transform) -> None:
        """What is subtracted from the pixels, and what they are multiplied by, on the device."""
        factor = transform.factor(self.shape[0])
        self._factor = self._spread(factor) if isinstance(factor, Tensor) else factor
        self._scaled = transform.scale != 1 or transform.std is not None
        self._mean, self._fixed_mean = None, None
        if self.mean_image is not None:
            self._mean = self.mean_image[None].to(self.device)
            fixed = centre(self._mean, self.crop)
            self._fixed_mean = fixed.contiguous(memory_format=self.memory_format)
        elif (means := transform.channel_means(self.shape[0])) is not None:
            self._fixed_mean = self._spread(means)

    def _spread(self, values: Tensor) -> Tensor:
        """Numbers (C, 1, 1) as an image: channels last, torch's loop over 3 channels alone is slow.

        Of 32 images of 227x227 on one core their subtraction takes a fifth of the time.
        """
        image = values.to(self.device).expand(1, *self.shape)
        return image.contiguous(memory_format=self.memory_format)

    def _moved(self, values: Tensor) -> Tensor:
        """The values on the device; a GPU fetches them by itself, from memory that stays put."""
        if self.device.type == "cuda" and not values.is_cuda and not values.is_pinned():
            values = values.pin_memory()
        return values.to(self.device, non_blocking=True)

    def _converted(self, pixels: Tensor, mean: Tensor | None) -> Tensor:
        """(x - mean) * scale / std of uint8 windows, float32."""
        values = pixels.to(torch.float32)
        if self.memory_format == torch.channels_last:
            values = channels_last(values)
        if mean is not None:
            values.sub_(mean)
        return values.mul_(self._factor) if self._scaled else values


def _fitting(mean_image: Tensor | None, stored: tuple[int, int, int], named: str) -> Tensor:
    """The mean image as it is kept: on the CPU, whatever the device."""
    assert mean_image is not None, f"{named} needs the mean image"
    if mean_image.shape != stored:
        sizes = f"{tuple(mean_image.shape)}, not {stored} as the images"
        raise DataError(f"{named}: the mean image is {sizes}")
    return mean_image.detach().float().cpu()
