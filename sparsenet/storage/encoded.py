"""One weight in the bytes that store it: places in a format, values in a kind of values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sparsenet.storage.format import Bytes, Format, Places, Shape, checked_size
from sparsenet.storage.formats import FORMATS
from sparsenet.storage.values import FLOAT32, Floats, Rows, Values


@dataclass(frozen=True)
class Encoded:
    """A weight of `shape` with so many `nonzeros`, as `index`, `codes` and `table`."""

    format: Format
    values: Values
    shape: Shape
    nonzeros: int
    index: Bytes
    codes: Bytes
    table: Floats

    @property
    def nbytes(self) -> int:
        """What it takes."""
        return self.index.nbytes + self.codes.nbytes + self.table.nbytes

    @property
    def stored_count(self) -> int:
        """How many values are stored. Raises ValueError for bytes that are no index."""
        return self.format.stored_in(self.index, self.shape, self.nonzeros)

    def places(self) -> Places:
        """Where the stored values are, ascending. Raises ValueError for bytes that are no index."""
        return self.format.places(self.index, self.shape, self.nonzeros)

    def stored(self) -> tuple[Places, Floats]:
        """The places of the stored values, ascending, and these values.

        Raises ValueError where the bytes are not those of a weight with so many nonzeros.
        """
        places = self.places()
        values = self.values.decoded(self.codes, _rows(places, self.shape), self.table)
        if np.count_nonzero(values) != self.nonzeros:
            raise ValueError(f"{np.count_nonzero(values):,} nonzeros, not {self.nonzeros:,}")
        return places, values

    def decoded(self) -> Tensor:
        """The weight, float32 on the CPU. Raises ValueError as `stored`."""
        places, values = self.stored()
        flat = np.zeros(math.prod(self.shape), np.float32)
        flat[places] = values
        return torch.from_numpy(flat).reshape(self.shape)


def encode(weight: Tensor, values: Values = FLOAT32, kind: Format | None = None) -> Encoded:
    """A float32 weight in the format that takes the fewest bytes, or in one that is given.

    Raises ValueError for other dtypes, and for values that these cannot hold.
    """
    flat, shape = _flat(weight), tuple(weight.shape)
    places = np.flatnonzero(flat)
    rows = _rows(places, shape)
    table = values.table(flat[places], rows, shape[0])
    held = values.decoded(values.codes(flat[places], rows, table), rows, table)
    places = places[held != 0]
    chosen = kind or _best(places, shape, values)
    index, kept, stored = chosen.index(places, shape), flat[places], places
    if chosen.stores_zeros:
        stored = chosen.places(index, shape, len(places))
        with_zeros = np.zeros_like(flat)
        with_zeros[places] = kept
        kept = with_zeros[stored]
    codes = values.codes(kept, _rows(stored, shape), table)
    return Encoded(chosen, values, shape, len(places), index, codes, table)


def _best(places: Places, shape: Shape, values: Values) -> Format:
    kinds = FORMATS.items()
    index = {name: kind.index_bytes_of(places, shape) for name, kind in kinds}
    stored = {name: kind.stored_of(places, shape) for name, kind in kinds}
    return cheapest(index, stored, shape[0], len(places), values)


def cheapest(
    index: Mapping[str, int], stored: Mapping[str, int], rows: int, nonzeros: int, values: Values
) -> Format:
    """The format of the fewest bytes, given by name those of its index and how many values it has.

    Of several the first of FORMATS.
    """
    return min(
        (kind for name, kind in FORMATS.items() if can_hold(stored[name], nonzeros, values)),
        key=lambda kind: index[kind.name] + values.bytes(stored[kind.name], rows),
    )


def can_hold(stored: int, nonzeros: int, values: Values) -> bool:
    """Whether so many values can be stored: where there are zeros, these need a code for one."""
    return values.holds_zero or stored == nonzeros


def _rows(places: Places, shape: Shape) -> Rows:
    return places // math.prod(shape[1:])


def _flat(weight: Tensor) -> Floats:
    if weight.dtype != torch.float32:
        raise ValueError(f"a weight is stored as float32, not {weight.dtype}")
    checked_size(tuple(weight.shape), 0)
    flat = weight.detach().cpu().reshape(-1).numpy()
    assert isinstance(flat, np.ndarray)
    return flat
