"""A trained net with each weight in the bytes that cost least, and back to a checkpoint."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import psutil
from torch import Tensor

from sparsenet.checkpoint import Checkpoint, Constraint
from sparsenet.config.constraints import weight_shapes
from sparsenet.config.load import from_data
from sparsenet.errors import SparsenetError
from sparsenet.storage.encoded import Encoded, encode
from sparsenet.storage.format import VALUE_BYTES
from sparsenet.storage.values import FLOAT32, Values


class PackError(SparsenetError):
    """A net cannot be packed, or a file is not a whole packed model."""


@dataclass(frozen=True)
class PackedModel:
    """What a checkpoint of a model holds, its `weights` encoded.

    `others` are all other tensors, float32: biases, scales, statistics. The rest is as in
    `Checkpoint`.
    """

    config: dict[str, Any]
    iter: int
    values: Values
    weights: dict[str, Encoded]
    others: dict[str, Tensor]
    constraints: tuple[Constraint, ...] = ()
    accuracy: dict[str, float] = field(default_factory=dict)
    mean_image: Tensor | None = None
    classes: tuple[str, ...] | None = None

    @property
    def payload_bytes(self) -> int:
        """Bytes of all that is no description: weights, others and the mean image."""
        return sum(weight.nbytes for weight in self.weights.values()) + VALUE_BYTES * self.dense

    @property
    def dense(self) -> int:
        """How many numbers are stored as they are."""
        mean = 0 if self.mean_image is None else self.mean_image.numel()
        return mean + sum(tensor.numel() for tensor in self.others.values())

    @property
    def dense_bytes(self) -> int:
        """Bytes of the same net as float32, zeros and all."""
        weights = sum(math.prod(weight.shape) for weight in self.weights.values())
        return VALUE_BYTES * (weights + self.dense)

    @property
    def nonzeros(self) -> int:
        """The nonzero weights."""
        return sum(weight.nonzeros for weight in self.weights.values())


def weight_names(config: dict[str, Any], name: str) -> dict[str, tuple[int, ...]]:
    """The shapes of the weights of the net in a checkpoint's configuration, in its order.

    `name` is the file's, for messages. Raises ConfigError where it is not one.
    """
    net = from_data(config, name).solver.net
    return {f"{layer}.weight": shape for layer, (_, shape) in weight_shapes(net).items()}


def pack(checkpoint: Checkpoint, name: str, values: Values = FLOAT32) -> PackedModel:
    """The packed model of a checkpoint, each weight in the format of the fewest bytes.

    Accuracies that were measured on other values are not taken over. Raises PackError where a
    weight cannot be held by such values, ConfigError where the configuration is none.
    """
    weights = {}
    for weight in weight_names(checkpoint.config, name):
        if weight not in checkpoint.weights:
            raise PackError(f"{name}: its configuration has a {weight}, the file none")
        try:
            weights[weight] = encode(checkpoint.weights[weight], values)
        except ValueError as error:
            raise PackError(f"{name}: {weight}: {error}") from None
    return PackedModel(
        checkpoint.config,
        checkpoint.iter,
        values,
        weights,
        {key: tensor for key, tensor in checkpoint.weights.items() if key not in weights},
        checkpoint.constraints,
        dict(checkpoint.accuracy) if values is FLOAT32 else {},
        checkpoint.mean_image,
        checkpoint.classes,
    )


def unpack(packed: PackedModel, name: str) -> Checkpoint:
    """The checkpoint that was packed, of its weights as the values hold them.

    Raises PackError where the weights are not what they say they are, are not zero where their
    layers learn none, or as float32 need more memory than there is.
    """
    needed, free = packed.dense_bytes, psutil.virtual_memory().available
    if needed > free:
        raise PackError(f"{name}: needs {needed:,} bytes unpacked, and {free:,} are free")
    require_patterns(packed, name)
    weights = {}
    for weight, encoded in packed.weights.items():
        try:
            weights[weight] = encoded.decoded()
        except ValueError as error:
            raise PackError(f"{name}: {weight}: {error}") from None
    return Checkpoint(
        packed.config,
        packed.iter,
        weights | packed.others,
        packed.constraints,
        dict(packed.accuracy),
        packed.mean_image,
        packed.classes,
    )


def require_patterns(packed: PackedModel, name: str) -> None:
    """Raise PackError where a weight is not zero outside the kernel_pattern of its layer."""
    net = from_data(packed.config, name).solver.net
    for layer, (record, shape) in weight_shapes(net).items():
        if (learnt := record.learnt_where(shape)) is None:
            continue
        weight = f"{layer}.weight"
        try:
            beyond = int(packed.weights[weight].decoded().masked_fill(learnt, 0).count_nonzero())
        except ValueError as error:
            raise PackError(f"{name}: {weight}: {error}") from None
        if beyond:
            words = f"{beyond:,} nonzero values outside the kernel_pattern"
            raise PackError(f"{name}: {weight}: {words}")
