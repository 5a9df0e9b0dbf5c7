"""What a network takes in memory, layer by layer, in every storage format and in the best of them.

Collins & Kohli (2014), Appendix A, with these conventions:

- A layer is its weight: `params` = N and `nonzeros` = t count weights alone, and so do its bytes.
- Biases are stored dense in every format, 4 bytes each. Each counts as a parameter and, because it
  is stored whatever its value, as a nonzero. A layer says how many it has; the totals come without
  them (`weights`) and with them (`total`), the latter being the network's parameter count as
  published.
- The bytes of a total are sums over the layers. `best` is the sum of each layer's own best.
- `ratio` = dense bytes / best bytes: how many times smaller than dense.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from sparsenet.storage.formats import (
    FORMATS,
    VALUE_BYTES,
    Shape,
    best_format,
    checked_size,
    floor_bytes,
)


@dataclass(frozen=True)
class LayerMemory:
    """One layer's weight of shape `shape` with so many nonzeros, and its number of biases.

    Raises ValueError where the nonzeros are more than the weights, naming the layer.
    """

    name: str
    shape: Shape
    nonzeros: int
    biases: int = 0

    def __post_init__(self) -> None:
        try:
            checked_size(self.shape, self.nonzeros)
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None

    @classmethod
    def counted(cls, name: str, weight: Tensor, bias: Tensor | None = None) -> LayerMemory:
        """The layer of a weight and bias as they are, the nonzeros counted from the values."""
        nonzeros = int(torch.count_nonzero(weight))
        return cls(name, tuple(weight.shape), nonzeros, 0 if bias is None else bias.numel())

    @property
    def params(self) -> int:
        """N, the number of weights."""
        return math.prod(self.shape)

    @property
    def density(self) -> float:
        """t / N."""
        return self.nonzeros / self.params

    @property
    def best(self) -> str:
        """Name of the format that takes the fewest bytes."""
        return best_format(self.shape, self.nonzeros).name

    @cached_property
    def bytes(self) -> Mapping[str, int]:
        """Bytes of the weight by format, then the `best` of them and the `floor` below all."""
        sizes = {name: kind.bytes(self.shape, self.nonzeros) for name, kind in FORMATS.items()}
        return sizes | {
            "best": min(sizes.values()),
            "floor": floor_bytes(self.params, self.nonzeros),
        }


@dataclass(frozen=True)
class Total:
    """Parameters, nonzeros and bytes of a whole network."""

    params: int
    nonzeros: int
    bytes: Mapping[str, int]

    @property
    def density(self) -> float:
        """Nonzeros a parameter; 0 where there is no parameter."""
        return self.nonzeros / self.params if self.params else 0.0

    @property
    def ratio(self) -> float | None:
        """Dense bytes / best bytes; None where the best takes none, as of a net of zeros."""
        return self.bytes["dense"] / self.bytes["best"] if self.bytes["best"] else None


@dataclass(frozen=True)
class ModelMemory:
    """The layers of a network that have weights, in the net's order, and their totals."""

    layers: tuple[LayerMemory, ...]

    @classmethod
    def of(cls, layers: Iterable[tuple[str, Sequence[int], int, int]]) -> ModelMemory:
        """From (layer name, weight shape, weight nonzeros, number of biases) of each layer."""
        return cls(tuple(LayerMemory(name, tuple(shape), t, b) for name, shape, t, b in layers))

    @cached_property
    def weights(self) -> Total:
        """The total without biases."""
        return self._total(biases=0)

    @cached_property
    def total(self) -> Total:
        """The total with biases."""
        return self._total(biases=sum(layer.biases for layer in self.layers))

    def _total(self, biases: int) -> Total:
        params = sum(layer.params for layer in self.layers)
        nonzeros = sum(layer.nonzeros for layer in self.layers)
        sizes = {
            key: sum(layer.bytes[key] for layer in self.layers) + VALUE_BYTES * biases
            for key in (*FORMATS, "best", "floor")
        }
        return Total(params + biases, nonzeros + biases, sizes)


def spread(nonzeros: int, sizes: Sequence[int]) -> list[int]:
    """Counts at equal density for layers of these sizes that share one count of nonzeros.

    To predict what an l0 group takes before it has chosen. Best bytes a weight and the floor's bits
    a weight are concave in the density, so by Jensen's inequality equal densities cost the most:
    what training arrives at is no larger, but for the rounding to whole weights and bytes.
    Raises ValueError where there are more nonzeros than weights.
    """
    total = checked_size((sum(sizes),), nonzeros)
    ends = [nonzeros * sum(sizes[: end + 1]) // total for end in range(len(sizes))]
    return [end - begin for begin, end in zip([0, *ends[:-1]], ends, strict=True)]
