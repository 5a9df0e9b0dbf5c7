"""The description in a packed file: what safetensors keeps as its metadata, texts by text.

`format`, `version`, `net`, `values`, `accuracy`, `formats` (of how many weights each), `nonzeros`,
`dense` and `payload` (bytes) are for people to read. `model` is all that a reader needs besides,
compressed: configuration, updates, of each weight its name, shape, format, nonzeros and bytes of
its index, in the order of the payload, names and shapes of the other tensors, constraints, the mean
image's shape, classes. `sha256` is over all the rest and the payload.
"""

from __future__ import annotations

import base64
import binascii
import json
import lzma
from collections import Counter
from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict, NonNegativeInt, PositiveInt, TypeAdapter, ValidationError

from sparsenet.checkpoint import Constraint
from sparsenet.packed.model import PackedModel, PackError

FORMAT = "sparsenet packed model"
VERSION = "1"
_MOST_MODEL = 2**24  # bytes of a description; of our largest net it takes 2^15
_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": 2**20}]
_STRICT = ConfigDict(extra="forbid", strict=True)
WeightLine = tuple[str, tuple[PositiveInt, ...], str, NonNegativeInt, NonNegativeInt]
OtherLine = tuple[str, tuple[NonNegativeInt, ...]]


@dataclass(frozen=True)
class Model:
    """What is compressed."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    config: dict[str, Any]
    iter: NonNegativeInt
    weights: list[WeightLine]
    others: list[OtherLine]
    constraints: tuple[Constraint, ...]
    mean_image: tuple[PositiveInt, ...] | None
    classes: tuple[str, ...] | None


@dataclass(frozen=True)
class Header:
    """A description, checked as far as it can be without the payload."""

    values: str
    accuracy: dict[str, float]
    payload: int
    dense: int
    model: Model


_ACCURACY = TypeAdapter(dict[str, float])
_MODEL = TypeAdapter(Model)


def described(packed: PackedModel) -> dict[str, str]:
    """The description of a packed model, but for its digest."""
    weights = [
        (name, list(one.shape), one.format.name, one.nonzeros, one.index.nbytes)
        for name, one in packed.weights.items()
    ]
    mean = packed.mean_image
    model = {
        "config": packed.config,
        "iter": packed.iter,
        "weights": weights,
        "others": [(name, list(tensor.shape)) for name, tensor in packed.others.items()],
        "constraints": [vars(item) for item in packed.constraints],
        "mean_image": None if mean is None else list(mean.shape),
        "classes": packed.classes,
    }
    return {
        "format": FORMAT,
        "version": VERSION,
        "net": str(packed.config["net"].get("name", "")),
        "values": packed.values.name,
        "accuracy": _compact(packed.accuracy),
        "formats": _compact(Counter(one.format.name for one in packed.weights.values())),
        "nonzeros": str(packed.nonzeros),
        "dense": str(packed.dense_bytes),
        "payload": str(packed.payload_bytes),
        "model": _compressed(model),
    }


def parsed(metadata: dict[str, str]) -> Header:
    """The description that `described` wrote. Raises PackError saying what is wrong with it."""
    if metadata.get("version") != VERSION:
        words = f"version {metadata.get('version')}, but this sparsenet reads version {VERSION}"
        raise PackError(words)
    try:
        return Header(
            metadata["values"],
            _ACCURACY.validate_json(metadata["accuracy"]),
            int(metadata["payload"]),
            int(metadata["dense"]),
            _MODEL.validate_json(_expanded(metadata["model"])),
        )
    except KeyError as error:
        raise PackError(f"its description lacks {error.args[0]}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise PackError(f"its description: {where}: {first['msg']}") from None
    except (ValueError, RecursionError) as error:
        raise PackError(f"its description: {error}") from None


def _compressed(model: dict[str, Any]) -> str:
    data = lzma.compress(_compact(model).encode(), lzma.FORMAT_RAW, filters=_FILTERS)
    return base64.b64encode(data).decode()


def _expanded(text: str) -> bytes:
    """Raises ValueError: not base64, not compressed so, or more than a description takes."""
    try:
        expander = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_FILTERS)
        data = expander.decompress(base64.b64decode(text, validate=True), _MOST_MODEL)
    except (binascii.Error, lzma.LZMAError) as error:
        raise ValueError(f"model: {error}") from None
    if not expander.eof:
        raise ValueError("model: cut off, or larger than a description")
    return data


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
