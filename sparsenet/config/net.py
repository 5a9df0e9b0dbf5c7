"""The net file's record: a name and a list of layers in Caffe's vocabulary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Union

from pydantic import Field

from sparsenet.layers import LAYERS
from sparsenet.layers.base import Layer
from sparsenet.record import Listed, Record

if TYPE_CHECKING:
    AnyLayer = Layer
else:
    AnyLayer = Annotated[Union[tuple(LAYERS.values())], Field(discriminator="type")]  # noqa: UP007


class NetConfig(Record):
    """A net: its layers in the order they compute, wired by the names of their blobs."""

    merged_before: ClassVar[tuple[str, ...]] = ("blocks", "defaults", "kernel_pattern")

    name: str = Field("net", description="the net's name, as summaries show it")
    layers: Listed[AnyLayer] = Field(min_length=1, description="the layers, in order")
