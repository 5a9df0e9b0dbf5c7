"""Dropout (Srivastava et al. 2014), scaled while training as Caffe does."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import nn

from sparsenet.layers.base import Elementwise, Shape, register


@register
class Dropout(Elementwise):
    """In TRAIN y = x * m / (1 - dropout_ratio), m ~ Bernoulli(1 - dropout_ratio); else y = x."""

    type: Literal["Dropout"] = Field("Dropout", description="zeroes random values in training")
    dropout_ratio: float = Field(
        0.5, ge=0, lt=1, description="probability with which a value is zeroed"
    )

    def build(self, bottoms: tuple[Shape, ...], generator: torch.Generator) -> nn.Module:
        """A module without parameters; it draws from torch's own generator at each call."""
        return nn.Dropout(self.dropout_ratio)
