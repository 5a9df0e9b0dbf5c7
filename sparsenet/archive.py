"""Reading what torch.save wrote as if an enemy had written it.

torch.load with weights_only runs no code, but it looks at no checksum, so that a flipped bit
becomes a wrong weight, and a few bytes can make it a tensor of any size. Here an archive is whole,
holds plain data alone, and takes no more memory than its file takes on the disk.
"""

from __future__ import annotations

import pickle
import pickletools
import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from sparsenet.errors import SparsenetError

MAX_VALUES = 200_000
MAX_DEPTH = 100


class ArchiveError(SparsenetError):
    """A file is not a whole archive of plain data. The message does not name the file."""


def read_archive(path: Path) -> Any:
    """The content of a file: dicts by text, lists, texts, numbers, None, and dense float32 tensors.

    Tuples come back as lists, tensors contiguous on the CPU. No code in the file is run. Raises
    ArchiveError: cut off, damaged, in torch's old format, more than plain data, or larger than its
    file.
    """
    return _Copier(path.stat().st_size).copied(open_archive(path))


def open_archive(path: Path) -> Any:
    """The content of a whole archive as torch maps it, before it is known what that takes.

    No code in the file is run. Raises ArchiveError: cut off, damaged, in torch's old format, or
    what torch does not take for plain data.
    """
    _check_members(path)
    # Mapped, for not every torch that we run on checks a tensor's size against its record.
    return load_plain(path, mmap=True)


def load_plain(path: Path, mmap: bool) -> Any:
    """What torch.load with weights_only gives on the CPU; raises ArchiveError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are about files that are refused below
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = found[1] if found else "a damaged or foreign pickle"
        raise ArchiveError(f"refused, it holds more than plain data: {what}") from None
    except Exception as error:  # a crafted pickle can make the unpickler raise anything
        raise ArchiveError(_not_whole(error)) from None


def opcodes(stream: IO[bytes]) -> Iterator[tuple[str, Any]]:
    """The opcodes of the next pickle with their arguments, which runs nothing.

    Raises ArchiveError for what torch takes for plain data though it fills as much memory as a
    number in the file says.
    """
    for opcode, argument, _ in pickletools.genops(stream):
        if opcode.name == "GLOBAL" and str(argument).endswith(" bytearray"):
            raise ArchiveError("refused, it holds more than plain data: bytearray")
        yield opcode.name, argument


def _check_members(path: Path) -> None:
    """The archive is a zip whose members, all uncompressed as torch's are, pass their checksums."""
    try:
        with path.open("rb") as stream:
            start = stream.read(2)
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > path.stat().st_size:
                raise ArchiveError("refused, it says it is larger than its file")
            if any(member.compress_type != zipfile.ZIP_STORED for member in members):
                raise ArchiveError("refused, its members are compressed")
            damaged = archive.testzip()
            for member in members if damaged is None else ():
                if member.filename.lower().endswith(".pkl"):
                    with archive.open(member) as stream:
                        list(opcodes(stream))
    except ArchiveError:
        raise
    except zipfile.BadZipFile:
        raise ArchiveError(f"not a whole checkpoint: {_told_by(start)}") from None
    except Exception as error:  # zipfile leaves odd headers to whatever they lead to
        raise ArchiveError(_not_whole(error)) from None
    if damaged is not None:
        raise ArchiveError(f"not a whole checkpoint: {damaged} is damaged")


def _told_by(start: bytes) -> str:
    """What a file that is no zip archive is, as far as its first two bytes tell."""
    if not start:
        return "the file is empty"
    if start == b"PK":
        return "the file is cut off or damaged"
    return "a bare pickle or an old torch file" if start[:1] == b"\x80" else "not a torch file"


def _not_whole(error: Exception) -> str:
    lines = str(error).splitlines()
    return f"not a whole checkpoint: {lines[0] if lines else type(error).__name__}"


class _Copier:
    """Copies plain data, at most `size` bytes of tensors."""

    def __init__(self, size: int) -> None:
        self.bytes, self.values = size, MAX_VALUES

    def copied(self, value: Any, depth: int = 0) -> Any:
        # A pickle may name one value many times, even inside itself.
        self.values -= 1
        if self.values < 0 or depth > MAX_DEPTH:
            raise ArchiveError("refused, it holds too many values")
        kind = type(value)
        if kind is dict and all(type(key) is str for key in value):
            return {key: self.copied(item, depth + 1) for key, item in value.items()}
        if kind in (list, tuple):
            return [self.copied(item, depth + 1) for item in value]
        if kind is Tensor:
            return self.tensor(value)
        number = kind in (bool, float) or (kind is int and abs(value) < 2**63)
        if value is None or number or kind is str:
            return value
        raise ArchiveError(f"refused, it holds more than plain data: {kind.__name__}")

    def tensor(self, tensor: Tensor) -> Tensor:
        """A copy of a tensor, once it is known how much it takes."""
        dense = tensor.layout == torch.strided and tensor.device.type == "cpu"
        if not dense or tensor.dtype != torch.float32:
            raise ArchiveError("refused, it holds a tensor that is not dense float32")
        # With a stride of zero the elements would be more than are stored.
        self.bytes -= 4 * tensor.numel()
        if self.bytes < 0 or not tensor.is_contiguous():
            raise ArchiveError("refused, it says it is larger than its file")
        return tensor.detach().clone(memory_format=torch.contiguous_format)
