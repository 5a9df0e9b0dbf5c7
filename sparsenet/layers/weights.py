"""The keys of the layers whose weight and bias come from fillers."""

from __future__ import annotations

import torch
from pydantic import Field, model_validator
from torch import Tensor

from sparsenet.layers.base import Shape, ShapeError, WeightedLayer
from sparsenet.layers.fillers import AnyFiller, Constant, Filler
from sparsenet.record import KeyProblem


class FilledLayer(WeightedLayer):
    """A layer with `num_output` outputs, a weight whose first axis they are, and their biases."""

    num_output: int = Field(ge=1, description="outputs: channels of an image, or features")
    bias_term: bool = Field(True, description="whether a bias is added to each output")
    weight_filler: AnyFiller = Field(
        Constant(), description="first values of the weights; left out: 0, so give one"
    )
    bias_filler: AnyFiller = Field(
        Constant(), description="first values of the biases; left out: 0"
    )

    @model_validator(mode="after")
    def _no_keys_of_a_bias_that_is_not(self) -> FilledLayer:
        if not self.bias_term and self.bias_filler != Constant():
            raise KeyProblem("bias_filler", "has nothing to fill: bias_term is false")
        if not self.bias_term and len(self.param) > 1:
            raise KeyProblem("param", "has a second entry but no bias: bias_term is false")
        return self

    @property
    def has_bias(self) -> bool:
        """Whether a bias is added to each output."""
        return self.bias_term

    def check_weights(self, shape: Shape) -> None:
        """Raise ShapeError where a filler cannot fill a weight of this shape, or its bias."""
        check_filler("weight_filler", self.weight_filler, shape)
        if self.bias_term:
            check_filler("bias_filler", self.bias_filler, (self.num_output,))

    def fill_weights(
        self, shape: Shape, generator: torch.Generator
    ) -> tuple[Tensor, Tensor | None]:
        """The first values of a weight of this shape and then of the bias, if there is one."""
        weight = self.weight_filler.fill(shape, generator)
        if not self.bias_term:
            return weight, None
        return weight, self.bias_filler.fill((self.num_output,), generator)


def check_filler(key: str, filler: Filler, shape: Shape) -> None:
    """Raise ShapeError, naming the key, where its filler cannot fill a blob of this shape."""
    try:
        filler.check(shape)
    except ShapeError as error:
        raise ShapeError(f"{key}: {error}") from None
