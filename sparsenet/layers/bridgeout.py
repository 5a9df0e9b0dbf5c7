"""A layer's output by weights that Bridgeout perturbs, one mask for a batch or for each example."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from sparsenet.regularization.perturbation import drawn, perturbed, spread
from sparsenet.regularization.regularizers import Bridgeout, Regularizer

Computed = Callable[[Tensor, Tensor], Tensor]
"""The outputs of examples (N, ...) by a weight, or by a weight for each of them (N, *weight)."""

_CHUNK = 1 << 24
"""Weights that are perturbed at a time where each example has its own."""


def bridgeout_of(rule: Regularizer | None) -> BridgeoutModule | None:
    """What perturbs the weight of a layer with this regularization; None where nothing does."""
    return BridgeoutModule(rule) if isinstance(rule, Bridgeout) else None


class BridgeoutModule(nn.Module):
    """Computes a layer with perturbed weights; for TRAIN alone, tests use the weight itself.

    Without parameters. It draws from torch's own generator at each call, as Dropout does.
    """

    def __init__(self, rule: Bridgeout) -> None:
        super().__init__()
        self.rule = rule

    def forward(
        self, examples: Tensor, weight: Tensor, together: Computed, apart: Computed
    ) -> Tensor:
        """Outputs of the examples: `together` by one weight W~, `apart` by one for each of them."""
        rule = self.rule
        size = spread(weight, rule.q, rule.target_fraction)
        if rule.granularity == "batch":
            return together(examples, perturbed(weight, size, drawn(weight, rule.p), rule.p))

        def outputs(examples: Tensor, weight: Tensor, size: Tensor, kept: Tensor) -> Tensor:
            return apart(examples, perturbed(weight, size, kept, rule.p))

        parts = []
        for some in torch.split(examples, max(1, _CHUNK // weight.numel())):
            kept = drawn(weight, rule.p, len(some))
            # The perturbed weights are computed again for the backward pass: until then only their
            # masks are held, a byte a weight and example.
            part = checkpoint(
                outputs, some, weight, size, kept, use_reentrant=False, preserve_rng_state=False
            )
            parts.append(part)
        return torch.cat(parts)
