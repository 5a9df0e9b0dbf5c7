"""A whole net as one compiled program, its images shared among threads."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from sparsenet.execution.structure import Structure
from sparsenet.execution.timed import Timed
from sparsenet.execution.weights import Weights
from sparsenet.program.compiled import Compiled, Floats
from sparsenet.program.plan import plan_graph


class Whole:
    """The program of a net for `group` images at a time, each thread with images of its own.

    Raises NoCompiler, and ConfigError where a layer has no C.
    """

    def __init__(self, structure: Structure, weights: Weights, group: int, threads: int) -> None:
        self.group, self.threads = group, threads
        program = plan_graph(structure.graph, weights.numbers, weights.packed, group)
        self.compiled = Compiled(program)
        # One image has no others that could go to other threads: they share its large layers.
        self.alone = Compiled(program, threads) if group == 1 < threads else self.compiled
        self._pool: ThreadPoolExecutor | None = None

    def __call__(self, images: Tensor) -> Tensor:
        """The scores (N, scores) of images (N, C, H, W)."""
        pixels = images.contiguous().numpy()
        if len(pixels) == 1:
            return torch.from_numpy(self.alone(pixels))
        ends = shares(len(pixels), self.group, self.threads)
        if len(ends) <= 2:
            return torch.from_numpy(self.compiled(pixels))
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.threads - 1, "sparsenet")
        first, *others = [pixels[begin:end] for begin, end in pairwise(ends)]
        waiting = [self._pool.submit(self.compiled, part) for part in others]
        parts = [self.compiled(first), *(one.result() for one in waiting)]
        return torch.from_numpy(np.concatenate(parts))

    @property
    def joined(self) -> dict[str, str]:
        """The first layer of the operation that computes each layer."""
        operations = self.compiled.program.operations
        layers = [operation.layer.split(", ") for operation in operations]
        return {layer: together[0] for together in layers for layer in together}

    def timed(self, images: Tensor) -> list[Timed]:
        """How long each operation took on one thread, in order."""
        pixels: Floats = images.contiguous().numpy()
        operations = self.compiled.program.operations
        seconds = [0.0] * len(operations)
        for begin in range(0, len(pixels), self.group):
            part = pixels[begin : begin + self.group]
            for place in range(len(operations)):
                start = time.perf_counter()
                self.compiled.run(part, place, place + 1)
                seconds[place] += time.perf_counter() - start
        return [
            Timed(tuple(operation.layer.split(", ")), "program", one)
            for operation, one in zip(operations, seconds, strict=True)
        ]


def shares(count: int, group: int, threads: int) -> Sequence[int]:
    """Where the images of each thread begin, and the end of all: whole groups, evenly."""
    groups = -(-count // group)
    parts = min(threads, groups)
    return [min(count, groups * part // parts * group) for part in range(parts)] + [count]
