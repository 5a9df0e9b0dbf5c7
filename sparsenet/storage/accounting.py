"""What a network takes in memory, layer by layer, in every storage format and in the best of them.

Collins & Kohli (2014), Appendix A, with these conventions:

- A layer is its weight: `params` = N and `nonzeros` = t count weights alone, and so do its bytes.
- Biases are stored dense in every format, 4 bytes each. Each counts as a parameter and, because it
  is stored whatever its value, as a nonzero. A layer says how many it has; the totals come without
  them (`weights`) and with them (`total`), the latter being the network's parameter count as
  published.
- Where layers have other parameters (scales, shifts, slopes) they count as biases do. Statistics,
  of batches, are no parameters, but stored as biases are: they count in the bytes of `total` alone.
- The bytes of a total are sums over the layers. `best` is the sum of each layer's own best.
- `ratio` = dense bytes / best bytes: how many times smaller than dense.
- Where only the counts of the nonzeros are known, what a format takes is the most that it can take
  with so many: relative indices depend on the places too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from torch import Tensor

from sparsenet.storage.encoded import cheapest
from sparsenet.storage.floor import floor_bytes
from sparsenet.storage.format import VALUE_BYTES, Shape, checked_size
from sparsenet.storage.formats import FORMATS
from sparsenet.storage.values import FLOAT32, Values

SIZES = (*FORMATS, "best", "floor")
"""What sizes are given in bytes: by format, the best of them, and the floor below all."""


@dataclass(frozen=True)
class LayerMemory:
    """One layer's weight of shape `shape` with so many nonzeros, and its number of biases.

    `index` holds the bytes of the places by format, and `stored` how many values there are, where
    they have been counted; `values` are how these are stored. Raises ValueError where the nonzeros
    are more than the weights, naming the layer.
    """

    name: str
    shape: Shape
    nonzeros: int
    biases: int = 0
    index: Mapping[str, int] = field(default_factory=dict)
    values: Values = FLOAT32
    stored: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            checked_size(self.shape, self.nonzeros)
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None

    @classmethod
    def counted(
        cls, name: str, weight: Tensor, biases: int = 0, values: Values = FLOAT32
    ) -> LayerMemory:
        """The layer of a weight as it is, the nonzeros and their places taken from the values."""
        shape = tuple(weight.shape)
        places = np.flatnonzero(weight.detach().cpu().reshape(-1).numpy())
        index = {name: kind.index_bytes_of(places, shape) for name, kind in FORMATS.items()}
        stored = {name: kind.stored_of(places, shape) for name, kind in FORMATS.items()}
        return cls(name, shape, len(places), biases, index, values, stored)

    @classmethod
    def within(cls, name: str, where: Tensor, nonzeros: int, biases: int = 0) -> LayerMemory:
        """The layer of a weight with so many nonzeros, all of them within a pattern, bool."""
        shape, periodic = tuple(where.shape), FORMATS["periodic"]
        places = np.flatnonzero(where.cpu().reshape(-1).numpy())
        index = {periodic.name: periodic.index_bytes_of(places, shape)}
        stored = {periodic.name: periodic.stored_of(places, shape)}
        return cls(name, shape, nonzeros, biases, index, stored=stored)

    @property
    def params(self) -> int:
        """N, the number of weights."""
        return math.prod(self.shape)

    @property
    def density(self) -> float:
        """t / N."""
        return self.nonzeros / self.params

    @cached_property
    def best(self) -> str:
        """Name of the format that takes the fewest bytes."""
        rows = self.shape[0]
        return cheapest(self._index, self._stored, rows, self.nonzeros, self.values).name

    @cached_property
    def _index(self) -> Mapping[str, int]:
        most = {name: kind.index_bytes(self.shape, self.nonzeros) for name, kind in FORMATS.items()}
        return most | dict(self.index)

    @cached_property
    def _stored(self) -> Mapping[str, int]:
        most = {name: kind.stored(self.shape, self.nonzeros) for name, kind in FORMATS.items()}
        return most | dict(self.stored)

    @cached_property
    def bytes(self) -> Mapping[str, int]:
        """Bytes of the weight by format, then the `best` of them and the `floor` below all."""
        rows = self.shape[0]
        sizes = {
            name: self._index[name] + self.values.bytes(self._stored[name], rows)
            for name in FORMATS
        }
        return sizes | {"best": sizes[self.best], "floor": self._floor}

    @property
    def _floor(self) -> int:
        """Of any choice of the nonzeros, or of one among the positions that a table names first."""
        least = self.values.bytes(self.nonzeros, self.shape[0])
        table, among = self._index["periodic"], self._stored["periodic"]
        anywhere = floor_bytes(self.params, self.nonzeros, least)
        return min(anywhere, table + floor_bytes(max(1, among), self.nonzeros, least))


@dataclass(frozen=True)
class OtherMemory:
    """A layer that has no weights, but parameters of other kinds, or statistics, or both."""

    name: str
    parameters: int
    statistics: int

    @property
    def total(self) -> Total:
        """The same as parameters, all of them nonzero, and bytes, in every format the same."""
        size = VALUE_BYTES * (self.parameters + self.statistics)
        return Total(self.parameters, self.parameters, dict.fromkeys(SIZES, size))


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
    """The layers of a network that have weights, and the others that are stored, in its order."""

    layers: tuple[LayerMemory, ...]
    others: tuple[OtherMemory, ...] = ()

    @classmethod
    def of(
        cls,
        layers: Iterable[tuple[str, Sequence[int], int, int]],
        others: Iterable[tuple[str, int, int]] = (),
    ) -> ModelMemory:
        """From (layer name, weight shape, weight nonzeros, number of biases) of each layer.

        And of the others from (layer name, number of parameters, number of statistics).
        """
        return cls(
            tuple(LayerMemory(name, tuple(shape), t, b) for name, shape, t, b in layers),
            tuple(OtherMemory(*other) for other in others),
        )

    @cached_property
    def biases(self) -> int:
        """The number of biases of the layers that have weights."""
        return sum(layer.biases for layer in self.layers)

    @cached_property
    def statistics(self) -> int:
        """The number of statistics."""
        return sum(other.statistics for other in self.others)

    @cached_property
    def weights(self) -> Total:
        """The total of the weights alone."""
        params = sum(layer.params for layer in self.layers)
        nonzeros = sum(layer.nonzeros for layer in self.layers)
        sizes = {key: sum(layer.bytes[key] for layer in self.layers) for key in SIZES}
        return Total(params, nonzeros, sizes)

    @cached_property
    def total(self) -> Total:
        """The total with biases and what others there are."""
        weights = self.weights
        dense = self.biases + sum(other.parameters for other in self.others)
        added = VALUE_BYTES * (dense + self.statistics)
        sizes = {key: size + added for key, size in weights.bytes.items()}
        return Total(weights.params + dense, weights.nonzeros + dense, sizes)

    @cached_property
    def dense_or_indexed(self) -> int:
        """Bytes of all parameters, each layer's weight dense or in 8 bytes a nonzero, the smaller.

        That is how Collins & Kohli (2014), section 5.2, arrive at a quarter of AlexNet: all indices
        of 32 bits, all values float32, and statistics not counted.
        """
        rest = self.total.params - self.weights.params
        sizes = (min(one.params, 2 * one.nonzeros) for one in self.layers)
        return VALUE_BYTES * (rest + sum(sizes))


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
