"""Nets as `sparsenet summary --json` describes them, made up without a configuration."""

from __future__ import annotations

from math import prod
from typing import Any

Shape = tuple[int, ...]


class Made:
    """A document that layers are added to; a bottom left out is the last layer's top."""

    def __init__(self, name: str = "made", image: Shape = (3, 32, 32)) -> None:
        self.layers: list[dict[str, Any]] = []
        self.shapes: dict[str, Shape] = {}
        self.name, self.last = name, ""
        self.add("data", "Data", image, bottom=[])
        self.layers[0] |= {"top": ["data", "label"], "output_shapes": [image, ()]}

    def add(
        self,
        name: str,
        kind: str,
        shape: Shape | None = None,
        *,
        bottom: list[str] | None = None,
        top: str | None = None,
        parameters: tuple[Shape, ...] = (),
    ) -> str:
        """A layer of one top; its shape left out is its bottom's."""
        read = [self.last] if bottom is None else bottom
        out = self.shapes[read[0]] if shape is None else shape
        self.last = top or name
        self.shapes[self.last] = out
        counts = {
            "parameters": sum(map(prod, parameters)),
            "multiply_accumulates": 9 * bool(parameters) if kind != "BatchNormScale" else 0,
        }
        kernels = ["x".join(map(str, shape[2:])) for shape in parameters if len(shape) == 4]
        named = {"name": name, "type": kind, "detail": " ".join(kernels)}
        named |= {"bottom": read, "top": [self.last]}
        shapes = {"output_shapes": [out], "parameter_shapes": list(parameters)}
        self.layers.append(named | shapes | counts)
        return self.last

    def convolution(self, name: str, width: int, bottom: str | None = None) -> str:
        """A 3x3 convolution that keeps the size, its BatchNormScale and its ReLU."""
        read = bottom or self.last
        channels, *size = self.shapes[read]
        weight = (width, channels, 3, 3)
        self.add(name, "Convolution", (width, *size), bottom=[read], parameters=(weight,))
        self.add(f"{name}_bn", "BatchNormScale", parameters=((width,), (width,)))
        return self.add(f"{name}_relu", "ReLU", top=self.last)

    def judges(self) -> None:
        """An accuracy and a loss."""
        scores = self.last
        self.add("accuracy", "Accuracy", (), bottom=[scores, "label"])
        self.add("loss", "SoftmaxWithLoss", (), bottom=[scores, "label"])

    def document(self) -> dict[str, Any]:
        """The whole of it."""
        keys = ("parameters", "multiply_accumulates")
        total = {key: sum(layer[key] for layer in self.layers) for key in keys}
        return {"name": self.name, "phase": "TEST", "layers": self.layers, "total": total}


def chain(length: int) -> dict[str, Any]:
    """Convolutions one after the other."""
    made = Made("chain")
    for nth in range(length):
        made.convolution(f"conv{nth}", 8)
    made.judges()
    return made.document()


def residual(blocks: int) -> dict[str, Any]:
    """Blocks of two convolutions and a shortcut, in each third with a convolution of its own."""
    made = Made("residual")
    made.convolution("conv", 8)
    for nth in range(blocks):
        source = made.last
        made.convolution(f"block/{nth}/conv1", 8)
        branch = made.convolution(f"block/{nth}/conv2", 8)
        short = made.convolution(f"block/{nth}/down/conv", 8, source) if nth % 3 == 2 else source
        made.add(f"block/{nth}/sum", "Eltwise", bottom=[branch, short])
        made.add(f"block/{nth}/relu", "ReLU", top=made.last)
    made.judges()
    return made.document()


def inception(blocks: int) -> dict[str, Any]:
    """Blocks of four branches that are joined."""
    made = Made("inception")
    for nth in range(blocks):
        source = made.last
        ends = []
        for branch, depth in enumerate((1, 2, 2, 1)):
            end = source
            for step in range(depth):
                end = made.convolution(f"mixed{nth}/branch{branch}_{step}", 8, end)
            ends.append(end)
        made.add(f"mixed{nth}/join", "Concat", (32, 32, 32), bottom=ends)
    made.judges()
    return made.document()
