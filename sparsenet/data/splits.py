"""Which samples are trained on and which are held out: seeded, stratified, exact in number.

Pure functions of (labels, how many, seed); indices are int64 and ascend, so that an unshuffled
part keeps the order of its files.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sparsenet.amounts import resolve_amount
from sparsenet.data.seeding import seeded


def part_size(part: int | str, samples: int) -> int:
    """The number of samples that `part` means. Raises as `resolve_amount`."""
    return resolve_amount(part, samples, "sample")


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


def resample(samples: int, seed: int) -> Tensor:
    """As many indices drawn with replacement from 0..samples - 1, each equally likely (bagging)."""
    generator = seeded("bootstrap", seed)
    return torch.randint(samples, (samples,), generator=generator).sort().values


def _stratified(labels: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """A mask of `size` samples, of each class its share to within one sample."""
    # Not by the labels themselves, of which one may be two thousand million.
    labels = torch.unique(labels, return_inverse=True)[1]
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
