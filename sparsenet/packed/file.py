"""Packed models as safetensors files, read as if an enemy had written them.

The payload is up to four tensors: `values`, the codes of all weights one after another; `index`,
their places; `tables`, what the codes mean where they are not the values; `others`, all other
numbers, the mean image last. It takes the bytes that the accounting says, to the byte.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from functools import partial
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from sparsenet.errors import ConfigError, printable
from sparsenet.files import replacing
from sparsenet.packed.header import FORMAT, Header, WeightLine, described, parsed
from sparsenet.packed.model import PackedModel, PackError, weight_names
from sparsenet.storage.encoded import Encoded, can_hold
from sparsenet.storage.format import Bytes, Shape, checked_size
from sparsenet.storage.formats import FORMATS
from sparsenet.storage.values import Values, values_of

_START = 8  # bytes: the length of safetensors' header
_MOST_HEADER = 2**22
_BYTE = torch.uint8


def write_packed(path: Path, packed: PackedModel) -> None:
    """Write a packed model. Raises FileError."""
    with replacing(path) as stream:
        stream.write(packed_bytes(packed))


def packed_bytes(packed: PackedModel) -> bytes:
    """What its file holds."""
    weights = packed.weights.values()
    others = [tensor.reshape(-1) for tensor in packed.others.values()]
    if packed.mean_image is not None:
        others.append(packed.mean_image.reshape(-1))
    parts = {
        "values": _joined([weight.codes for weight in weights], packed.values.dtype),
        "index": _joined([weight.index for weight in weights]),
        "tables": _joined([weight.table for weight in weights]),
        "others": torch.cat([torch.empty(0), *others]),
    }
    tensors = {name: tensor for name, tensor in parts.items() if tensor.numel()}
    metadata = described(packed)
    metadata["sha256"] = _digest(metadata, tensors)
    return save(tensors, metadata)


def header_limit(size: int) -> int:
    """How many bytes of a packed file of this size may be description: 1 %, or 4 KiB if more."""
    return max(4096, size // 100)


def is_packed(path: Path) -> bool:
    """Whether a file says that it is a packed model, which may be damaged all the same."""
    try:
        with path.open("rb") as stream:
            start = stream.read(_START + 1)
            return start[_START:] == b"{" and FORMAT.encode() in stream.read(_MOST_HEADER)
    except OSError:
        return False


def read_packed(path: Path) -> PackedModel:
    """Read a packed model. No code in the file is run; it takes a few times the file's size.

    Raises ConfigError where there is no such file, PackError as `packed_model`.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such packed model")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PackError(f"{path}: cannot be read: {error.strerror or error}") from None
    return packed_model(data, str(path))


def packed_model(data: bytes, name: str) -> PackedModel:
    """The packed model in the bytes of a file of this name.

    That the places are such of the weights is known when they are decoded. Raises PackError where
    it is not a whole packed model: cut off, damaged, foreign, malicious, of another version.
    """
    try:
        return _model(*_content(data), name)
    except ConfigError as error:
        words = "; ".join(f"{problem.key}: {problem.message}" for problem in error.problems)
        problem = f"its configuration: {printable(words)}"
        raise PackError(f"{name}: not a whole packed model: {problem}") from None
    except PackError as error:
        words = printable(str(error))
        raise PackError(f"{name}: not a whole packed model: {words}") from None


def _content(data: bytes) -> tuple[Header, dict[str, Tensor]]:
    """The description and the tensors of a file whose digest is right."""
    length = int.from_bytes(data[:_START], "little")
    if not _START + 2 <= _START + length <= min(len(data), _MOST_HEADER):
        raise PackError("cut off, or a header longer than any")
    try:
        tensors = load(data)
        header = json.loads(data[_START : _START + length])
    except (SafetensorError, ValueError, RecursionError) as error:
        raise PackError(str(error).splitlines()[0]) from None
    metadata = header.get("__metadata__")
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise PackError("a safetensors file of something else")
    if metadata.pop("sha256", None) != _digest(metadata, tensors):
        raise PackError("damaged, its digest is another")
    return parsed(metadata), tensors


def _model(header: Header, tensors: Mapping[str, Tensor], name: str) -> PackedModel:
    try:
        values = values_of(header.values)
    except ValueError as error:
        raise PackError(str(error)) from None
    dtypes = {"values": values.dtype, "index": _BYTE, "tables": torch.float32}
    dtypes["others"] = torch.float32
    for key, tensor in tensors.items():
        if dtypes.get(key) != tensor.dtype or tensor.dim() != 1:
            raise PackError(f"a tensor {key} of {tensor.dtype} in {tensor.dim()} dimensions")
    bodies = {key: tensors.get(key, torch.empty(0, dtype=dtypes[key])) for key in dtypes}
    weights = _weights(header, values, bodies, name)
    model = header.model
    shapes = [shape for _, shape in model.others]
    if model.mean_image is not None:
        shapes.append(model.mean_image)
    parts = _split(bodies["others"].numpy(), list(map(math.prod, shapes)))
    others = [
        torch.from_numpy(part.copy()).reshape(shape)
        for part, shape in zip(parts, shapes, strict=True)
    ]
    mean = None if model.mean_image is None else others.pop()
    named = dict(zip((name for name, _ in model.others), others, strict=True))
    if len(named) < len(others) or named.keys() & weights.keys():
        raise PackError("two tensors of one name")
    packed = PackedModel(
        *(model.config, model.iter, values, weights, named),
        *(model.constraints, header.accuracy, mean, model.classes),
    )
    if (packed.payload_bytes, packed.dense_bytes) != (header.payload, header.dense):
        raise PackError(f"{packed.payload_bytes:,} bytes of payload, not {header.payload:,}")
    for item in model.constraints:
        if not weights.keys() >= set(item.weights):
            raise PackError(f"constraint {item.name} is on weights that it does not hold")
    return packed


def _weights(
    header: Header, values: Values, bodies: Mapping[str, Tensor], name: str
) -> dict[str, Encoded]:
    lines = header.model.weights
    shapes: dict[str, Shape] = {line[0]: line[1] for line in lines}
    if len(shapes) < len(lines) or shapes != weight_names(header.model.config, name):
        raise PackError("its weights are not those of its configuration")
    for weight, shape, kind, nonzeros, _ in lines:
        try:
            checked_size(shape, nonzeros)
        except ValueError as error:
            raise PackError(f"{weight}: {error}") from None
        if kind not in FORMATS:
            raise PackError(f"{weight}: {kind!r} is no format for it")
    indices = _split(bodies["index"].numpy(), [line[4] for line in lines])
    stored = list(map(partial(_stored, values), lines, indices))
    tables = [values.table_size(shape[0]) for shape in shapes.values()]
    codes = [
        values.bytes(count, shape[0]) - 4 * table
        for count, shape, table in zip(stored, shapes.values(), tables, strict=True)
    ]
    parts = zip(
        indices,
        _split(bodies["values"].view(_BYTE).numpy(), codes),
        _split(bodies["tables"].numpy(), tables),
        strict=True,
    )
    return {
        weight: Encoded(FORMATS[kind], values, shape, nonzeros, *part)
        for (weight, shape, kind, nonzeros, _), part in zip(lines, parts, strict=True)
    }


def _stored(values: Values, line: WeightLine, index: Bytes) -> int:
    """How many values a weight has beside its index. Raises PackError where it cannot be so."""
    weight, shape, kind, nonzeros, _ = line
    try:
        stored = FORMATS[kind].stored_in(index, shape, nonzeros)
    except ValueError as error:
        raise PackError(f"{weight}: {error}") from None
    if not can_hold(stored, nonzeros, values):
        raise PackError(f"{weight}: {kind!r} is no format for it")
    return stored


def _split(numbers: NDArray[Any], sizes: list[int]) -> list[NDArray[Any]]:
    """Parts of these sizes, one after another. Raises PackError where they are not all there is."""
    if sum(sizes) != len(numbers):
        raise PackError(f"{len(numbers):,} numbers, where {sum(sizes):,} are described")
    return [numbers[begin:end] for begin, end in pairwise([0, *accumulate(sizes)])]


def _joined(parts: list[NDArray[Any]], dtype: torch.dtype | None = None) -> Tensor:
    """Arrays one after another, as their bytes are numbers of another type where one is given."""
    tensor = torch.from_numpy(np.concatenate(parts))
    return tensor.view(dtype or tensor.dtype) if tensor.numel() else tensor


def _digest(metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)} ".encode())
        digest.update(tensor.reshape(-1).view(_BYTE).numpy().tobytes())
    return digest.hexdigest()
