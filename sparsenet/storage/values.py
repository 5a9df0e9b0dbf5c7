"""How the values of a weight are stored: as they are, in fewer bits, or shared among many.

Each kind stores codes, one a value, and a table of float32 that tells what the codes mean. Only
float32 is lossless. A value that becomes zero is no longer stored. A new kind is one class and one
line in `values_of`.
"""

from __future__ import annotations

import math
import re
import warnings
from abc import ABC, abstractmethod

import numpy as np
import torch
from numpy.typing import NDArray

from sparsenet.storage.format import Bytes

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
KINDS = "float32, float16, bfloat16, int8 or shared:K with K from 2 to 256"


class Values(ABC):
    """One way to store values. `rows` say of which row of the weight each value is."""

    name: str
    bits: int
    dtype: torch.dtype
    """Of the codes, where they stand in a file; those of less than a byte are in bytes."""
    holds_zero: bool = True
    """Whether a zero has a code, so that every weight of a layer can be stored."""

    def bytes(self, count: int, rows: int) -> int:
        """Bytes of the codes of `count` values and of the table, of a weight of so many rows."""
        return -(-count * self.bits // 8) + 4 * self.table_size(rows)

    def table_size(self, rows: int) -> int:
        """How many numbers the table has."""
        return 0

    def table(self, values: Floats, rows: Rows, count: int) -> Floats:
        """The table for these values, of a weight of `count` rows."""
        return np.empty(0, np.float32)

    @abstractmethod
    def codes(self, values: Floats, rows: Rows, table: Floats) -> Bytes:
        """The bytes of the codes."""

    @abstractmethod
    def decoded(self, codes: Bytes, rows: Rows, table: Floats) -> Floats:
        """The values. Raises ValueError where the bytes are no codes of so many values."""

    def require(self, codes: Bytes, count: int) -> None:
        """Raise ValueError where so many values have another number of bytes."""
        if len(codes) != -(-count * self.bits // 8):
            raise ValueError(f"{len(codes):,} bytes of values, where {count:,} values are stored")


class _Floats(Values):
    """Floating-point numbers, rounded to the nearest, half to even; too large ones are refused."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.name, self.bits = str(dtype).removeprefix("torch."), 8 * dtype.itemsize

    def codes(self, values: Floats, rows: Rows, table: Floats) -> Bytes:
        """Their bytes, little-endian."""
        rounded = torch.from_numpy(values).to(self.dtype)
        if self.dtype != torch.float32 and (rounded.isinf().numpy() & ~np.isinf(values)).any():
            largest = float(np.abs(values[np.isfinite(values)]).max())
            raise ValueError(f"{largest:g} is beyond {self.name}")
        whole = rounded.view(torch.int32 if self.bits == 32 else torch.int16)  # for numpy
        return whole.numpy().copy().view(np.uint8)

    def decoded(self, codes: Bytes, rows: Rows, table: Floats) -> Floats:
        """As float32."""
        self.require(codes, len(rows))
        whole = codes.copy().view(np.int32 if self.bits == 32 else np.int16)
        numbers = torch.from_numpy(whole).view(self.dtype).float().numpy()
        assert isinstance(numbers, np.ndarray)
        return numbers


class _Int8(Values):
    """Whole numbers -127..127 times the scale of their row, max |w| / 127."""

    name, bits, dtype = "int8", 8, torch.int8

    def table_size(self, rows: int) -> int:
        """A scale a row."""
        return rows

    def table(self, values: Floats, rows: Rows, count: int) -> Floats:
        """The scales; 0 of a row without values."""
        if not np.isfinite(values).all():
            raise ValueError("values that are not finite have no int8 scale")
        largest = np.zeros(count, np.float32)
        np.maximum.at(largest, rows, np.abs(values))
        return largest / np.float32(127)

    def codes(self, values: Floats, rows: Rows, table: Floats) -> Bytes:
        """The nearest, half to even."""
        scale = table[rows]
        numbers = np.divide(values, scale, out=np.zeros_like(values), where=scale > 0)
        return np.clip(np.rint(numbers), -127, 127).astype(np.int8).view(np.uint8)

    def decoded(self, codes: Bytes, rows: Rows, table: Floats) -> Floats:
        """Code times scale, in float32."""
        self.require(codes, len(rows))
        with np.errstate(over="ignore", invalid="ignore"):
            values = codes.view(np.int8).astype(np.float32) * table[rows]
        if not np.isfinite(values).all():
            raise ValueError("scales that are not finite, or too large")
        return values


class _Shared(Values):
    """One of K values each in ceil(log2 K) bits: K-means, Han, Mao & Dally (2016), section 3.

    The means begin evenly spread from the smallest value to the largest, as they found best.
    """

    dtype, holds_zero = torch.uint8, False

    def __init__(self, shared: int) -> None:
        self.shared = shared
        self.name, self.bits = f"shared:{shared}", max(1, math.ceil(math.log2(shared)))

    def table_size(self, rows: int) -> int:
        """The K values."""
        return self.shared

    def table(self, values: Floats, rows: Rows, count: int) -> Floats:
        """The means, ascending; those that are not needed repeat the last."""
        if not np.isfinite(values).all():
            raise ValueError("values that are not finite cannot be shared")
        different = np.unique(values)
        if len(different) > self.shared:
            different = np.sort(self._means(values))
        padding = (0, self.shared - len(different))
        return np.pad(different, padding, "edge" if len(different) else "constant")

    def _means(self, values: Floats) -> Floats:
        from sklearn.cluster import KMeans  # noqa: PLC0415  it takes a second

        start = np.linspace(values.min(), values.max(), self.shared, dtype=np.float32)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of values fewer than means, which repeat then
            found = KMeans(self.shared, init=start[:, None], n_init=1).fit(values[:, None])
        means = found.cluster_centers_[:, 0].astype(np.float32)
        assert isinstance(means, np.ndarray)
        return means

    def codes(self, values: Floats, rows: Rows, table: Floats) -> Bytes:
        """The number of the nearest mean, its bits from the lowest, one code after another."""
        nearest = np.searchsorted((table[1:] + table[:-1]) / 2, values)
        bits = np.unpackbits(nearest.astype(np.uint8)[:, None], axis=1, bitorder="little")
        return np.packbits(bits[:, : self.bits].reshape(-1), bitorder="little")

    def decoded(self, codes: Bytes, rows: Rows, table: Floats) -> Floats:
        """The means of their numbers."""
        self.require(codes, len(rows))
        bits = np.unpackbits(codes, count=len(rows) * self.bits, bitorder="little")
        numbers = np.packbits(bits.reshape(-1, self.bits), axis=1, bitorder="little")[:, 0]
        if (numbers >= self.shared).any():
            raise ValueError(f"a number beyond the {self.shared} shared values")
        return table[numbers]


FLOAT32: Values = _Floats(torch.float32)


def values_of(text: str) -> Values:
    """The kind of a name. Raises ValueError saying what is allowed."""
    if text == "int8":
        return _Int8()
    if text in ("float16", "bfloat16"):
        return _Floats(getattr(torch, text))
    if (match := re.fullmatch(r"shared:(\d{1,3})", text)) and 2 <= int(match[1]) <= 256:
        return _Shared(int(match[1]))
    if text == "float32":
        return FLOAT32
    raise ValueError(f"{text!r} is not {KINDS}")
