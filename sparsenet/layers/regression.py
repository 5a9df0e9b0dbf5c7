"""EuclideanLoss and SigmoidCrossEntropyLoss: values against as many targets, Caffe's.

The targets are another blob's values, so also the images of a Data layer, or its labels as numbers.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from sparsenet.layers.base import Shape, ShapeError, register, widened
from sparsenet.layers.loss import (
    NO_LABEL,
    Loss,
    NormalizedLoss,
    NormalizedLossModule,
)
from sparsenet.layout import flatten


@register
class EuclideanLoss(Loss):
    """L = 1/(2N) sum (x - t)^2 over N examples with all their values; the gradient flows into both.

    x and t may be shaped differently if an example of each has as many values.
    """

    type: Literal["EuclideanLoss"] = Field(
        "EuclideanLoss", description="half the squared distance of values from targets"
    )

    def output_shapes(self, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """One number for the whole batch; raises ShapeError."""
        return _as_many_targets("EuclideanLoss", bottoms)

    def build(self, bottoms: tuple[Shape, ...], generator: torch.Generator) -> nn.Module:
        """A module without parameters."""
        return EuclideanLossModule()


class EuclideanLossModule(nn.Module):
    """Values (N, ...) and as many targets, of any type, to the loss, a scalar."""

    def forward(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Half the squared distance, a mean over the examples."""
        values, targets = _paired(scores, labels)
        # torch's own mse_loss would return the gradient channels first.
        return (values - targets).square().sum() / (2 * len(values))


@register
class SigmoidCrossEntropyLoss(NormalizedLoss):
    """L = -1/n sum t log p + (1 - t) log(1 - p), p = 1 / (1 + exp(-x)), over all of the batch.

    t is a probability, 0 to 1. Computed as max(x, 0) - x t + log(1 + exp(-|x|)), which is finite
    for every x. As in Caffe a target is ignored by its whole part: 0.7 where ignore_label is 0.
    """

    type: Literal["SigmoidCrossEntropyLoss"] = Field(
        "SigmoidCrossEntropyLoss", description="the cross-entropy of each value with its target"
    )
    normalization: Literal["VALID", "FULL", "BATCH_SIZE", "NONE"] = Field(
        "BATCH_SIZE",
        description="n: the targets that count; all targets; the examples; or 1",
    )

    def output_shapes(self, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """One number for the whole batch; raises ShapeError."""
        return _as_many_targets("SigmoidCrossEntropyLoss", bottoms)

    def build(self, bottoms: tuple[Shape, ...], generator: torch.Generator) -> nn.Module:
        """A module without parameters."""
        return SigmoidCrossEntropyLossModule(self)


class SigmoidCrossEntropyLossModule(NormalizedLossModule):
    """Values (N, ...) and as many targets, of any type, to the loss, a scalar."""

    def forward(self, scores: Tensor, labels: Tensor) -> Tensor:
        """The cross-entropy."""
        values, targets = _paired(scores, labels)
        if self.ignore_label == NO_LABEL:
            summed = F.binary_cross_entropy_with_logits(values, targets, reduction="sum")
            return summed / self.normalizer(targets)
        whole = targets.trunc()
        each = F.binary_cross_entropy_with_logits(values, targets, reduction="none")
        return each.where(whole != self.ignore_label, 0).sum() / self.normalizer(whole)


def _as_many_targets(layer: str, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
    values, targets = bottoms
    if not values:
        raise ShapeError(f"{layer} needs values as its first bottom, not labels or a loss")
    if math.prod(values) != math.prod(targets):
        raise ShapeError(
            f"{layer} needs as many targets as values: {values} has {math.prod(values)} an "
            f"example and {targets} has {math.prod(targets)}"
        )
    return ((),)


def _paired(values: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Both in one shape, in float32 at least."""
    if values.shape != targets.shape:
        values, targets = flatten(values), targets.reshape(len(targets), -1)
    return widened(values), widened(targets)
