"""The storage formats of one weight."""

from __future__ import annotations

import math

import numpy as np

from sparsenet.storage.format import (
    FORMATS,
    Bytes,
    Format,
    Places,
    Shape,
    register,
    require_bytes,
    require_places,
)

__all__ = ["FORMATS", "best_format"]


@register
class Dense(Format):
    """Every weight, zero or not: 4 N bytes."""

    name = "dense"
    stores_zeros = True

    def index_bytes(self, shape: Shape, nonzeros: int) -> int:
        """None."""
        return 0

    def stored(self, shape: Shape, nonzeros: int) -> int:
        """All of them."""
        return math.prod(shape)

    def index(self, places: Places, shape: Shape) -> Bytes:
        """Empty."""
        return np.empty(0, np.uint8)

    def places(self, index: Bytes, shape: Shape, nonzeros: int) -> Places:
        """All of them."""
        require_bytes(index, 0)
        return np.arange(math.prod(shape))


@register
class Bitmask(Format):
    """One bit a weight says whether it is nonzero, then the nonzeros: ceil(N/8) + 4 t bytes.

    Weight 8 j + i is bit i of byte j, from the lowest.
    """

    name = "bitmask"

    def index_bytes(self, shape: Shape, nonzeros: int) -> int:
        """ceil(N/8)."""
        return -(-math.prod(shape) // 8)

    def index(self, places: Places, shape: Shape) -> Bytes:
        """The mask."""
        mask = np.zeros(math.prod(shape), np.bool_)
        mask[places] = True
        return np.packbits(mask, bitorder="little")

    def places(self, index: Bytes, shape: Shape, nonzeros: int) -> Places:
        """Those of the bits that are set."""
        require_bytes(index, self.index_bytes(shape, nonzeros))
        places = np.flatnonzero(np.unpackbits(index, bitorder="little"))
        if len(places) != nonzeros:
            raise ValueError(f"a mask of {len(places):,} weights, where {nonzeros:,} are stored")
        require_places(places, math.prod(shape))
        return places


@register
class Indexed(Format):
    """Each nonzero with its place among the weights, in the fewest of 1, 2 or 4 bytes.

    At most 256 weights: 5 t bytes; at most 65,536: 6 t; otherwise 8 t, which is the paper's.
    """

    name = "indexed"

    def index_bytes(self, shape: Shape, nonzeros: int) -> int:
        """t, 2 t or 4 t."""
        return _narrowest(math.prod(shape)).itemsize * nonzeros

    def index(self, places: Places, shape: Shape) -> Bytes:
        """The places, ascending, little-endian."""
        return places.astype(_narrowest(math.prod(shape))).view(np.uint8)

    def places(self, index: Bytes, shape: Shape, nonzeros: int) -> Places:
        """The places."""
        require_bytes(index, self.index_bytes(shape, nonzeros))
        places = _numbers(index, _narrowest(math.prod(shape)))
        require_places(places, math.prod(shape))
        return places


@register
class Csr(Format):
    """Compressed sparse rows in 32 bits: 8 t + 4 (rows + 1) bytes.

    It is never the smallest; it is what libraries compute from.
    """

    name = "csr"

    def index_bytes(self, shape: Shape, nonzeros: int) -> int:
        """4 (rows + 1 + t)."""
        return 4 * (shape[0] + 1 + nonzeros)

    def index(self, places: Places, shape: Shape) -> Bytes:
        """Where each row begins among the nonzeros, and the end of the last; then the columns."""
        length = math.prod(shape[1:])
        rows = np.searchsorted(places, np.arange(shape[0] + 1) * length)
        return np.concatenate([rows, places % length]).astype("<u4").view(np.uint8)

    def places(self, index: Bytes, shape: Shape, nonzeros: int) -> Places:
        """Each row's, from its columns."""
        require_bytes(index, self.index_bytes(shape, nonzeros))
        numbers = _numbers(index, np.dtype("<u4"))
        rows, columns = np.split(numbers, [shape[0] + 1])
        counts, length = np.diff(rows), math.prod(shape[1:])
        if rows[0] != 0 or rows[-1] != nonzeros or (counts < 0).any():
            raise ValueError("rows that do not begin one after another")
        if (columns >= length).any():
            raise ValueError(f"columns beyond the {length:,} of a row")
        places = np.repeat(np.arange(shape[0]), counts) * length + columns
        require_places(places, math.prod(shape))
        return places


class _Relative(Format):
    """Each nonzero with the number of zeros before it since the last one, in b bits.

    Han, Mao & Dally (2016), Deep Compression, section 2. A gap of g zeros is floor(g / (2^b - 1))
    codes of 2^b - 1, each of which skips so many zeros, and one code of what is left. Theirs put a
    zero among the values for each skip; here the code itself says that none is stored, so that t
    values are enough: ceil(b (t + skips) / 8) + 4 t bytes, skips <= (N - t) / (2^b - 1).
    """

    bits: int

    @property
    def _skip(self) -> int:
        return (1 << self.bits) - 1

    def _bytes(self, codes: int) -> int:
        return -(-codes * self.bits // 8)

    def index_bytes(self, shape: Shape, nonzeros: int) -> int:
        """With as many skips as there can be."""
        if not nonzeros:
            return 0
        return self._bytes(nonzeros + (math.prod(shape) - nonzeros) // self._skip)

    def index_bytes_of(self, places: Places, shape: Shape) -> int:
        """With the skips that there are."""
        return self._bytes(len(places) + int((_gaps(places) // self._skip).sum()))

    def index(self, places: Places, shape: Shape) -> Bytes:
        """The codes; of 4 bits the first of two is the low half of a byte."""
        gaps = _gaps(places)
        ends = np.cumsum(gaps // self._skip + 1)
        codes = np.full(ends[-1] if len(ends) else 0, self._skip, np.uint8)
        codes[ends - 1] = gaps % self._skip
        if self.bits == 8:
            return codes
        padded = np.append(codes, np.zeros(len(codes) % 2, np.uint8))
        pairs: Bytes = padded[0::2] | padded[1::2] << 4
        return pairs

    def places(self, index: Bytes, shape: Shape, nonzeros: int) -> Places:
        """Those where the gaps end."""
        codes = index
        if self.bits == 4:
            codes = np.stack([index & 15, index >> 4], axis=1).reshape(-1)
        taken = codes != self._skip
        count = int(np.count_nonzero(taken))
        if self.bits == 4 and count == nonzeros + 1 and codes[-1] == 0:
            codes, taken, count = codes[:-1], taken[:-1], nonzeros  # the half byte that was left
        if count != nonzeros or (len(taken) and not taken[-1]):
            raise ValueError(f"codes of {count:,} places, where {nonzeros:,} values are stored")
        places: Places = (np.cumsum(codes + taken, dtype=np.int64) - 1)[taken]
        require_places(places, math.prod(shape))
        return places


@register
class Relative4(_Relative):
    """Gaps in 4 bits."""

    name = "relative4"
    bits = 4


@register
class Relative8(_Relative):
    """Gaps in 8 bits."""

    name = "relative8"
    bits = 8


def best_format(shape: Shape, nonzeros: int) -> Format:
    """The format of the fewest bytes for a float32 weight, the first of FORMATS of several."""
    return min(FORMATS.values(), key=lambda kind: kind.bytes(shape, nonzeros))


def _narrowest(size: int) -> np.dtype[np.unsignedinteger]:
    return np.dtype("u1" if size <= 2**8 else "<u2" if size <= 2**16 else "<u4")


def _numbers(index: Bytes, kind: np.dtype[np.unsignedinteger]) -> Places:
    return np.frombuffer(index.tobytes(), kind).astype(np.int64)


def _gaps(places: Places) -> Places:
    return np.diff(places, prepend=-1) - 1


# Of several formats of the same bytes it is the last.
from sparsenet.storage import periodic  # noqa: E402, F401
