"""A program compiled for this machine, as a function from images to scores."""

from __future__ import annotations

import ctypes
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from math import prod

import numpy as np
from numpy.typing import NDArray

from sparsenet.program.calls import number_arrays, packed_arrays
from sparsenet.program.compiler import shared_object
from sparsenet.program.parts import Part, heavy_weight, parts_of
from sparsenet.program.plan import Program
from sparsenet.program.shared_object import ENTRY, PART_ENTRY, source
from sparsenet.storage.encoded import Encoded
from sparsenet.storage.format import Bytes

Floats = NDArray[np.float32]
_LINE = 64


class _Packed(ctypes.Structure):
    """`struct packed`."""

    _fields_ = [
        ("index", ctypes.c_void_p),
        ("codes", ctypes.c_void_p),
        ("table", ctypes.c_void_p),
        ("index_bytes", ctypes.c_uint32),
        ("stored", ctypes.c_uint32),
    ]


class Compiled:
    """Scores from images, the weights staying as they are packed.

    Several threads may call at the same time, each in memory of its own. For one image, large fully
    connected layers are computed by `threads` threads. Raises NoCompiler.
    """

    def __init__(self, program: Program, threads: int = 1) -> None:
        self.program = program
        weights = [_aligned(weight.encoded) for weight in packed_arrays(program)]
        numbers = [np.ascontiguousarray(one.values) for one in number_arrays(program)]
        self._held = (weights, numbers)
        self._weights = (_Packed * max(1, len(weights)))(*map(_packed, weights))
        self._numbers = (ctypes.c_void_p * max(1, len(numbers)))(*[n.ctypes.data for n in numbers])
        self._library = ctypes.CDLL(str(shared_object(source(program))))
        self._entry = self._library[ENTRY]
        pointer, number = ctypes.c_void_p, ctypes.c_int
        self._entry.argtypes = [pointer] * 5 + [number] * 3
        self._local = threading.local()
        self._parts = _heavy_parts(program, threads) if threads > 1 else {}
        if self._parts:
            self._part_entry = self._library[PART_ENTRY]
            self._part_entry.argtypes = [pointer] * 5 + [number, ctypes.POINTER(Part), number]
            self._pool = ThreadPoolExecutor(threads - 1)

    def __call__(self, images: Floats) -> Floats:
        """The scores (N, scores) of images (N, C, H, W), float32, as the net's data layer gives."""
        return self.run(images, 0, len(self.program.operations))

    def run(self, images: Floats, first: int, last: int) -> Floats:
        """Compute operations first..last - 1 alone, of at most a group of images.

        They find what the others have left in this thread's memory; the scores are those only where
        the last operation is among them.
        """
        size = self.program.image.size
        if images.dtype != np.float32 or prod(images.shape[1:]) != size:
            wrong = f"{images.dtype} {images.shape}"
            raise ValueError(f"images are {wrong}, not float32 of {size} values each")
        images = np.ascontiguousarray(images)
        scores = np.empty((len(images), self.program.scores.size), np.float32)
        addresses = (images.ctypes.data, scores.ctypes.data, self._arena())
        pointers = (*addresses, self._weights, self._numbers)
        if len(images) == 1:
            for operation in self._parts:
                if first <= operation < last:
                    self._entry(*pointers, 1, first, operation)
                    self._run_parts(operation, pointers)
                    first = operation + 1
        self._entry(*pointers, len(images), first, last)
        return scores

    def _run_parts(self, operation: int, pointers: tuple[object, ...]) -> None:
        """One operation, the first part by this thread and the others by the pool's."""
        (part, end), *others = self._parts[operation]
        call = partial(self._part_entry, *pointers, operation)
        waiting = [self._pool.submit(call, *other) for other in others]
        call(part, end)
        for one in waiting:
            one.result()

    def _arena(self) -> int:
        """Where this thread's memory is."""
        if not hasattr(self._local, "address"):
            self._local.memory = np.zeros(
                4 * self.program.arena * self.program.group + _LINE, np.uint8
            )
            start = self._local.memory.ctypes.data
            self._local.address = -(-start // _LINE) * _LINE
        return int(self._local.address)


def _heavy_parts(program: Program, threads: int) -> dict[int, list[tuple[Part, int]]]:
    """By the place of each operation that is worth it, in order."""
    weights = {i: heavy_weight(operation) for i, operation in enumerate(program.operations)}
    return {i: parts_of(weight, threads) for i, weight in weights.items() if weight is not None}


def _aligned(encoded: Encoded) -> tuple[Bytes, Bytes, Floats, int]:
    """The arrays of a weight at addresses that C may read numbers of four bytes from."""
    index, codes = (
        array if array.ctypes.data % 4 == 0 and array.flags.c_contiguous else array.copy()
        for array in (encoded.index, encoded.codes)
    )
    table = np.require(encoded.table, np.float32, ["C", "A"])
    return index, codes, table, encoded.stored_count


def _packed(arrays: tuple[Bytes, Bytes, Floats, int]) -> _Packed:
    index, codes, table, stored = arrays
    return _Packed(index.ctypes.data, codes.ctypes.data, table.ctypes.data, len(index), stored)
