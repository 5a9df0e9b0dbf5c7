"""A fully connected layer in parts of about as many nonzeros, for threads."""

from __future__ import annotations

import ctypes
from math import prod

import numpy as np
from numpy.typing import NDArray

from sparsenet.program.operation import Operation, Packed
from sparsenet.storage.encoded import Encoded
from sparsenet.storage.format import Bytes, Places

HEAVY = 200_000
"""Stored values from which on parts are worth waking other threads, which takes some 50 us."""
_ROWS = 8  # a part begins at a whole byte of a bit mask


class Part(ctypes.Structure):
    """`struct part`: the first row, and where the reading begins that gives it."""

    _fields_ = [
        ("row", ctypes.c_uint32),
        ("code", ctypes.c_uint32),
        ("place", ctypes.c_uint32),
        ("done", ctypes.c_uint32),
    ]


def heavy_weight(operation: Operation) -> Encoded | None:
    """The weight of an operation that is worth parts, or None."""
    if operation.kernel != "multiply":
        return None
    [weight] = [one.encoded for one in operation.arguments if isinstance(one, Packed)]
    return weight if weight.stored_count >= HEAVY and weight.shape[0] >= 2 * _ROWS else None


def parts_of(weight: Encoded, count: int) -> list[tuple[Part, int]]:
    """At most `count` parts, each with the row at which it ends."""
    places = weight.places()
    length = prod(weight.shape[1:])
    wanted = np.arange(1, count) * len(places) // count
    rows = places[wanted] // length // _ROWS * _ROWS
    starts = sorted({0, *rows.tolist()})
    ends = [*starts[1:], weight.shape[0]]
    gaps = _ends_of_gaps(weight)
    return [(_part(weight, places, gaps, row), end) for row, end in zip(starts, ends, strict=True)]


def _part(weight: Encoded, places: Places, gaps: NDArray[np.int64] | None, row: int) -> Part:
    first = row * prod(weight.shape[1:])
    done = int(np.searchsorted(places, first))
    if gaps is not None:
        return Part(row, int(gaps[done]), int(places[done - 1]) + 1 if done else 0, done)
    code = first // 8 if weight.format.name == "bitmask" else done
    return Part(row, code, first, done)


def _ends_of_gaps(weight: Encoded) -> NDArray[np.int64] | None:
    """Of a relative format how many codes are read when so many values are; None of others."""
    if not weight.format.name.startswith("relative"):
        return None
    index: Bytes = weight.index
    codes = index if weight.format.name == "relative8" else np.stack([index & 15, index >> 4], 1)
    skip = 255 if weight.format.name == "relative8" else 15
    taken = np.flatnonzero(codes.reshape(-1) != skip)
    return np.concatenate([[0], taken + 1])
