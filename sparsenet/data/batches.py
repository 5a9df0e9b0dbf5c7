"""Batches of a set in memory: a pure function of (seed, step)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from sparsenet.data.raw import DataError
from sparsenet.data.seeding import seeded
from sparsenet.data.transforms import Transform, Windows, centre
from sparsenet.layout import channels_last

Batch = tuple[Tensor, Tensor]
_PLAIN = Transform()


class Batches:
    """A part of a data set, all of it one uint8 tensor on `device`, and its batches.

    The samples follow one another as from Caffe's cursor: position p = step * batch_size + i is
    sample p mod N of epoch p div N, so a batch may end one epoch and begin the next. `shuffle`
    orders each epoch anew by (seed, epoch); otherwise the order is that of `images`. With `train`
    the transform's crop and mirror are random, drawn by (seed, epoch) too; otherwise the crop is
    the centre and nothing is mirrored.

    `images` is uint8 (N, C, H, W), already resized; `labels` int64 (N,); `mean_image` float32
    (C, H, W), needed where the transform has `mean: train` and ignored elsewhere. Raises DataError
    where the mean image or the transform does not fit the images.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        batch_size: int,
        *,
        transform: Transform = _PLAIN,
        mean_image: Tensor | None = None,
        train: bool = False,
        shuffle: bool = False,
        seed: int = 0,
        device: torch.device | str = "cpu",
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> None:
        channels, height, width = images.shape[1:]
        try:
            self.shape = transform.output_shape((channels, height, width))
        except ValueError as error:
            raise DataError(str(error)) from None
        self.mean_image = _fitting(mean_image, images) if transform.mean else None
        self.batch_size, self.shuffle, self.seed = batch_size, shuffle, seed
        self.device, self.memory_format = torch.device(device), memory_format
        crop = transform.crop_size if (height, width) != self.shape[1:] else None
        self._crop, self._scale = crop, transform.scale
        random = train and (crop is not None or transform.mirror)
        self._windows = Windows(height, width, crop, transform.mirror) if random else None
        # What is cropped alike every time is cropped once.
        self._images = self._kept(images if random else centre(images, crop))
        self._labels = labels.to(device)
        self._mean, self._fixed_mean = None, None
        if self.mean_image is not None:
            self._mean = self.mean_image[None].to(device)
            self._fixed_mean = self._kept(centre(self._mean, crop))
        elif (means := transform.channel_means(channels)) is not None:
            self._fixed_mean = means.to(device)
        self._places = torch.arange(batch_size, device=device)
        self._epochs: dict[int, Tensor] = {}

    def __len__(self) -> int:
        """The number of samples."""
        return len(self._labels)

    def epoch(self, step: int) -> float:
        """How many times over the set has been passed when `step` batches have been taken."""
        return step * self.batch_size / len(self)

    def batch(self, step: int) -> Batch:
        """Batch number `step` from 0: images float32 (batch_size, C, h, w) and int64 labels."""
        start = step * self.batch_size
        drawn = self._drawn(start, start + self.batch_size)
        chosen = drawn[0]
        images, labels = self._select(chosen), self._labels.index_select(0, chosen)
        if self._windows is None:
            return self._converted(images, self._fixed_mean), labels
        windows, mean = drawn[1:], self._fixed_mean
        if self._mean is not None:
            mean = self._windows.cut(self._mean, torch.zeros_like(chosen), windows)
        return self._converted(self._windows.cut(images, self._places, windows), mean), labels

    def sweep(self, batches: int | None = None) -> Iterator[Batch]:
        """The set once in order, the last batch being as short as it must; nothing is random.

        With `batches` exactly so many full ones, wrapping round at the end of the set as Caffe's
        test_iter does. Unlike Caffe's cursor each sweep begins with the first sample, so that a
        score does not depend on the tests before it.
        """
        total = len(self) if batches is None else batches * self.batch_size
        for start in range(0, total, self.batch_size):
            stop = min(start + self.batch_size, total)
            chosen = torch.arange(start, stop, device=self.device) % len(self)
            images = centre(self._select(chosen), self._crop)
            yield self._converted(images, self._fixed_mean), self._labels.index_select(0, chosen)

    def _drawn(self, start: int, stop: int) -> Tensor:
        """The draws (see `_epoch`) of the positions start..stop - 1, of one epoch or of several."""
        pieces = []
        while start < stop:
            epoch, first = divmod(start, len(self))
            last = min(len(self), first + stop - start)
            pieces.append(self._epoch(epoch)[:, first:last])
            start += last - first
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=1)

    def _epoch(self, epoch: int) -> Tensor:
        """Which sample is at each place of an epoch, and its window: int64 (1 or 4, N)."""
        if epoch not in self._epochs:
            while len(self._epochs) > 1:  # two are in use where a batch straddles them
                del self._epochs[next(iter(self._epochs))]
            generator, samples = seeded("batches", self.seed, epoch), len(self)
            order = torch.randperm(samples, generator=generator)
            rows = [(order if self.shuffle else torch.arange(samples))[None]]
            if self._windows is not None:
                rows.append(self._windows.draw(samples, generator))
            self._epochs[epoch] = torch.cat(rows).to(self.device)
        return self._epochs[epoch]

    def _kept(self, images: Tensor) -> Tensor:
        return images.contiguous(memory_format=self.memory_format).to(self.device)

    def _select(self, chosen: Tensor) -> Tensor:
        if self._images.is_contiguous():
            return self._images.index_select(0, chosen)
        # channels_last: only of what is contiguous are whole images copied at once.
        return self._images.permute(0, 2, 3, 1).index_select(0, chosen).permute(0, 3, 1, 2)

    def _converted(self, images: Tensor, mean: Tensor | None) -> Tensor:
        pixels = images.to(torch.float32)
        if self.memory_format == torch.channels_last:
            pixels = channels_last(pixels)
        if mean is not None:
            pixels.sub_(mean)
        return pixels if self._scale == 1 else pixels.mul_(self._scale)


def _fitting(mean_image: Tensor | None, images: Tensor) -> Tensor:
    """The mean image as it is kept: on the CPU, whatever the device."""
    assert mean_image is not None, "mean: train needs the mean image of the training samples"
    if mean_image.shape != images.shape[1:]:
        sizes = f"{tuple(mean_image.shape)}, not {tuple(images.shape[1:])} as the images"
        raise DataError(f"mean: the mean image is {sizes}")
    return mean_image.detach().float().cpu()
