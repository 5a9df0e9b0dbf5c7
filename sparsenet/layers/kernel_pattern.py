"""Pre-defined sparse kernels: which positions of its kernels a convolution learns.

Kundu, Nazemi, Pedram, Chugg & Beerel (2020), "Pre-defined Sparsity for Low-Complexity Convolutional
Neural Networks". The kernel of filter i at its input channel j has variant c = (i + j + 1) mod P of
P variants, in every layer anew; all else is zero from the first value to the last.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema, core_schema
from torch import Tensor

from sparsenet.errors import suggested
from sparsenet.record import KeyPath, KeyProblem, Listed, Record, check_record
from sparsenet.record_words import shown

Mask = NDArray[np.bool_]
Pair = tuple[int, int]
_BLOCKS = {4: (2, 2), 2: (1, 2), 1: (1, 1)}
_LONGEST = 4096
_NAMED = 8  # positions that a message names
_LARGEST_SEED = 10**9


class KernelPattern(Record):
    """The positions of its kernels that a convolution learns, counted row by row from 0.

    With kss and period P, kernel (i, j) has variant c = (i + j + 1) mod P: the blocks of kss
    positions, 2x2, two side by side or single, one after another in row-major order and again from
    the first. With dense variant 0 is the full kernel, and the blocks begin at variant 1. With kss
    and seed each kernel draws its positions uniformly. With positions they are the variants.
    """

    kss: int | None = Field(None, ge=1, description="weights of a kernel that is not full")
    period: int | None = Field(
        None, ge=1, le=_LONGEST, description="P, after which the variants repeat"
    )
    dense: bool = Field(False, description="whether one kernel of each period is full")
    seed: int | None = Field(
        None,
        ge=0,
        le=_LARGEST_SEED,
        description="of positions that are drawn without a period; the same in layers of one shape",
    )
    positions: Listed[Listed[int]] | None = Field(
        None, description="the positions of each variant; the period is how many these are"
    )

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> KernelPattern:
        if self.positions is not None:
            for key in ("kss", "period", "dense", "seed"):
                if key in self.model_fields_set:
                    raise KeyProblem(key, "cannot stand beside positions")
            self._check_positions(self.positions)
        elif self.kss is None:
            raise KeyProblem("kss", "is missing: give kss with period or seed, or positions")
        elif self.seed is not None:
            for key in ("period", "dense"):
                if key in self.model_fields_set:
                    raise KeyProblem(key, "cannot stand beside seed, which is without a period")
        elif self.period is None:
            raise KeyProblem("period", "is missing: give it, or seed for kernels without one")
        elif self.kss not in _BLOCKS:
            words = "with a period it may be 1, 2 or 4; any number goes with seed or positions"
            raise KeyProblem("kss", f"{self.kss}: {words}")
        return self

    @staticmethod
    def _check_positions(variants: tuple[tuple[int, ...], ...]) -> None:
        if not variants or not all(variants):
            raise KeyProblem("positions", "must be lists of at least one position each")
        for variant in variants:
            if min(variant) < 0 or len(set(variant)) < len(variant):
                words = "must be different positions from 0"
                raise KeyProblem("positions", f"{shown(list(variant))} {words}")

    @property
    def is_dense(self) -> bool:
        """Whether every kernel is full: `dense`, which a layer has against its net's pattern."""
        return self.dense and self.period == 1

    @property
    def length(self) -> int | None:
        """P; None for kernels that are drawn."""
        return self.period if self.positions is None else len(self.positions)

    def kernel_problem(self, kernel: Pair) -> str | None:
        """What of the pattern cannot be in kernels of this height and width, or None."""
        if self.is_dense:
            return None
        if problem := self._misfit(kernel):
            return problem
        return None if self.length is None else self._uncovered(self._variants(kernel), kernel)

    def _misfit(self, kernel: Pair) -> str | None:
        """What of the positions of a variant is beyond the kernel, or all of it."""
        size, by = math.prod(kernel), f"{kernel[0]}x{kernel[1]}"
        kss = self.kss or 1
        if size == 1:
            return "a 1x1 kernel has one position: leave the pattern out"
        if self.positions is not None:
            most = max(map(max, self.positions))
            words = f"position {most} is beyond the 0 to {size - 1} of a {by} kernel"
            return words if most >= size else None
        if self.length is None:
            words = f"kss {kss} must be less than the {size} positions of a {by} kernel"
            return words if kss >= size else None
        return None if _blocks(kss, kernel) else f"kss {kss} has no block in a {by} kernel"

    def shape_problem(self, shape: tuple[int, ...]) -> str | None:
        """What keeps a weight (O, C, kh, kw) from learning at each position of its kernels."""
        filters, channels, height, width = shape
        kernel, kernels = (height, width), filters * channels
        if self.length is not None:
            diagonals = np.arange(1, min(self.length, filters + channels - 1) + 1)
            had = self._variants(kernel)[diagonals % self.length]
        elif kernels * (self.kss or 0) > 100 * height * width:
            return None  # that one is never drawn has a probability below k^2 e^-100
        else:
            had = self.mask(shape).flatten(2).flatten(0, 1).numpy()
        return self._uncovered(had, kernel, kernels)

    def _uncovered(self, had: Mask, kernel: Pair, kernels: int | None = None) -> str | None:
        """What to say of positions that none of these has; a layer has `kernels` in all."""
        lacking = np.flatnonzero(~had.any(0)).tolist()
        if not lacking:
            return None
        by = f"{kernel[0]}x{kernel[1]}"
        first, more = ", ".join(map(str, lacking[:_NAMED])), len(lacking) - _NAMED
        which = f"position{'s' * (len(lacking) > 1)} {first}{f' and {more} more' * (more > 0)}"
        words = f"no kernel has {which} of {by}"
        if kernels is not None:
            return f"{words}: the {kernels} kernels of this layer are too few; it may be dense"
        if self.positions is not None:
            return f"{words}: add a list with what is missing"
        least = len(_blocks(self.kss or 1, kernel))
        return f"{words}: a period of at least {least} has all, and so has dense: true"

    def _variants(self, kernel: Pair) -> Mask:
        """(P, kh * kw): the positions of each variant."""
        length = self.length
        assert length is not None, "drawn kernels have no variants"
        blocks = self.positions or _blocks(self.kss or 1, kernel)
        variants = np.zeros((length, math.prod(kernel)), np.bool_)
        for c in range(self.dense, length):
            variants[c, list(blocks[(c - self.dense) % len(blocks)])] = True
        if self.dense:
            variants[0] = True
        return variants

    def mask(self, shape: tuple[int, ...]) -> Tensor:
        """Where a weight (O, C, kh, kw) is learnt, bool on the CPU."""
        filters, channels, *kernel = shape
        size = math.prod(kernel)
        if self.length is None:
            generator = torch.Generator("cpu").manual_seed(self.seed or 0)
            number = filters * channels
            draws = torch.rand(number, size, generator=generator, dtype=torch.double, device="cpu")
            mask = np.zeros((number, size), np.bool_)
            np.put_along_axis(mask, draws.argsort(1)[:, : self.kss].numpy(), True, axis=1)
        else:
            i, j = np.arange(filters)[:, None], np.arange(channels)[None, :]
            mask = self._variants((kernel[0], kernel[1]))[(i + j + 1) % self.length]
        return torch.from_numpy(mask.reshape(shape))

    def count(self, shape: tuple[int, ...]) -> int:
        """How many of the weights (O, C, kh, kw) are learnt."""
        filters, channels, height, width = shape
        if self.length is None:
            return filters * channels * (self.kss or 0)
        diagonal = np.arange(filters + channels - 1)
        kernels = np.minimum(diagonal + 1, diagonal[::-1] + 1).clip(max=min(filters, channels))
        sizes = self._variants((height, width)).sum(1)
        return int(kernels @ sizes[(diagonal + 1) % self.length])

    def index_bits(self, shape: tuple[int, ...]) -> int:
        """Bits that say where a weight (O, C, kh, kw) is learnt: P kh kw, of drawn kernels N."""
        kernels = shape[0] * shape[1] if self.length is None else self.length
        return kernels * shape[2] * shape[3]


def _blocks(kss: int, kernel: Pair) -> tuple[tuple[int, ...], ...]:
    """The blocks of kss positions in a kernel, by the first of them."""
    high, wide = _BLOCKS[kss]
    return tuple(
        tuple((row + a) * kernel[1] + column + b for a in range(high) for b in range(wide))
        for row in range(kernel[0] - high + 1)
        for column in range(kernel[1] - wide + 1)
    )


NAMED: Mapping[str, Mapping[str, Any]] = {
    "dense": {"kss": 1, "period": 1, "dense": True},
    "PS4_P4": {"kss": 4, "period": 4},
    "PSD4_P8": {"kss": 4, "period": 8, "dense": True},
    "PSD4_P16": {"kss": 4, "period": 16, "dense": True},
    "PS2_P6": {"kss": 2, "period": 6},
    "PSD2_P8": {"kss": 2, "period": 8, "dense": True},
    "PSD2_P16": {"kss": 2, "period": 16, "dense": True},
    "PS1_P9": {"kss": 1, "period": 9},
    "PSD1_P8": {"kss": 1, "period": 8, "dense": True},
    "PSD1_P16": {"kss": 1, "period": 16, "dense": True},
    "pSC4": {"kss": 4, "seed": 1},
    "pSC2": {"kss": 2, "seed": 1},
    "pSC1": {"kss": 1, "seed": 1},
}
"""The sets of the paper by their names there, and `dense`."""


def read_pattern(given: object) -> tuple[KernelPattern | None, list[tuple[KeyPath, str]]]:
    """A pattern by its name or its keys, or None, and (key path, message) of each problem."""
    try:
        return check_record(KernelPattern, _by_name(given))
    except ValueError as error:
        return None, [((), str(error))]


def _by_name(given: object) -> object:
    if not isinstance(given, str):
        return given
    if given not in NAMED:
        raise ValueError(f"there is no pattern {shown(given)}{suggested(given, NAMED)}")
    return dict(NAMED[given])


class _Named:
    """Takes a name for the keys it stands for; the JSON Schema allows both."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_by_name, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "enum": list(NAMED)}, handler(schema)]}


AnyPattern = Annotated[KernelPattern, _Named()]
