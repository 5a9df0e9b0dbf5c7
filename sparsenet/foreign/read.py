"""Weights that others trained, as plain tensors: torch state dicts, safetensors, Caffe's files.

What a file holds is told by its first bytes, not by its suffix.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from sparsenet.archive import ArchiveError, open_archive
from sparsenet.caffe.blobs import is_caffe
from sparsenet.caffe.weights import read_weights
from sparsenet.errors import SparsenetError
from sparsenet.foreign.legacy import read_legacy
from sparsenet.foreign.names import our_names

WRAPPERS = ("state_dict", "model_state_dict", "model")
"""The keys under which training scripts keep a state dict beside other things."""
PREFIXES = ("module.", "_orig_mod.")
"""What DataParallel and DistributedDataParallel, and torch.compile, put before every name."""

_DTYPES = {
    *(torch.float32, torch.float64, torch.float16, torch.bfloat16),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
}


class ForeignError(SparsenetError):
    """A file holds no weights that can be taken. The message names the file."""


@dataclass(frozen=True)
class ForeignWeights:
    """float32 tensors by their names here; `net` is torchvision's that they are of, if known."""

    weights: dict[str, Tensor]
    net: str | None


def read_foreign(path: Path) -> ForeignWeights:
    """Read a torch state dict, in a zip archive or torch's old format, a safetensors file, or the
    trained blobs of a .caffemodel, binary or HDF5.

    No code in the file is run, and the tensors take no more memory than four times what the file
    takes on the disk (all become float32, and bytes grow most). Raises ForeignError, and CaffeError
    for a file of Caffe's: none of these, cut off or damaged, larger than its file, more than
    tensors by name, or values that are not finite. ConfigError where a file of Caffe's needs the
    extra.
    """
    try:
        if _is_caffe(path):
            return ForeignWeights(read_weights(path), None)
        tensors = _state_dict(_content(path))
        return _taken(tensors, path.stat().st_size)
    except ArchiveError as error:
        pickled = "more than plain data" in str(error)
        remedy = "; torch.save(model.state_dict(), ...) makes a file of tensors alone"
        raise ForeignError(f"{path}: {error}{remedy if pickled else ''}") from None
    except OSError as error:
        raise ForeignError(f"{path}: cannot be read: {error.strerror or error}") from None


def _is_caffe(path: Path) -> bool:
    """Whether it begins as Caffe's files do, which some safetensors files do by their length."""
    with path.open("rb") as stream:
        start = stream.read(9)
    return not (start[4:8] == bytes(4) and start[8:] == b"{") and is_caffe(path)


def _content(path: Path) -> Any:
    with path.open("rb") as stream:
        start = stream.read(9)
    if start[8:] == b"{":  # after the length of the header, whose bytes may look like any start
        try:
            return load_file(path)
        except SafetensorError as error:
            words = str(error).removeprefix("Error while deserializing header: ")
            raise ArchiveError(f"not a whole safetensors file: {words}") from None
    if start[:2] == b"PK":
        return open_archive(path)
    if start[:1] == b"\x80":
        return read_legacy(path)
    kinds = "a sparsenet checkpoint, a torch state dict, a safetensors file or a caffemodel"
    raise ArchiveError(f"not {kinds}" if start else "the file is empty")


def _state_dict(content: Any) -> Mapping[Any, Any]:
    """The tensors by name in a file's content, also where a training script put them deeper."""
    if isinstance(content, Mapping):
        inner = (content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping))
        content = next(inner, content)
    if not isinstance(content, Mapping):
        raise ArchiveError(f"holds no tensors by name, but a {type(content).__name__}")
    if not content:
        raise ArchiveError("holds no tensor")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            kind = type(value).__name__
            raise ArchiveError(f"holds not only tensors by name: {name!r} is of type {kind}")
    return _unwrapped(content)


def _unwrapped(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The tensors without what stands before all of their names."""
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in tensors):
            bare = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
            return _unwrapped(bare)
    return tensors


def _taken(tensors: Mapping[str, Tensor], size: int) -> ForeignWeights:
    """Copies under our names of tensors that together take at most `size` bytes.

    Where two names are of one tensor, as tied weights are, so they are of its copy.
    """
    ours, net = our_names(tensors)
    weights: dict[str, Tensor] = {}
    copies: dict[tuple[object, ...], Tensor] = {}
    for name, our_name in ours.items():
        tensor = tensors[name].detach()
        dense = tensor.layout == torch.strided and tensor.device.type == "cpu"
        if not dense or tensor.dtype not in _DTYPES:
            raise ArchiveError(f"{name} is not a dense tensor of plain numbers")
        if our_name in weights:
            raise ArchiveError(f"holds two tensors that would be {our_name}")
        which = (tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
        if which not in copies:
            # With a stride of zero the elements would be more than are stored.
            size -= tensor.nbytes
            if size < 0:
                raise ArchiveError("refused, it says it is larger than its file")
            copy = tensor.to(torch.float32, copy=True, memory_format=torch.contiguous_format)
            if not torch.isfinite(copy).all():
                raise ArchiveError(f"{name} has values that are not finite")
            copies[which] = copy
        weights[our_name] = copies[which]
    return ForeignWeights(weights, net)
