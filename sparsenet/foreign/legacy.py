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
# What torch's pickler writes where a storage is named: ("storage", KIND, KEY, place, LENGTH, None).
# All of it is looked for: what is popped again between would be told for what is there.
_TEXTS = {"BINUNICODE", "SHORT_BINUNICODE", "BINSTRING", "SHORT_BINSTRING"}
_LENGTHS = {"BININT", "BININT1", "BININT2", "LONG1"}
_NAMING = ({"GLOBAL"}, _TEXTS, _TEXTS, _LENGTHS, {"NONE"}, {"TUPLE"})
_PUTS = {"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"}
_GETS = {"GET", "BINGET", "LONG_BINGET"}
_BYTES = {
    **dict.fromkeys(("torch DoubleStorage", "torch LongStorage"), 8),
    **dict.fromkeys(("torch FloatStorage", "torch IntStorage"), 4),
    **dict.fromkeys(("torch HalfStorage", "torch BFloat16Storage", "torch ShortStorage"), 2),
    **dict.fromkeys(("torch CharStorage", "torch ByteStorage", "torch BoolStorage"), 1),
}
_WIDEST = 16  # complex128


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
    if declared > path.stat().st_size:
        raise ArchiveError("refused, it says it is larger than its file")
    return load_plain(path, mmap=False)


def _declared(stream: IO[bytes]) -> int:
    """The bytes of all storages that the content names, added; tensors that share one name it each.

    Raises ArchiveError for what torch's pickler does not write.
    """
    start = [argument for name, argument in _opcodes(stream) if name == "LONG1"]
    if start != [_MAGIC]:
        raise ArchiveError("a bare pickle, not a torch file")
    for _ in range(_PICKLES_BEFORE - 1):
        _opcodes(stream)
    content = _opcodes(stream)
    _opcodes(stream)  # the storages' keys
    sizes: dict[object, int] = {}
    for place, (name, _) in enumerate(content):
        if name in ("PERSID", "BINPERSID"):
            key, size = _storage(content[max(place - len(_NAMING), 0) : place])
            sizes[key] = max(size, sizes.get(key, 0))
    return sum(sizes.values())


def _storage(named: list[tuple[str, Any]]) -> tuple[object, int]:
    """The key of a storage and its bytes, from the opcodes before it is asked for."""
    if len(named) == len(_NAMING):
        kind, key, _, length, *_ = (argument for _, argument in named)
        as_written = all(name in one for (name, _), one in zip(named, _NAMING, strict=True))
        if as_written and length >= 0:
            return key, _BYTES.get(kind, _WIDEST) * length
    raise ArchiveError("refused, it holds more than plain data beside its tensors")


def _opcodes(stream: IO[bytes]) -> list[tuple[str, Any]]:
    """The opcodes of the next pickle with their arguments; for what is got from a note, what is."""
    found: list[tuple[str, Any]] = []
    notes: dict[object, tuple[str, Any]] = {}
    for name, argument in opcodes(stream):
        if name in _PUTS:
            notes[len(notes) if argument is None else argument] = found[-1]
        else:
            found.append(
                notes.get(argument, (name, argument)) if name in _GETS else (name, argument)
            )
    return found
