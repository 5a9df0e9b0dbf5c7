"""The storage formats of one weight, and the least any of them could take.

Collins & Kohli (2014), Appendix A: values are float32 (4 bytes), and a memory is the best of its
formats. Of N weights t are nonzero, which means `value != 0`: a negative zero is a zero, and comes
back as +0.0 from every format, so that the format chosen never shows in the values. All else
(subnormals, infinities, NaNs) comes back bit for bit. The weights are counted in row-major order of
their shape, whatever their strides.

A new format is one class with `@register` above it; tests/contracts then runs on it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor

Shape = tuple[int, ...]
Arrays = dict[str, Tensor]
VALUE_BYTES = 4
INDEX_BYTES = 4
_LARGEST = 2**31 - 1  # an int32 index or row pointer reaches no further


class Format(ABC):
    """One way to store a weight tensor: what it costs, and the arrays that cost exactly that."""

    name: ClassVar[str]

    @abstractmethod
    def bytes(self, shape: Shape, nonzeros: int) -> int:
        """Bytes of a weight of this shape with so many nonzeros.

        Raises ValueError where `nonzeros` is not within 0 and the number of weights, or the shape
        is not one of a weight.
        """

    @abstractmethod
    def encode(self, weight: Tensor) -> Arrays:
        """The arrays that store a float32 weight, on the CPU; raises ValueError for other dtypes.

        Their bytes are those of `bytes(weight.shape, count_nonzero(weight))`.
        """

    @abstractmethod
    def decode(self, arrays: Mapping[str, Tensor], shape: Shape) -> Tensor:
        """The weight that `encode` was given, as a new float32 tensor on the CPU.

        It trusts the arrays: a reader of files checks them before.
        """


F = TypeVar("F", bound=Format)
FORMATS: dict[str, Format] = {}  # in order of preference where two cost the same


def register(kind: type[F]) -> type[F]:
    """Make a format known by its name; accounting and the contract tests then include it."""
    FORMATS[kind.name] = kind()
    return kind


@register
class Dense(Format):
    """Every weight, zero or not: 4 N bytes."""

    name = "dense"

    def bytes(self, shape: Shape, nonzeros: int) -> int:
        """4 N."""
        return VALUE_BYTES * checked_size(shape, nonzeros)

    def encode(self, weight: Tensor) -> Arrays:
        """`values` (N)."""
        flat = _flat(weight)
        return {"values": flat.masked_fill(flat == 0, 0.0)}

    def decode(self, arrays: Mapping[str, Tensor], shape: Shape) -> Tensor:
        """The values, in their shape."""
        return arrays["values"].clone().reshape(shape)


@register
class Bitmask(Format):
    """One bit a weight says whether it is nonzero, then the nonzeros: ceil(N/8) + 4 t bytes."""

    name = "bitmask"

    def bytes(self, shape: Shape, nonzeros: int) -> int:
        """ceil(N/8) + 4 t."""
        return -(-checked_size(shape, nonzeros) // 8) + VALUE_BYTES * nonzeros

    def encode(self, weight: Tensor) -> Arrays:
        """`mask` (ceil(N/8), uint8; weight 8 j + i is bit i, from the lowest), `values` (t)."""
        flat = _flat(weight)
        mask = flat != 0
        bits = np.packbits(mask.numpy(), bitorder="little")
        return {"mask": torch.from_numpy(bits), "values": flat[mask]}

    def decode(self, arrays: Mapping[str, Tensor], shape: Shape) -> Tensor:
        """Zeros with the values where the mask's bits are set."""
        size = math.prod(shape)
        bits = np.unpackbits(arrays["mask"].numpy(), count=size, bitorder="little")
        return (
            torch.zeros(size)
            .masked_scatter_(torch.from_numpy(bits).bool(), arrays["values"])
            .reshape(shape)
        )


@register
class Indexed(Format):
    """Each nonzero with its 32-bit place among the weights: 8 t bytes."""

    name = "indexed"

    def bytes(self, shape: Shape, nonzeros: int) -> int:
        """8 t."""
        checked_size(shape, nonzeros)
        return (INDEX_BYTES + VALUE_BYTES) * nonzeros

    def encode(self, weight: Tensor) -> Arrays:
        """`index` (t, int32, ascending), `values` (t)."""
        flat = _flat(weight)
        index = flat.nonzero().flatten()
        return {"index": index.int(), "values": flat[index]}

    def decode(self, arrays: Mapping[str, Tensor], shape: Shape) -> Tensor:
        """Zeros with the values at their places."""
        return _placed(arrays["values"], arrays["index"].long(), shape)


@register
class Csr(Format):
    """Compressed sparse rows: 8 t + 4 (rows + 1) bytes.

    A row is what makes one output: all of a filter's or unit's weights, so that rows = shape[0].
    It is never the smallest, being `indexed` and the row pointers; it is the one to compute from.
    """

    name = "csr"

    def bytes(self, shape: Shape, nonzeros: int) -> int:
        """8 t + 4 (rows + 1)."""
        checked_size(shape, nonzeros)
        return (INDEX_BYTES + VALUE_BYTES) * nonzeros + INDEX_BYTES * (shape[0] + 1)

    def encode(self, weight: Tensor) -> Arrays:
        """`rows` (rows + 1, int32: where each row begins), `columns` (t, int32), `values` (t)."""
        flat = _flat(weight)
        index = flat.nonzero().flatten()
        length = flat.numel() // weight.shape[0]
        starts = torch.arange(weight.shape[0] + 1) * length
        rows = torch.searchsorted(index, starts).int()
        return {"rows": rows, "columns": (index % length).int(), "values": flat[index]}

    def decode(self, arrays: Mapping[str, Tensor], shape: Shape) -> Tensor:
        """Zeros with each row's values at their columns."""
        row = torch.arange(shape[0]).repeat_interleave(arrays["rows"].diff())
        index = row * math.prod(shape[1:]) + arrays["columns"]
        return _placed(arrays["values"], index, shape)


def best_format(shape: Shape, nonzeros: int) -> Format:
    """The format that takes the fewest bytes, the first of FORMATS where several do."""
    return min(FORMATS.values(), key=lambda kind: kind.bytes(shape, nonzeros))


def floor_bytes(size: int, nonzeros: int) -> int:
    """Least whole bytes that tell apart all choices of t float32 nonzeros among N weights.

    log2 C(N, t) bits for which of the weights they are, and 32 t for what they are.
    """
    checked_size((size,), nonzeros)
    few = min(nonzeros, size - nonzeros)
    if few <= 64:
        # Exact, because rounding shows where C(N, t) is at or near a power of two, as C(256, 1) is.
        bits = (math.comb(size, few) - 1).bit_length()
    else:
        log = math.lgamma(size + 1) - math.lgamma(few + 1) - math.lgamma(size - few + 1)
        bits = math.ceil(log / math.log(2))
    return -(-bits // 8) + VALUE_BYTES * nonzeros


def checked_size(shape: Shape, nonzeros: int) -> int:
    """N, the number of weights of a shape; raises ValueError where t of them cannot be nonzero."""
    size = math.prod(shape)
    if not shape or min(shape) < 1 or size > _LARGEST:
        raise ValueError(f"a weight of shape {shape} must have 1 to {_LARGEST:,} values")
    if not 0 <= nonzeros <= size:
        raise ValueError(f"{nonzeros:,} of {size:,} weights cannot be nonzero")
    return size


def _flat(weight: Tensor) -> Tensor:
    if weight.dtype != torch.float32:
        raise ValueError(f"a weight is stored as float32, not {weight.dtype}")
    checked_size(tuple(weight.shape), 0)
    return weight.detach().cpu().reshape(-1)


def _placed(values: Tensor, index: Tensor, shape: Shape) -> Tensor:
    flat = torch.zeros(math.prod(shape))
    flat[index] = values
    return flat.reshape(shape)
