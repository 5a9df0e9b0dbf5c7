"""Which filters or weights of a trained net are pruned: by what score, among which, how many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Literal

import torch
from torch import Tensor

from sparsenet.workflows.decimals import EXACT

Criterion = Literal["magnitude", "filter-norm", "random"]
Scope = Literal["layer", "net"]


@dataclass(frozen=True)
class Rule:
    """What is ranked, within what, and for `random` by which seed."""

    criterion: Criterion
    scope: Scope = "layer"
    seed: int = 0

    @property
    def by_filter(self) -> bool:
        """Whether whole filters are pruned, not single weights."""
        return self.criterion != "magnitude"


@dataclass(frozen=True)
class Chosen:
    """What is pruned: a mask of each weight, true where it becomes zero, by layer.

    `units` are the filters or weights that were ranked, `pruned` those of them that become zero.
    """

    masks: dict[str, Tensor]
    units: int
    pruned: int

    @property
    def filters(self) -> dict[str, set[int]]:
        """By layer the filters of which no weight is left."""
        return {
            name: set(mask.flatten(1).all(dim=1).nonzero().flatten().tolist())
            for name, mask in self.masks.items()
        }


def choose(weights: Mapping[str, Tensor], rule: Rule, fraction: Decimal) -> Chosen:
    """The part floor(fraction * n) of n filters or weights with the smallest scores.

    `weights` are those of layers, their filters along the first axis. A filter's score is its l2
    norm, or random (filter-norm, random); a weight's is its magnitude. The n are those of each
    layer, or of each filter of it where weights are ranked, as Khan & Stavness do ("Pruning
    Convolutional Filters using Batch Bridgeout", 2020); under scope `net` those of all layers at
    once. A fraction is below 1, and the highest filter of each layer stays: no layer is cut off.
    Of equal scores the first goes first.
    """
    scores = _scores(weights, rule)
    if rule.scope == "layer":
        low = [_lowest(score, fraction, score.shape[1]) for score in scores]
    else:
        low = _lowest_of_all(scores, fraction, spare=rule.by_filter)
    masks = {}
    for (name, weight), mask in zip(weights.items(), low, strict=True):
        column = mask.view(-1, *[1] * (weight.dim() - 1)) if rule.by_filter else mask
        masks[name] = column.expand_as(weight) if rule.by_filter else column.view_as(weight)
    return Chosen(masks, sum(s.numel() for s in scores), sum(int(m.sum()) for m in low))


def _scores(weights: Mapping[str, Tensor], rule: Rule) -> list[Tensor]:
    """For each layer the scores in rows, within each of which some are the lowest."""
    if rule.criterion == "magnitude":
        return [weight.detach().abs().flatten(1) for weight in weights.values()]
    if rule.criterion == "random":
        generator = torch.Generator().manual_seed(rule.seed)
        return [torch.rand(1, len(weight), generator=generator) for weight in weights.values()]
    return [w.detach().double().flatten(1).norm(dim=1).view(1, -1) for w in weights.values()]


def _lowest(scores: Tensor, fraction: Decimal, count: int) -> Tensor:
    """True at the floor(fraction * count) lowest scores of each row."""
    with localcontext(EXACT):
        most = int(fraction * count)
    order = scores.argsort(dim=1, stable=True)[:, :most]
    return torch.zeros_like(scores, dtype=torch.bool).scatter_(1, order, value=True)


def _lowest_of_all(scores: Sequence[Tensor], fraction: Decimal, *, spare: bool) -> list[Tensor]:
    """The same over all scores at once; with `spare` all but the highest of each row's."""
    count = sum(score.numel() for score in scores)
    ranked = [score.clone() for score in scores]
    for score in ranked if spare else ():
        score.scatter_(1, score.argmax(dim=1, keepdim=True), torch.inf)
    flat = torch.cat([score.flatten() for score in ranked]).view(1, -1)
    low = _lowest(flat, fraction, count) & flat.isfinite()
    parts = torch.split(low.flatten(), [score.numel() for score in ranked])
    return [part.view_as(score) for part, score in zip(parts, ranked, strict=True)]
