"""What losses share, SoftmaxWithLoss and Accuracy: scores against labels, one number a batch."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from sparsenet import ranks
from sparsenet.layers.base import Layer, Shape, ShapeError, register

NO_LABEL = torch.iinfo(torch.int64).min
"""An ignore_label that no label is."""

_LEAST_PROBABILITY = 1e-20  # Caffe's kLOG_THRESHOLD


class Ignoring(Layer):
    """Bottoms: values, and labels some of which may not count."""

    bottoms: ClassVar[int] = 2

    ignore_label: int | None = Field(
        None, description="positions with this label do not count; left out: all count"
    )


class Judge(Ignoring):
    """Bottoms: scores (classes, ...) and one label, from 0, for each position of the scores."""

    def output_shapes(self, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """One number for the whole batch; raises ShapeError."""
        scores, labels = bottoms
        if not scores:
            raise ShapeError(f"{self.type} needs scores as its first bottom, not labels or a loss")
        positions = math.prod(scores[1:])
        if math.prod(labels) != positions:
            raise ShapeError(
                f"{self.type} needs {positions} label{'s' * (positions > 1)} an example as its "
                f"second bottom, for scores of shape {scores}, not {labels}"
            )
        return ((),)


class Loss(Layer):
    """A part of the net's loss: loss_weight times L. As in Caffe its blob is L."""

    bottoms: ClassVar[int] = 2
    is_loss: ClassVar[bool] = True

    loss_weight: float = Field(1.0, description="factor of this loss in the net's loss")


class NormalizedLoss(Ignoring, Loss):
    """A loss that is the sum over the labels that count, divided by n, which is at least 1."""

    normalization: Literal["VALID", "FULL", "BATCH_SIZE", "NONE"] = Field(
        "VALID",
        description="n: the labels that count; all labels; the examples; or 1",
    )


class NormalizedLossModule(nn.Module):
    """A loss that knows which labels count."""

    def __init__(self, record: NormalizedLoss) -> None:
        super().__init__()
        self.normalization = record.normalization
        self.ignore_label = NO_LABEL if record.ignore_label is None else record.ignore_label

    def normalizer(self, labels: Tensor) -> Tensor | float:
        """What the sum over whole `labels` (N, ...) is divided by.

        Processes that train together have equal shares of a batch and take the mean of their
        losses: so each divides by n of the whole batch over their number.
        """
        if self.normalization == "NONE":
            return 1 / ranks.size()
        if self.normalization == "BATCH_SIZE":
            return labels.shape[0]
        if self.normalization == "FULL" or self.ignore_label == NO_LABEL:
            return labels.numel()
        counted = ranks.sum_((labels != self.ignore_label).sum())
        return counted.clamp(min=1) / ranks.size()


@register
class SoftmaxWithLoss(Judge, NormalizedLoss):
    """L = -1/n sum_i sum_c q_ic log softmax(x_i)_c: by default the mean over the batch.

    q_ic is label_smoothing / classes, and 1 - label_smoothing more for the label (Szegedy et al.
    2016, section 7). Computed as x_c - logsumexp(x), so it does not stop at Caffe's -log(FLT_MIN) =
    87.3; the gradient is Caffe's.
    """

    type: Literal["SoftmaxWithLoss"] = Field(
        "SoftmaxWithLoss", description="the cross-entropy of scores with labels"
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="the part of a label that is spread evenly over all classes"
    )

    def build(self, bottoms: tuple[Shape, ...], generator: torch.Generator) -> nn.Module:
        """A module without parameters."""
        return SoftmaxWithLossModule(self)


class SoftmaxWithLossModule(NormalizedLossModule):
    """Scores (N, C, ...) and integer labels (N, ...) to the loss, a scalar."""

    def __init__(self, record: SoftmaxWithLoss) -> None:
        super().__init__(record)
        self.label_smoothing = record.label_smoothing

    def forward(self, scores: Tensor, labels: Tensor) -> Tensor:
        """The cross-entropy."""
        labels = _like_positions(labels, scores)
        summed = F.cross_entropy(
            scores,
            labels,
            ignore_index=self.ignore_label,
            reduction="sum",
            label_smoothing=self.label_smoothing,
        )
        return summed / self.normalizer(labels)


@register
class MultinomialLogisticLoss(Judge, NormalizedLoss):
    """L = -1/n sum_i log max(p_i, 1e-20), p_i the probability that is given to i's label (Caffe).

    For probabilities, as an average of several nets' has them; scores go to SoftmaxWithLoss.
    """

    type: Literal["MultinomialLogisticLoss"] = Field(
        "MultinomialLogisticLoss", description="the cross-entropy of probabilities with labels"
    )

    def build(self, bottoms: tuple[Shape, ...], generator: torch.Generator) -> nn.Module:
        """A module without parameters."""
        return MultinomialLogisticLossModule(self)


class MultinomialLogisticLossModule(NormalizedLossModule):
    """Probabilities (N, C, ...) and integer labels (N, ...) to the loss, a scalar."""

    def forward(self, probabilities: Tensor, labels: Tensor) -> Tensor:
        """The cross-entropy."""
        labels = _like_positions(labels, probabilities)
        counted = labels != self.ignore_label
        chosen = labels.where(counted, 0)  # an ignored label may be no class
        hot = F.one_hot(chosen, probabilities.shape[1]).movedim(-1, 1)
        # Not gathered: that would lay out the gradient anew, and bf16 is too coarse for a sum.
        dtype = torch.promote_types(probabilities.dtype, torch.float32)
        picked = (probabilities * hot).sum(1, dtype=dtype)
        summed = -picked.clamp(min=_LEAST_PROBABILITY).log().where(counted, 0.0).sum()
        return summed / self.normalizer(labels)


@register
class Accuracy(Judge):
    """The fraction of labels with fewer than top_k other scores at least as high as the label's.

    So a tie counts against the net, as in Caffe: where all scores are equal, or none is a number,
    a label is met only by top_k = classes.
    """

    is_accuracy: ClassVar[bool] = True

    type: Literal["Accuracy"] = Field("Accuracy", description="the fraction of labels met")
    top_k: int = Field(1, ge=1, description="the label may be among this many highest scores")

    def output_shapes(self, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """One number for the whole batch; raises ShapeError."""
        shapes = super().output_shapes(bottoms)
        if self.top_k > bottoms[0][0]:
            raise ShapeError(
                f"Accuracy's top_k, {self.top_k}, must be at most its {bottoms[0][0]} classes"
            )
        return shapes

    def build(self, bottoms: tuple[Shape, ...], generator: torch.Generator) -> nn.Module:
        """A module without parameters."""
        return AccuracyModule(self.top_k, self.ignore_label)


class AccuracyModule(nn.Module):
    """Scores (N, C, ...) and integer labels (N, ...) to a float64 scalar in [0, 1]."""

    def __init__(self, top_k: int, ignore_label: int | None) -> None:
        super().__init__()
        self.top_k = top_k
        self.ignore_label = NO_LABEL if ignore_label is None else ignore_label

    def forward(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Labels met / labels that count, 0 where none counts; without a gradient."""
        labels = _like_positions(labels, scores).unsqueeze(1)
        counts = labels != self.ignore_label
        own = scores.gather(1, labels.where(counts, 0))
        # Not `scores >= own`: where either is NaN it would be false and the label met.
        rivals = (~(scores < own)).sum(1, keepdim=True) - 1
        met = ((rivals < self.top_k) & counts).sum()
        return met.double() / counts.sum().clamp(min=1)


def _like_positions(labels: Tensor, scores: Tensor) -> Tensor:
    """Labels (N, ...) in the shape of the scores' positions, (N, ...) without the classes.

    Labels that were computed are numbers: their whole part counts, as in Caffe.
    """
    return labels.reshape(scores.shape[0], *scores.shape[2:]).long()
