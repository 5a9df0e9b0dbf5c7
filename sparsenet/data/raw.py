"""A data set as it lies in memory before any transform, and the error of not having it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from sparsenet.errors import SparsenetError


class DataError(SparsenetError):
    """A data set that is absent, damaged, or too small for what is asked of it."""


NO_IMAGE = "no image of the set can be read"
"""What a DataError says where all are bad."""


@dataclass(frozen=True)
class RawSet:
    """The training or the test part of a source, in the order of its files.

    `images` is uint8 (samples, channels, height, width), `labels` int64 (samples,) in
    0..`classes` - 1. `is_bad`, bool (samples,), tells which images could not be decoded: they are
    black. None: all could.
    """

    name: str
    images: Tensor
    labels: Tensor
    classes: int
    is_bad: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def taken(self, chosen: Tensor) -> RawSet:
        """The samples chosen, in that order."""
        is_bad = None if self.is_bad is None else self.is_bad[chosen]
        return RawSet(self.name, self.images[chosen], self.labels[chosen], self.classes, is_bad)
