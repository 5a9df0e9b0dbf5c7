"""Torch's format before its zip archives, looked through before torch is let near it.

Such a file is five pickles, of which the fourth is the content and names the storages of its
tensors with their sizes, and then the storages. torch makes room for a storage as soon as it is
named, so the sizes are added up here, from the pickle's opcodes, which runs nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

from sparsenet.archive import ArchiveError, load_plain, opcodes

_MAGIC = 0x1950A86A20F9469CFC6C  # torch.serialization's
_PICKLES_BEFORE = 3
# What torch's pickler writes where a storage is named: ("storage", kind, key, place, LENGTH, None).
_NAMING = ("NONE", "TUPLE")
_LENGTHS = {"BININT", "BININT1", "BININT2", "LONG1"}
_PUTS = {"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"}


def read_legacy(path: Path) -> Any:
    """The content of a file of torch's old format, its tensors on the CPU; no code in it is run.

    Raises ArchiveError: not in this format, cut off, more than plain data, or larger than its file.
    What is damaged inside a storage cannot be told: the format has no checksums.
    """
    try:
        with path.open("rb") as stream:
            declared = _declared(stream)
    except ArchiveError:
        raise
    except Exception as error:  # pickletools leaves odd opcodes to whatever they lead to
        raise ArchiveError(f"not a whole torch file: {str(error).splitlines()[0]}") from None
    # Counted in elements, of at least one byte: tensors that share a storage name it each.
    if declared > path.stat().st_size:
        raise ArchiveError("refused, it says it is larger than its file")
    return load_plain(path, mmap=False)


def _declared(stream: IO[bytes]) -> int:
    """The lengths of all storages that the content names, added."""
    start = [argument for name, argument in _opcodes(stream) if name == "LONG1"]
    if start != [_MAGIC]:
        raise ArchiveError("a bare pickle, not a torch file")
    for _ in range(_PICKLES_BEFORE - 1):
        _opcodes(stream)
    content = _opcodes(stream)
    _opcodes(stream)  # the storages' keys
    total = 0
    for place, (name, _) in enumerate(content):
        if name in ("PERSID", "BINPERSID"):
            (kind, length), *rest = content[max(place - 3, 0) : place]
            if kind not in _LENGTHS or tuple(name for name, _ in rest) != _NAMING or length < 0:
                raise ArchiveError("refused, it holds more than plain data beside its tensors")
            total += length
    return total


def _opcodes(stream: IO[bytes]) -> list[tuple[str, Any]]:
    """The opcodes of the next pickle with their arguments, without those that only take notes."""
    return [(name, argument) for name, argument in opcodes(stream) if name not in _PUTS]
