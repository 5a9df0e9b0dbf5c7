"""A data set as it lies in memory before any transform, and the error of not having it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from torch import Tensor

from sparsenet.errors import SparsenetError, nearest, printable

_TOLD = 20
"""Lines of one DataError; of further ones only the number is told."""


class DataError(SparsenetError):
    """A data set that is absent, damaged, or too small for what is asked of it."""


NO_IMAGE = "no image of the set can be read"
"""What a DataError says where all are bad."""


@dataclass
class Faults:
    """All that is wrong with a data set, a line each, to be raised together."""

    lines: list[str] = field(default_factory=list)
    more: int = 0

    def add(self, line: str, name: str = "", names: Iterable[str] = ()) -> None:
        """Note a fault; where `name` is the wrong word in it, the nearest of `names` is added.

        That takes long where there are many names, so that it is done for no line that is not told.
        """
        if len(self.lines) < _TOLD:
            self.lines.append(printable(line + nearest(name, names)))
        else:
            self.more += 1

    def raise_any(self) -> None:
        """Raise DataError if there are faults."""
        if self.lines:
            more = [f"and {self.more:,} more"] if self.more else []
            raise DataError("\n".join([*self.lines, *more]))


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
