"""Which samples are trained on and which are held out: seeded, stratified, exact in number.

Pure functions of (labels, how many, seed); indices are int64 and ascend, so that an unshuffled
part keeps the order of its files.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Annotated

import torch
from pydantic import BeforeValidator, WithJsonSchema
from torch import Tensor

from sparsenet.data.seeding import seeded
from sparsenet.record import shown

_PERCENTAGE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,18})?)%")


def _check_part(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    match = _PERCENTAGE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{shown(value)} is not a whole number from 1 or a percentage such as 10%")
    if not 0 < Fraction(match[1]) <= 100:
        raise ValueError(f"{shown(value)} must be above 0% and at most 100%")
    return value


Part = Annotated[
    int | str,
    BeforeValidator(_check_part),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "string", "pattern": f"^{_PERCENTAGE.pattern}$"},
            ]
        }
    ),
]
"""Some samples of a set: a whole number from 1, or a percentage of them as a text, "10%"."""


def part_size(part: int | str, samples: int) -> int:
    """The number of samples that `part` means: floor(samples * percentage / 100), exactly.

    Raises ValueError when `part` is no `Part`, comes to no sample, or to more than there are.
    """
    _check_part(part)
    size = part if isinstance(part, int) else int(Fraction(part[:-1]) / 100 * samples)
    if size == 0:
        raise ValueError(f"{part} of {samples} samples is less than one sample")
    if size > samples:
        raise ValueError(f"{size} is more than the {samples} samples there are")
    return size


def held_size(part: int | str, samples: int) -> int:
    """As `part_size`, for samples that are taken away; raises ValueError also when none is left."""
    size = part_size(part, samples)
    if size == samples:
        raise ValueError(f"{part} takes all {samples} samples, which leaves none to train on")
    return size


def hold_out(labels: Tensor, part: int | str, seed: int) -> tuple[Tensor, Tensor]:
    """Split a set in two: indices (of the rest, of the part held out). Raises as `held_size`."""
    held = _stratified(labels, held_size(part, len(labels)), seeded("hold out", seed))
    return (~held).nonzero().squeeze(1), held.nonzero().squeeze(1)


def sample(labels: Tensor, part: int | str, seed: int) -> Tensor:
    """Indices of a sample without replacement. Raises as `part_size`."""
    chosen = _stratified(labels, part_size(part, len(labels)), seeded("sample", seed))
    return chosen.nonzero().squeeze(1)


def _stratified(labels: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """A mask of `size` samples, of each class its share to within one sample."""
    mask = torch.zeros(len(labels), dtype=torch.bool)
    shares = _shares(torch.bincount(labels).tolist(), size)
    for label, share in enumerate(shares):
        members = (labels == label).nonzero().squeeze(1)
        mask[members[torch.randperm(len(members), generator=generator)[:share]]] = True
    return mask


def _shares(counts: list[int], size: int) -> list[int]:
    """Divide `size` in proportion to `counts` by largest remainders; equal ones: the lower first.

    No share exceeds its count: a quota is at most the count, and one that equals it has no
    remainder to be rounded up for.
    """
    total = sum(counts)
    quotas = [divmod(size * count, total) for count in counts]
    shares = [whole for whole, _ in quotas]
    by_remainder = sorted(range(len(counts)), key=lambda label: -quotas[label][1])
    for label in by_remainder[: size - sum(shares)]:
        shares[label] += 1
    return shares
