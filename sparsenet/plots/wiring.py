"""What the pictures of a net share: which layer feeds which, and a layer in few words.

A net is the document of `sparsenet summary --json`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Layer = Mapping[str, Any]

COLORS = {
    "Data": "#e6e6e6",
    "Convolution": "#cfe3f2",
    "InnerProduct": "#f9dcc8",
    "Pooling": "#cdebdf",
} | dict.fromkeys(("Eltwise", "Concat", "Slice", "Split"), "#f0dbe8")
JUDGE_COLOR = "#fbf4c4"
OTHER_COLOR = "#f7f7f7"


class Wire(NamedTuple):
    """A blob on its way from the layer that wrote it last to one that reads it, by their places."""

    source: int
    target: int
    shape: tuple[int, ...]
    is_label: bool


def wires_of(layers: Sequence[Layer]) -> list[Wire]:
    """Every wire, in the order of the layers that read. A layer may write the blob that it reads.

    A layer that reads none, Data, writes images and then labels.
    """
    writers: dict[str, tuple[int, tuple[int, ...], bool]] = {}
    wires = []
    for place, layer in enumerate(layers):
        for blob in layer["bottom"]:
            source, shape, is_label = writers[blob]
            wires.append(Wire(source, place, shape, is_label))
        for nth, (blob, shape) in enumerate(zip(layer["top"], layer["output_shapes"], strict=True)):
            writers[blob] = place, tuple(shape), nth > 0 and not layer["bottom"]
    return wires


def color_of(layer: Layer) -> str:
    """The colour of its kind; what is left with one number, a loss or an accuracy, is a judge."""
    if layer["bottom"] and not any(layer["output_shapes"]):
        return JUDGE_COLOR
    return COLORS.get(layer["type"], OTHER_COLOR)


def kind_of(layer: Layer) -> str:
    """Its type, and what its keys say beside that: `Convolution 5x5`, `Pooling MAX 3x3 /2`."""
    return f"{layer['type']} {layer['detail']}".rstrip()


def dims(shape: Sequence[int]) -> str:
    """`20x24x24`; one number has no axis and is `1`."""
    return "x".join(map(str, shape)) or "1"
