"""A pruned net without the filters that nothing can tell are gone."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sparsenet.config.load import Configuration, from_data
from sparsenet.config.readers import Readers
from sparsenet.data.batches import Batches
from sparsenet.errors import SparsenetError
from sparsenet.layers.base import Phase
from sparsenet.net import Net
from sparsenet.shrinking.cut import cut_net, cut_tensors, silence_
from sparsenet.shrinking.plan import Plan, plan_removal
from sparsenet.solver.tf32 import tf32
from sparsenet.workflows.build import build_net
from sparsenet.workflows.constraining import without_constraints
from sparsenet.workflows.copying import copy_weights

_TOLERANCE = 1e-3
"""Of the largest score: sums in another order, through many layers."""


class ShrinkError(SparsenetError):
    """A smaller net does not compute what it should: a defect of ours, and nothing is written."""


@dataclass(frozen=True)
class SmallerNet:
    """The net that is left, with its tensors, and the configuration that trains it further."""

    plan: Plan
    configuration: Configuration
    net: Net
    weights: dict[str, Tensor]


def shrink(
    net: Net,
    configuration: Configuration,
    pruned: Mapping[str, Collection[int]],
    batches: Batches,
    phase: Phase,
) -> SmallerNet:
    """The smaller net of one whose filters `pruned`, by layer, have no weights.

    In `net` what these filters put out beside their weights becomes zero: it then computes what
    the smaller one does, which is looked at on a batch. The configuration has no constraints any
    more, whose counts were those of the larger weights. Raises ShrinkError.
    """
    device = next(net.parameters()).device
    plan = plan_removal(configuration.solver.net, pruned)
    silence_(net.weights(), plan)
    data = without_constraints(configuration)
    data["net"] = cut_net(data["net"], plan)
    smaller = from_data(data, configuration.document.name)
    weights = cut_tensors(net.weights(), plan)
    small = build_net(smaller.solver.net, 0, device)
    copy_weights(small, weights)
    _require_same(net, small, batches, phase)
    return SmallerNet(plan, smaller, small, weights)


@torch.inference_mode()
def _require_same(net: Net, small: Net, batches: Batches, phase: Phase) -> None:
    """Raise ShrinkError unless both compute the same finite scores of a batch, or none."""
    images, labels = batches.batch(0)
    with tf32(False, batches.device):
        before, after = (
            each(images, labels, phase).blobs[Readers(each.graphs[phase]).scores]
            for each in (net, small)
        )
    largest, apart = float(before.abs().max()), float((after - before).abs().max())
    if math.isfinite(largest) and not apart <= _TOLERANCE * largest:
        words = f"computes scores that are up to {apart:.3g} apart, of at most {largest:.3g}"
        raise ShrinkError(f"the smaller net {words}: it is not written; please report this")
