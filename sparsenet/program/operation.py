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
    fields: Mapping[str, int | tuple[int, ...] | Rectifier | Sweep]


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

    def followed(self, by: Rectifier, write: Blob, layer: str) -> Operation | None:
        """The operation with a rectifier after it, or None where the kernel can have none more."""
        arguments = tuple(_followed(argument, by) for argument in self.arguments)
        if arguments == self.arguments:
            return None
        return replace(self, arguments=arguments, write=write, layer=f"{self.layer}, {layer}")


def _followed(argument: Argument, by: Rectifier) -> Argument:
    if argument == Rectifier():
        return by
    if isinstance(argument, Sizes) and argument.fields.get("by") == Rectifier():
        return replace(argument, fields={**argument.fields, "by": by})
    return argument
