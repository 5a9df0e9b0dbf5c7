"""The weights of a packed model as they stay in memory: checked once, in bytes of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

import numpy as np
from torch import Tensor

from sparsenet.packed.model import PackedModel, PackError, require_patterns
from sparsenet.storage.encoded import Encoded, encode
from sparsenet.storage.format import VALUE_BYTES
from sparsenet.storage.formats import FORMATS
from sparsenet.storage.values import FLOAT32

SPARE = 1.1
"""A weight may take so many times its packed bytes where it is then computed faster."""


@dataclass(frozen=True)
class Weights:
    """Of a net: what is `packed`, by layer, and all other `numbers`, by `layer.bias` and such."""

    packed: Mapping[str, Encoded]
    numbers: Mapping[str, Tensor]


def held(model: PackedModel, name: str, *, roomy: bool) -> Weights:
    """The weights of a packed model, each in arrays of its own, so that the file's can go.

    With `roomy` a weight whose float32 values, zeros and all, take at most SPARE of its packed
    bytes is held so. Raises PackError where bytes are not those of such a weight, which C would
    read beyond, or not zero outside its kernel_pattern; `name` is the file's.
    """
    require_patterns(model, name)
    packed = {}
    for weight, encoded in model.weights.items():
        try:
            encoded.stored()
            is_dense = roomy and VALUE_BYTES * prod(encoded.shape) <= SPARE * encoded.nbytes
            kept = _as_dense(encoded) if is_dense else _own(encoded)
        except ValueError as error:
            raise PackError(f"{name}: {weight}: {error}") from None
        packed[weight.rpartition(".")[0]] = kept
    return Weights(packed, {key: tensor.clone() for key, tensor in model.others.items()})


def is_plain(encoded: Encoded) -> bool:
    """Whether the bytes of a weight are its float32 values, zeros and all."""
    return encoded.format.name == "dense" and encoded.values is FLOAT32


def _as_dense(encoded: Encoded) -> Encoded:
    return encode(encoded.decoded(), FLOAT32, FORMATS["dense"])


def _own(encoded: Encoded) -> Encoded:
    """A copy at addresses that C may read numbers of four bytes from."""
    index, codes = (np.array(array) for array in (encoded.index, encoded.codes))
    return replace(encoded, index=index, codes=codes, table=np.array(encoded.table))
