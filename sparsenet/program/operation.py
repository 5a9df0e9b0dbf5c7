"""What a program does, one call of a kernel after another, and what the calls name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sparsenet.storage.encoded import Encoded


@dataclass(frozen=True, eq=False)
class Blob:
    """Values that one call leaves to others: so many floats an image."""

    name: str
    size: int


@dataclass(frozen=True, eq=False)
class Packed:
    """A weight in the bytes that store it, from which the kernels compute."""

    name: str
    encoded: Encoded


@dataclass(frozen=True, eq=False)
class Numbers:
    """A float32 array, such as biases."""

    name: str
    values: NDArray[np.float32]


@dataclass(frozen=True)
class Rectifier:
    """What follows at once: y = min(x < 0 ? slope x : x, cap)."""

    slope: float = 1.0
    cap: float = float("inf")


@dataclass(frozen=True)
class Sweep:
    """The function that sums a filter's output of such a shape, read at such a pitch."""

    rows: int
    columns: int
    pitch: int


@dataclass(frozen=True)
class Sizes:
    """A `struct` of a kernel's, by its fields; a tuple is an array of its own."""

    struct: str
    fields: Mapping[str, Field]

    def having(self, **fields: Field) -> Sizes:
        """The same with other values of some fields."""
        return replace(self, fields={**self.fields, **fields})


@dataclass(frozen=True)
class Pool:
    """The function that pools a plane of `before` floats to `after`, by a line of its windows."""

    kernel: str
    sizes: Sizes
    before: int
    after: int
    line: int


Field = int | tuple[int, ...] | Rectifier | Sweep | Pool | None
Argument = int | float | Rectifier | Sizes | Numbers | Packed | None


@dataclass(frozen=True, eq=False)
class Operation:
    """kernel(images, reads, write, scratch, arguments): in this order, each blob a pointer.

    `in_place` says that the kernel may write where it reads first.
    """

    layer: str
    kernel: str
    reads: tuple[Blob, ...]
    write: Blob
    arguments: tuple[Argument, ...]
    scratch: tuple[Blob, ...] = ()
    in_place: bool = False

    def followed(self, by: Rectifier) -> Operation | None:
        """The operation with a rectifier after it, or None where the kernel can have none more."""
        arguments = tuple(_followed(argument, by) for argument in self.arguments)
        return None if arguments == self.arguments else replace(self, arguments=arguments)

    def pooled(self, pool: Pool) -> Operation | None:
        """The operation with each plane that it finishes pooled at once.

        None where the kernel cannot, or where this takes no less memory: one plane, a line and the
        pooled planes instead of all planes.
        """
        sizes = self.arguments[0]
        if not isinstance(sizes, Sizes) or "pool" not in sizes.fields or sizes.fields["pool"]:
            return None
        planes = self.write.size // pool.before
        if pool.before + pool.line + planes * pool.after >= self.write.size:
            return None
        copy, sums, line = self.scratch
        plane = Blob(sums.name, max(sums.size, pool.before))
        return replace(
            self,
            arguments=(sizes.having(pool=pool, out_plane=pool.after), *self.arguments[1:]),
            scratch=(copy, plane, Blob(line.name, pool.line)),
        )


def _followed(argument: Argument, by: Rectifier) -> Argument:
    if argument == Rectifier():
        return by
    return _rectified(argument, by) if isinstance(argument, Sizes) else argument


def _rectified(sizes: Sizes, by: Rectifier) -> Sizes:
    """With the rectifier after what comes last, if that has none yet."""
    pool = sizes.fields.get("pool")
    if isinstance(pool, Pool):
        return sizes.having(pool=replace(pool, sizes=_rectified(pool.sizes, by)))
    return sizes.having(by=by) if sizes.fields.get("by") == Rectifier() else sizes
