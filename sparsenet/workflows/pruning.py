"""Pruning a trained network by magnitude: below a threshold, or to so many weights a layer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import torch
from torch import Tensor

from sparsenet.regularization.projections import keep_largest_


@dataclass(frozen=True)
class Pruning:
    """Zero the weights below `delta`, or all but the `counts` largest of each layer named.

    `counts` leaves the layers that it does not name as they are, and so does `delta` where `layers`
    are given. Biases stay in any case.
    """

    label: str
    delta: Decimal | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    layers: tuple[str, ...] | None = None

    @property
    def slug(self) -> str:
        """The label as the name of a folder."""
        return re.sub(r"[^\w.=,]+", "-", self.label.replace("%", "pct"))[:100].strip("-.")

    def prune_(self, weights: Mapping[str, Tensor]) -> None:
        """Prune weights, given by layer name, in place."""
        for name, weight in weights.items():
            if self.delta is not None and (self.layers is None or name in self.layers):
                hard_threshold_(weight, float(self.delta))
            elif name in self.counts:
                keep_largest_(weight, self.counts[name])


@torch.no_grad()
def hard_threshold_(weight: Tensor, delta: float) -> Tensor:
    """W <- W where |W| >= delta and +0.0 elsewhere, in place (Collins & Kohli, section 5.1).

    `delta` is first rounded to the precision of `weight`, which may have any shape and is returned.
    NaN stays NaN, and delta = 0 changes nothing.
    """
    bound = torch.tensor(delta, dtype=weight.dtype, device=weight.device)
    return weight.masked_fill_(weight.abs() < bound, 0.0)
