"""What a storage format is: where the nonzeros of one weight are, in bytes.

Collins & Kohli (2014), Appendix A: a memory is the best of its formats. Of N weights t are
nonzero, which means `value != 0`: a negative zero is a zero, and comes back as +0.0 from every
format, so that the format chosen never shows in the values. The weights are counted in row-major
order of their shape, whatever their strides; a row is what makes one output, all of a filter's or
unit's weights, so that rows = shape[0].

A format stores the places; the values are stored beside them, see `values`. A new format is one
class with `@register` above it; tests/contracts then runs on it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, ...]
Bytes = NDArray[np.uint8]
Places = NDArray[np.int64]
VALUE_BYTES = 4
_LARGEST = 2**31 - 1  # a 32-bit index or row pointer reaches no further


class Format(ABC):
    """One way to say which weights are stored: what it costs, and the bytes that cost that."""

    name: ClassVar[str]
    stores_zeros: ClassVar[bool] = False
    """Whether zeros may be stored among the values too."""

    @abstractmethod
    def index_bytes(self, shape: Shape, nonzeros: int) -> int:
        """Bytes of the places of so many nonzeros; where it depends on the places, at most."""

    @abstractmethod
    def index(self, places: Places, shape: Shape) -> Bytes:
        """The bytes that say which weights are nonzero, of their ascending places."""

    @abstractmethod
    def places(self, index: Bytes, shape: Shape, nonzeros: int) -> Places:
        """The ascending places of the stored values: those that `index` was given, and of zeros.

        Raises ValueError where no `nonzeros` places of such a weight have these bytes: of another
        length, out of range, twice the same, out of order.
        """

    def index_bytes_of(self, places: Places, shape: Shape) -> int:
        """Bytes of exactly these places."""
        return self.index_bytes(shape, len(places))

    def stored(self, shape: Shape, nonzeros: int) -> int:
        """How many values are stored; where it depends on the places, at most."""
        return nonzeros

    def stored_of(self, places: Places, shape: Shape) -> int:
        """How many values are stored for exactly these places."""
        return self.stored(shape, len(places))

    def stored_in(self, index: Bytes, shape: Shape, nonzeros: int) -> int:
        """How many values are stored beside this index. Raises ValueError where it is none."""
        return self.stored(shape, nonzeros)

    def bytes(self, shape: Shape, nonzeros: int) -> int:
        """Bytes of a float32 weight of this shape with so many nonzeros, or at most so many.

        Raises ValueError where `nonzeros` is not within 0 and the number of weights, or the shape
        is not one of a weight.
        """
        checked_size(shape, nonzeros)
        return self.index_bytes(shape, nonzeros) + VALUE_BYTES * self.stored(shape, nonzeros)


F = TypeVar("F", bound=Format)
FORMATS: dict[str, Format] = {}  # in order of preference where two cost the same


def register(kind: type[F]) -> type[F]:
    """Make a format known by its name; accounting and the contract tests then include it."""
    FORMATS[kind.name] = kind()
    return kind


def checked_size(shape: Shape, nonzeros: int) -> int:
    """N, the number of weights of a shape; raises ValueError where t of them cannot be nonzero."""
    size = math.prod(shape)
    if not shape or min(shape) < 1 or size > _LARGEST:
        raise ValueError(f"a weight of shape {shape} must have 1 to {_LARGEST:,} values")
    if not 0 <= nonzeros <= size:
        raise ValueError(f"{nonzeros:,} of {size:,} weights cannot be nonzero")
    return size


def require_bytes(index: Bytes, expected: int) -> None:
    """Raise ValueError where an index has not the bytes that it must have."""
    if len(index) != expected:
        raise ValueError(f"an index of {len(index):,} bytes, where {expected:,} are needed")


def require_places(places: Places, size: int) -> None:
    """Raise ValueError where places are not ascending ones among `size` weights."""
    if len(places) and not (places[0] >= 0 and places[-1] < size and (np.diff(places) > 0).all()):
        raise ValueError("places out of range, twice the same or out of order")
