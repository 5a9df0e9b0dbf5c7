"""The boxes of a picture of a net: a layer and those after it that only change its values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sparsenet.errors import printable
from sparsenet.plots.wiring import Layer, Wire, kind_of

LONGEST = 36
"""Characters of a name that is shown in full."""


class Arrow(NamedTuple):
    """From one box to another, and the shape of what it carries."""

    source: int
    target: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Card:
    """The layers of a box, and the block, if any, that all of them are of."""

    layers: tuple[Layer, ...]
    block: str

    def rows(self) -> list[tuple[str, str, str]]:
        """Name, kind and number of parameters of each layer, as a reader needs them."""
        return [
            (
                shortened(layer["name"].removeprefix(f"{self.block}/")),
                kind_of(layer),
                _rounded(layer["parameters"]),
            )
            for layer in self.layers
        ]


def cards_of(layers: Sequence[Layer], wires: Sequence[Wire]) -> tuple[list[Card], list[Arrow]]:
    """The boxes, and the arrows between them.

    A layer shares the box of the one before it where both are of one block, nothing else reads that
    one, and its output has the same shape and costs no multiplication.
    """
    readers = Counter(wire.source for wire in wires)
    sources = {wire.target: wire for wire in wires}
    reads = Counter(wire.target for wire in wires)
    home: dict[int, int] = {}
    boxes: list[list[Layer]] = []
    for place, layer in enumerate(layers):
        wire = sources.get(place)
        small = [tuple(shape) for shape in layer["output_shapes"]] == [wire and wire.shape]
        small &= not layer["multiply_accumulates"]
        small &= not wire or _around(layer) == _around(layers[wire.source])
        if wire and small and reads[place] == readers[wire.source] == 1:
            home[place] = home[wire.source]
            boxes[home[place]].append(layer)
        else:
            home[place] = len(boxes)
            boxes.append([layer])
    arrows = dict.fromkeys(Arrow(home[w.source], home[w.target], w.shape) for w in wires)
    blocks = set(map(_around, layers)) - {""}
    cards = [Card(tuple(box), _block_of(box[0]["name"], blocks)) for box in boxes]
    return cards, [arrow for arrow in arrows if arrow.source != arrow.target]


def _around(layer: Layer) -> str:
    """The name of the innermost block that the layer is in, nothing for the net's own."""
    name: str = layer["name"]
    return name.rpartition("/")[0]


def _block_of(name: str, blocks: set[str]) -> str:
    """The outermost block with layers of its own that the layer of this name is in."""
    parts = name.split("/")
    above = ("/".join(parts[:length]) for length in range(1, len(parts)))
    return next((block for block in above if block in blocks), "")


def shortened(name: str) -> str:
    """A name on one line, cut in its middle where it is long."""
    text = printable(name)
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[: half - 1]}…{text[-half:]}"


def _rounded(count: int) -> str:
    """To three digits: `520`, `25.1 k`, `37.8 M`; nothing for none."""
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= 0.9995 * size:
            return f"{count / size:.3g} {unit}"
    return str(count) if count else ""
