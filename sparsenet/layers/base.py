"""What every layer is: a frozen record of its options that knows its shapes and builds its module.

Shapes are those of one example: `(channels, height, width)`, `(features,)`, `()` for a label.
"""

from __future__ import annotations

from math import prod
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from sparsenet.record import Listed, OneOrMany, Record, registering
from sparsenet.regularization.regularizers import AnyRegularizer

Shape = tuple[int, ...]
Phase = Literal["TRAIN", "VAL", "TEST"]
PHASES: tuple[Phase, ...] = ("TRAIN", "VAL", "TEST")


class ShapeError(ValueError):
    """A layer cannot take the shapes its bottoms have; the message says what it needs."""


class Param(Record):
    """Multipliers of one parameter blob, as Caffe's ParamSpec."""

    lr_mult: float = Field(1.0, ge=0, description="multiplies the learning rate of this blob")
    decay_mult: float = Field(1.0, ge=0, description="multiplies the weight decay of this blob")


class Include(Record):
    """Caffe's NetStateRule, of which the phase is kept."""

    phase: Phase = Field(description="the phase in which the layer is part of the net")


class Layer(Record):
    """The keys every layer has."""

    bottoms: ClassVar[int] = 1
    """Blobs it reads; the least number of them where `more_bottoms`."""
    more_bottoms: ClassVar[bool] = False
    tops: ClassVar[int] = 1
    """Blobs it writes; the least number of them where `more_tops`."""
    more_tops: ClassVar[bool] = False
    is_loss: ClassVar[bool] = False
    """Its top is a part of the net's loss: one number a batch."""
    is_accuracy: ClassVar[bool] = False
    """Its top is an accuracy: one number a batch."""

    name: str = Field(min_length=1, description="the layer's name, by which all else refers to it")
    type: str = Field(description="the kind of layer")
    bottom: OneOrMany[str] | None = Field(
        None,
        description="the blobs it reads; left out: the previous layer's first top, and for a loss "
        "or an accuracy the label too",
    )
    top: OneOrMany[str] | None = Field(
        None, description="the blobs it writes; left out: one, named as the layer"
    )
    phase: OneOrMany[Phase] | None = Field(
        None, description="the phases it is in, short for include; left out: all"
    )
    include: OneOrMany[Include] | None = Field(
        None, description="Caffe's rule, {phase: TRAIN}; a layer of TEST is in VAL too"
    )

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases the layer is in, all of them where the file names none."""
        named = (*(self.phase or ()), *(rule.phase for rule in self.include or ()))
        return named or PHASES

    @property
    def top_names(self) -> tuple[str, ...]:
        """The blobs it writes."""
        return self.top or (self.name,)

    @property
    def detail(self) -> str:
        """What a picture says of the layer after its type: `3x3 /2`; nothing where that is all."""
        return ""

    def output_shapes(self, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """Shapes of the tops for the shapes of the bottoms; raises ShapeError."""
        return bottoms

    def build(self, bottoms: tuple[Shape, ...], generator: torch.Generator) -> nn.Module:
        """The torch module, its parameters filled from `generator`."""
        raise NotImplementedError

    def multiply_accumulates(self, bottoms: tuple[Shape, ...]) -> int:
        """Multiplications by a weight, each with its addition, that one example takes.

        As the field counts them: those of convolutions and fully connected layers alone.
        """
        return 0


class ParameterLayer(Layer):
    """A layer with parameters, the first called `weight` and the second, if any, `bias`.

    Its module's buffers are statistics: stored with the parameters, but not trained.
    """

    param: Listed[Param] = Field(
        (), max_length=2, description="lr_mult and decay_mult, first of the weights then the biases"
    )

    def parameter_shapes(self, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """Shapes of the parameters of the module, in its order; raises ShapeError.

        So that what a net takes is known without building it.
        """
        raise NotImplementedError

    def statistic_shapes(self, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """Shapes of the statistics, the module's buffers, in its order; raises ShapeError."""
        return ()

    def multipliers(self, blob: int) -> Param:
        """Multipliers of blob 0 (weights) or 1 (biases)."""
        return self.param[blob] if blob < len(self.param) else Param()


class WeightedLayer(ParameterLayer):
    """A layer whose weights can be regularized, constrained and pruned, and which has biases."""

    regularization: AnyRegularizer | None = Field(
        None, description="of the weights; left out: the solver's regularization_type"
    )

    def weight_shape(self, bottom: Shape) -> Shape:
        """Shape of the weights (blob 0) for the shape of the bottom."""
        raise NotImplementedError

    def learnt(self, shape: Shape) -> int:
        """How many of its weights of this shape are learnt; the others are zero, always."""
        return prod(shape)

    def learnt_where(self, shape: Shape) -> Tensor | None:
        """Which of its weights of this shape these are, bool on the CPU; None for all of them."""
        return None

    def index_bits(self, shape: Shape) -> int:
        """Bits that say which of its weights of this shape are learnt; 0 where all of them are."""
        return 0

    @property
    def has_bias(self) -> bool:
        """Whether the layer has blob 1, one bias for each output."""
        raise NotImplementedError

    def parameter_shapes(self, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """The weights', and where there is a bias the length of the weights' first axis."""
        weight = self.weight_shape(bottoms[0])
        return (weight, weight[:1]) if self.has_bias else (weight,)


LAYERS: dict[str, type[Layer]] = {}
register = registering(LAYERS)


def need_image(layer: str, shape: Shape) -> tuple[int, int, int]:
    """The shape as (channels, height, width); raises ShapeError for any other."""
    if len(shape) != 3:
        raise ShapeError(f"{layer} needs channels, height and width, not {shape}")
    return shape[0], shape[1], shape[2]


class Elementwise(Layer):
    """Acts on each value of features or of an image, and leaves their shape."""

    def output_shapes(self, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """The bottom's; raises ShapeError for a label."""
        need_channels(self.type, bottoms[0])
        return bottoms


def need_channels(layer: str, shape: Shape) -> int:
    """The channels of an image, or the number of features; raises ShapeError for a label."""
    if not shape:
        raise ShapeError(f"{layer} needs features or an image, not one value an example")
    return shape[0]


def widened(values: Tensor) -> Tensor:
    """The values as float32, or float64 where they are: for sums that bfloat16 would round away."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
