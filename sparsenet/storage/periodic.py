"""The storage format of pre-defined sparse kernels: one table says what all kernels have."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sparsenet.storage.format import (
    VALUE_BYTES,
    Bytes,
    Format,
    Places,
    Shape,
    register,
    require_bytes,
)

Table = NDArray[np.bool_]
LONGEST = 256
"""The longest period that is looked for."""


@register
class Periodic(Format):
    """Values of the positions that a table names: ceil(P k / 8) + 4 s bytes.

    Kundu et al. (2020): the kernel of filter i at channel j, of k positions, has variant
    c = (i + j + 1) mod P, and bit c k + p of the table, from the lowest of a byte, says whether
    variant c has position p. All values s at these positions are stored, zeros too. P is the one
    with which this takes the fewest bytes, and is floor(8 bytes / k) of the table's bytes: where k
    is below 8 the table is repeated until that is so, and where k is 1 all is stored or nothing.
    """

    name = "periodic"
    stores_zeros = True

    def index_bytes(self, shape: Shape, nonzeros: int) -> int:
        """Of the longest table."""
        return max(_table_bytes(period, _size(shape)) for period in _periods(shape))

    def stored(self, shape: Shape, nonzeros: int) -> int:
        """At most every weight."""
        return math.prod(shape) if nonzeros else 0

    def index_bytes_of(self, places: Places, shape: Shape) -> int:
        """Of the table that is chosen."""
        return _table_bytes(len(_table(places, shape)), _size(shape))

    def stored_of(self, places: Places, shape: Shape) -> int:
        """The positions that the table gives the kernels."""
        return _stored(_table(places, shape), shape)

    def index(self, places: Places, shape: Shape) -> Bytes:
        """The table, repeated where it must be."""
        table = _table(places, shape)
        times = _repeats(len(table), _size(shape))
        return np.packbits(np.tile(table, (times, 1)), bitorder="little")

    def stored_in(self, index: Bytes, shape: Shape, nonzeros: int) -> int:
        """The positions that the table gives the kernels, without looking at each kernel."""
        table = _read(index, shape)
        period = len(table)
        rows, columns = (
            (count + np.arange(period)[::-1]) // period for count in (shape[0], _columns(shape))
        )
        residues = np.arange(period)
        return sum(
            int(count * (columns @ table.sum(1)[(residues + row + 1) % period]))
            for row, count in enumerate(rows)
        )

    def places(self, index: Bytes, shape: Shape, nonzeros: int) -> Places:
        """Those, whether their values are zero or not."""
        table = _read(index, shape)
        rows, columns = np.arange(min(len(table), shape[0])), np.arange(_columns(shape))
        block = np.flatnonzero(table[(rows[:, None] + columns + 1) % len(table)])
        begins = np.arange(0, shape[0], len(table)) * math.prod(shape[1:])
        places = (begins[:, None] + block).reshape(-1)
        places = places[: np.searchsorted(places, math.prod(shape))]
        if len(places) < nonzeros:
            raise ValueError(f"a table of {len(places):,} values, {nonzeros:,} of them nonzero")
        if self.index(places, shape).tobytes() != index.tobytes():
            raise ValueError("a table that is not the shortest of its places")
        return places


def _columns(shape: Shape) -> int:
    """Kernels of a filter."""
    return shape[1] if len(shape) > 1 else 1


def _size(shape: Shape) -> int:
    """k, the positions of a kernel."""
    return math.prod(shape[2:])


def _kernels(shape: Shape) -> Places:
    """By i + j, which says of what variant a kernel is, how many kernels there are."""
    along = np.arange(shape[0] + _columns(shape) - 1)
    return np.minimum(along + 1, along[::-1] + 1).clip(max=min(shape[0], _columns(shape)))


def _periods(shape: Shape) -> range:
    """The periods that are looked for: kernels of one position have no pattern."""
    longest = min(LONGEST, len(_kernels(shape))) if _size(shape) > 1 else 1
    return range(1, longest + 1)


def _table(places: Places, shape: Shape) -> Table:
    """The table (P, k) with which a float32 weight takes the fewest bytes, the shortest of them."""
    size, columns, kernels = _size(shape), _columns(shape), _kernels(shape)
    had = np.zeros((len(kernels) + 1, size), np.bool_)
    row, rest = np.divmod(places, columns * size)
    had[row + rest // size + 1, rest % size] = True
    least = int(kernels @ had[1:].sum(1))
    found: tuple[int, Table] | None = None
    for period in _periods(shape):
        padded = np.zeros((-(-len(had) // period) * period, size), np.bool_)
        padded[: len(had)] = had
        table: Table = np.any(padded.reshape(-1, period, size), axis=0)
        stored = _stored(table, shape)
        cost = VALUE_BYTES * stored + _table_bytes(period, size)
        if found is None or cost < found[0]:
            found = cost, table
        if stored == least and _repeats(period, size) == 1:
            break  # a longer table takes no fewer bytes
    assert found is not None, "there is a period of 1"
    return found[1]


def _stored(table: Table, shape: Shape) -> int:
    kernels = _kernels(shape)
    return int(kernels @ table.sum(1)[(np.arange(len(kernels)) + 1) % len(table)])


def _repeats(period: int, size: int) -> int:
    """How often a table is written, so that its bytes tell its period."""
    found = range(1, 9)
    return next(n for n in found if 8 * -(-n * period * size // 8) // size == n * period)


def _table_bytes(period: int, size: int) -> int:
    return -(-_repeats(period, size) * period * size // 8)


def _read(index: Bytes, shape: Shape) -> Table:
    """The table of an index. Raises ValueError for bytes that are none."""
    size = _size(shape)
    period = max(1, 8 * len(index) // size)
    require_bytes(index, -(-period * size // 8))
    if period > 8 * LONGEST:
        raise ValueError(f"a period of {period:,}, where {8 * LONGEST:,} is the longest")
    bits = np.unpackbits(index, bitorder="little")
    if bits[period * size :].any():
        raise ValueError("bits beyond the table")
    return bits[: period * size].reshape(period, size).astype(np.bool_)
