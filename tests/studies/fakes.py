"""Results that nobody trained for, and a search whose networks score what a function says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

from sparsenet.studies.strategies import Counts, Found
from sparsenet.trials.result import LayerCount, Result
from sparsenet.trials.trial import Trial

Accuracy = Callable[[Counts], float]


def result(
    nonzeros: Mapping[str, int], sizes: Mapping[str, int], val: float | None = None, **keys: Any
) -> Result:
    """The result of a net with these nonzeros by layer, of so many weights."""
    layers = {name: LayerCount(sizes[name], count) for name, count in nonzeros.items()}
    known = {"key": "0" * 16, "accuracy": {"VAL": val}, "params": sum(sizes.values())}
    return Result(layers=layers, **known | keys)


class FakeSearch:
    """Notes what a strategy asks for, and answers at once."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], accuracy: Accuracy) -> None:
        self.shapes, self.accuracy = shapes, accuracy
        self.sizes = {name: prod(shape) for name, shape in shapes.items()}
        self.trained: list[list[str]] = []
        self.shared: list[bool] = []

    def first(self) -> Found:
        return self._found("", dict(self.sizes))

    def train(
        self, start: Found, cuts: Sequence[tuple[str, Counts]], *, shared: bool
    ) -> list[Found]:
        if cuts:
            self.trained.append([layer for layer, _ in cuts])
            self.shared.append(shared)
        return [self._found(layer, counts) for layer, counts in cuts]

    def _found(self, layer: str, counts: Counts) -> Found:
        scored = result(counts, self.sizes, self.accuracy(counts))
        return Found(Trial({"max_iter": 1}, label=layer), counts, layer, scored)
