"""What a trial came to: one line of trials.jsonl."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ConfigDict, NonNegativeInt, TypeAdapter, ValidationError

from sparsenet.storage.accounting import ModelMemory


@dataclass(frozen=True)
class LayerCount:
    """The weights of a layer, and how many of them are not zero."""

    weights: NonNegativeInt
    nonzeros: NonNegativeInt


@dataclass(frozen=True)
class Result:
    """The scores and the size of a trial's final net.

    `accuracy`, `loss` and the number of `samples` are by phase, None where they are not finite;
    `bytes` are those of the best formats, biases included; `params` counts weights and biases;
    `iterations` are the updates made. `failed` says why there is no net, where the training
    diverged: the rest is then empty.
    """

    __pydantic_config__ = ConfigDict(extra="ignore")

    key: str
    label: str = ""
    seed: NonNegativeInt = 0
    iterations: NonNegativeInt = 0
    accuracy: dict[str, float | None] = field(default_factory=dict)
    loss: dict[str, float | None] = field(default_factory=dict)
    samples: dict[str, NonNegativeInt] = field(default_factory=dict)
    layers: dict[str, LayerCount] = field(default_factory=dict)
    params: NonNegativeInt = 0
    bytes: NonNegativeInt = 0
    seconds: float = 0.0
    missed: tuple[str, ...] = ()
    failed: str | None = None

    @property
    def weights(self) -> int:
        """How many weights the net has."""
        return sum(layer.weights for layer in self.layers.values())

    @property
    def nonzeros(self) -> int:
        """How many of them are not zero."""
        return sum(layer.nonzeros for layer in self.layers.values())

    @property
    def density(self) -> float:
        """nonzeros / weights."""
        return self.nonzeros / self.weights if self.weights else 0.0

    @property
    def counts(self) -> dict[str, int]:
        """The nonzero weights of each layer."""
        return {name: layer.nonzeros for name, layer in self.layers.items()}


def layer_counts(memory: ModelMemory) -> dict[str, dict[str, int]]:
    """Weights and nonzeros by layer, as plain data."""
    return {
        layer.name: {"weights": layer.params, "nonzeros": layer.nonzeros} for layer in memory.layers
    }


_RESULT = TypeAdapter(Result)


def as_result(line: Mapping[str, Any]) -> Result:
    """A line of trials.jsonl, checked. Raises ValueError saying what is wrong with it."""
    try:
        return _RESULT.validate_python(line)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"{where}: {first['msg']}" if where else first["msg"]) from None
