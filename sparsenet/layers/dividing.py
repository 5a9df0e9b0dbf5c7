"""Slice, Split and ChannelShuffle: a blob in parts, several times, or in another order."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from sparsenet.layers.base import Layer, Shape, ShapeError, need_channels, need_image, register
from sparsenet.record import KeyProblem, OneOrMany
from sparsenet.record_words import shown


@register
class Slice(Layer):
    """The bottom's channels (Caffe's, axis 1), or its features, cut into one part for each top.

    Top i has the channels from slice_point i-1 up to slice_point i, not included.
    """

    more_tops: ClassVar[bool] = True

    type: Literal["Slice"] = Field("Slice", description="the channels of a blob in parts")
    slice_point: OneOrMany[int] | None = Field(
        None,
        description="the first channel of each top but the first; left out: parts of equal size",
    )

    @model_validator(mode="after")
    def _points_fit_the_tops(self) -> Slice:
        if self.slice_point is None:
            return self
        points = shown(self.slice_point)
        if len(self.slice_point) != len(self.top_names) - 1:
            tops = f"{len(self.top_names)} top{'s' * (len(self.top_names) != 1)}"
            raise KeyProblem("slice_point", f"{points} must have one number less than the {tops}")
        if any(later <= earlier for earlier, later in pairwise((0, *self.slice_point))):
            raise KeyProblem("slice_point", f"{points} must increase from above 0")
        return self

    def output_shapes(self, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """A shape for each top; raises ShapeError where the channels do not suffice."""
        need_channels("Slice", bottoms[0])
        return tuple((channels, *bottoms[0][1:]) for channels in self._parts(bottoms[0]))

    def build(self, bottoms: tuple[Shape, ...], generator: torch.Generator) -> nn.Module:
        """A module without parameters; raises ShapeError."""
        return SliceModule(self._parts(bottoms[0]))

    def _parts(self, bottom: Shape) -> list[int]:
        """The channels of each top."""
        channels, tops = bottom[0], len(self.top_names)
        if self.slice_point is None:
            if channels % tops:
                raise ShapeError(
                    f"Slice's {tops} tops must divide the {channels} channels of its bottom, "
                    f"{bottom}; or give slice_point"
                )
            return [channels // tops] * tops
        if self.slice_point and self.slice_point[-1] >= channels:
            raise ShapeError(
                f"Slice's slice_point, {self.slice_point[-1]}, must be less than the {channels} "
                f"channels of its bottom, {bottom}"
            )
        return [later - earlier for earlier, later in pairwise((0, *self.slice_point, channels))]


class SliceModule(nn.Module):
    """A tensor (N, C, ...) to views (N, C_i, ...) of it."""

    def __init__(self, parts: list[int]) -> None:
        super().__init__()
        self.parts = parts

    def forward(self, blob: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The parts, or the blob itself where it is the only one."""
        return blob if len(self.parts) == 1 else torch.split(blob, self.parts, dim=1)


@register
class Split(Layer):
    """Each top is the bottom, and its gradient is the sum of theirs.

    Not needed where a blob is read twice, which any blob can be; Caffe inserts it there.
    """

    more_tops: ClassVar[bool] = True

    type: Literal["Split"] = Field("Split", description="a blob under several names")

    def output_shapes(self, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """The bottom's, for each top."""
        return bottoms * len(self.top_names)

    def build(self, bottoms: tuple[Shape, ...], generator: torch.Generator) -> nn.Module:
        """A module without parameters."""
        return SplitModule(len(self.top_names))


class SplitModule(nn.Module):
    """A tensor to the same one, several times."""

    def __init__(self, tops: int) -> None:
        super().__init__()
        self.tops = tops

    def forward(self, blob: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The tensor, once for each top."""
        return blob if self.tops == 1 else (blob,) * self.tops


@register
class ChannelShuffle(Layer):
    """y_{j g + i} = x_{i C/g + j}, i < g, j < C/g: deals g groups of channels out in turn.

    ShuffleNet's (Zhang et al. 2018, section 3.1).
    """

    type: Literal["ChannelShuffle"] = Field(
        "ChannelShuffle", description="channels from all groups in turn"
    )
    group: int = Field(ge=1, description="groups that the channels come in")

    def output_shapes(self, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """The bottom's; raises ShapeError where the groups do not divide the channels."""
        shape = need_image("ChannelShuffle", bottoms[0])
        if shape[0] % self.group:
            raise ShapeError(
                f"ChannelShuffle's group, {self.group}, must divide the {shape[0]} channels of its "
                f"bottom, {shape}"
            )
        return (shape,)

    def build(self, bottoms: tuple[Shape, ...], generator: torch.Generator) -> nn.Module:
        """A module without parameters."""
        return ChannelShuffleModule(self.group)


class ChannelShuffleModule(nn.Module):
    """Images (N, C, H, W) to the same, in their layout: torch's own leaves channels last."""

    def __init__(self, group: int) -> None:
        super().__init__()
        self.group = group

    def forward(self, images: Tensor) -> Tensor:
        """The images with their channels in the new order."""
        is_last = images.is_contiguous(memory_format=torch.channels_last)
        axis = 3 if is_last else 1
        dealt = torch.unflatten(images.movedim(1, axis), axis, (self.group, -1))
        return dealt.transpose(axis, axis + 1).flatten(axis, axis + 1).movedim(axis, 1)
