"""What each layer's `regularization` says, and what it does to a weight in every update.

One update of a weight W, with `rate` = learning rate * lr_mult (Caffe's order):

    gradient  <-  add_gradient_(W, gradient)      before momentum and learning rate: l2, l1
    W         <-  W - the solver's step
    W         <-  after_update_(W, rate)          after the step: shrink

The projection of l0 (every `interval` updates) and of its groups acts over several weights at once
and so is done beside the loop, and bridgeout's noise acts on the weight that a layer computes with
(layers/bridgeout.py); their records here hold the options. A new regularizer is one record
with `@register` above it and its name in `AnyRegularizer`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator
from torch import Tensor

from sparsenet.amounts import Amount
from sparsenet.record import KeyProblem, Record, registering
from sparsenet.regularization.projections import soft_threshold_


class Regularizer(Record):
    """The two places where a regularizer may act on a weight; both do nothing unless overridden.

    Both change their tensor in place and are called without gradient recording.
    """

    strengths: ClassVar[tuple[str, ...]] = ()
    """The keys whose value 0 makes this regularizer the identity."""

    def add_gradient_(
        self, weight: Tensor, gradient: Tensor, decay_mult: float, default_decay: float
    ) -> None:
        """Add the penalty's gradient to `gradient`, before momentum and learning rate.

        `default_decay` is the solver's weight_decay, for a regularizer that gives none itself.
        """

    def after_update_(self, weight: Tensor, rate: float) -> None:
        """Change the weight after the solver's step; `rate` = learning rate * lr_mult."""


REGULARIZERS: dict[str, type[Regularizer]] = {}
register = registering(REGULARIZERS)


class _Decay(Regularizer):
    """The key of the regularizers that Caffe has itself."""

    strengths = ("weight_decay",)

    weight_decay: float | None = Field(
        None, ge=0, description="strength; left out: the solver's weight_decay"
    )

    def decay(self, decay_mult: float, default_decay: float) -> float:
        """Caffe's local_decay: weight_decay * decay_mult."""
        return (default_decay if self.weight_decay is None else self.weight_decay) * decay_mult


@register
class L2(_Decay):
    """g <- g + weight_decay * decay_mult * W, the gradient of weight_decay/2 * |W|^2 (Caffe)."""

    type: Literal["l2"] = Field("l2", description="weight decay, Caffe's L2")

    def add_gradient_(
        self, weight: Tensor, gradient: Tensor, decay_mult: float, default_decay: float
    ) -> None:
        """g += weight_decay * decay_mult * W."""
        if decay := self.decay(decay_mult, default_decay):
            gradient.add_(weight, alpha=decay)


@register
class L1(_Decay):
    """g <- g + weight_decay * decay_mult * sign(W), sign(0) = 0 (Collins & Kohli eq. 5, Caffe).

    A subgradient, so weights cross zero and swing about it instead of staying there.
    """

    type: Literal["l1"] = Field("l1", description="the sign's subgradient, Caffe's L1")

    def add_gradient_(
        self, weight: Tensor, gradient: Tensor, decay_mult: float, default_decay: float
    ) -> None:
        """g += weight_decay * decay_mult * sign(W)."""
        if decay := self.decay(decay_mult, default_decay):
            gradient.add_(weight.sign(), alpha=decay)


@register
class Shrink(Regularizer):
    """W <- max(|W| - d, 0) * sign(W) after each step (Collins & Kohli eq. 6).

    The proximal operator of strength * |W|_1 for a step of size rate = lr * lr_mult: d = rate *
    strength. Or `delta` is d itself, whatever the learning rate. Gives exact zeros.
    """

    strengths = ("strength", "delta")

    type: Literal["shrink"] = Field("shrink", description="soft threshold after each step")
    strength: float | None = Field(
        None, ge=0, description="the threshold is learning rate * lr_mult * strength"
    )
    delta: float | None = Field(
        None, ge=0, description="a constant threshold, in place of strength"
    )

    @model_validator(mode="after")
    def _one_threshold(self) -> Shrink:
        if self.strength is None and self.delta is None:
            raise ValueError("shrink needs strength or delta")
        if self.strength is not None and self.delta is not None:
            raise KeyProblem("delta", "cannot stand beside strength; give one of them")
        return self

    def threshold(self, rate: float) -> float:
        """d of this step, in the weights' units."""
        return rate * self.strength if self.strength is not None else self.delta or 0.0

    def after_update_(self, weight: Tensor, rate: float) -> None:
        """W <- max(|W| - d, 0) * sign(W)."""
        if threshold := self.threshold(rate):
            soft_threshold_(weight, threshold)


@register
class L0(Regularizer):
    """Every `interval` updates all but the t largest magnitudes become 0 (Collins & Kohli eq. 7).

    Between projections weights may come back: projected gradient descent, not a fixed mask.
    """

    strengths = ("weight_decay",)

    type: Literal["l0"] = Field("l0", description="at most t weights that are not zero")
    t: Amount | None = Field(
        None, description="how many weights stay, or a percentage of them; left out: a stage's t"
    )
    interval: int = Field(100, ge=1, description="updates between two projections")
    group: str | None = Field(
        None,
        min_length=1,
        description="layers of the same group share one t over all their weights",
    )
    velocity: Literal["keep", "clear"] = Field(
        "keep", description="what becomes of the momentum of weights that a projection zeroes"
    )
    weight_decay: float = Field(
        0.0, ge=0, description="strength of an l2 beside the projection, by decay_mult"
    )

    def add_gradient_(
        self, weight: Tensor, gradient: Tensor, decay_mult: float, default_decay: float
    ) -> None:
        """g += weight_decay * decay_mult * W; the solver's weight_decay does not count here."""
        if decay := self.weight_decay * decay_mult:
            gradient.add_(weight, alpha=decay)


@register
class Bridgeout(_Decay):
    """W <- W + T (|W| + 1e-12)^(q/2) (m/(1-p) - 1) in each forward pass of TRAIN alone.

    m is 1 with probability 1 - p and else 0; T is 1 for the weights that are perturbed and else 0:
    of each row of an InnerProduct the int(target_fraction * inputs) least in magnitude, in each
    filter of a Convolution the int(target_fraction * channels / group) kernels least in l2 norm
    (Khan and Stavness 2020). W itself is what is tested and saved.
    """

    strengths = ("weight_decay",)

    type: Literal["bridgeout"] = Field("bridgeout", description="noise on the weights in training")
    weight_decay: float | None = Field(
        None,
        ge=0,
        description="strength of an l2 beside the noise; left out: the solver's weight_decay",
    )
    q: float = Field(
        1.5, gt=0, description="for a linear model the noise is a penalty p/(1-p) * |w|^q * x^2"
    )
    p: float = Field(0.3, ge=0, lt=1, description="probability with which a weight is dropped")
    target_fraction: float = Field(
        0.75, gt=0, le=1, description="share of the weights, the smallest, that is perturbed"
    )
    granularity: Literal["batch", "example"] = Field(
        "batch", description="one mask m for a mini-batch, or one for each of its examples"
    )

    def add_gradient_(
        self, weight: Tensor, gradient: Tensor, decay_mult: float, default_decay: float
    ) -> None:
        """g += weight_decay * decay_mult * W; the noise acts in the forward pass."""
        if decay := self.decay(decay_mult, default_decay):
            gradient.add_(weight, alpha=decay)


AnyRegularizer = Annotated[L2 | L1 | Shrink | L0 | Bridgeout, Field(discriminator="type")]
