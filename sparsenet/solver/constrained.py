"""Weights as their constraints want them, for a test or a file, without touching the training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from sparsenet.regularization.projections import keep_largest_
from sparsenet.regularization.schedule import Ball


@torch.no_grad()
def project_(weights: Mapping[str, Tensor], due: Iterable[tuple[Ball, int]]) -> None:
    """Project the weights of each ball onto {||W||_0 <= t} (Collins & Kohli eq. 7), in place."""
    for ball, t in due:
        keep_largest_([weights[name] for name in ball.weights], t)


@contextmanager
def constrained(
    weights: Mapping[str, Tensor], due: Iterable[tuple[Ball, int]]
) -> Iterator[dict[str, Tensor]]:
    """In the block the weights satisfy the constraints; after it they are as before, bit for bit.

    Yields, by name, `pending`: the values that the projection took away, zero elsewhere.
    """
    due = list(due)
    before = {name: weights[name].clone() for ball, _ in due for name in ball.weights}
    try:
        project_(weights, due)
        taken = {name: old.masked_fill(weights[name] != 0, 0.0) for name, old in before.items()}
        # A negative zero counts: without it the restored weights would not be the same bits.
        yield {name: v for name, v in taken.items() if v.any() or v.signbit().any()}
    finally:
        with torch.no_grad():
            for name, old in before.items():
                weights[name].copy_(old)


@torch.no_grad()
def restore_pending_(weights: Mapping[str, Tensor], pending: Mapping[str, Tensor]) -> None:
    """Undo the projection that a snapshot was saved under; raises KeyError for foreign names."""
    for name, values in pending.items():
        weights[name].copy_(torch.where(weights[name] == 0, values, weights[name]))
