"""Files that a command may replace, since they say near their start that they are its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sparsenet.errors import ConfigError


def require_own(files: Mapping[Path, Sequence[str]], command: str) -> None:
    """Raise ConfigError where a file that is there has none of its marks."""
    for path, marks in files.items():
        if path.exists() and not _has_mark(path, marks):
            words = f"is not of {command} and is kept; choose another folder by --output"
            raise ConfigError(f"{path} {words}")


def _has_mark(path: Path, marks: Sequence[str]) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        start = stream.read(1024)
    return any(mark.encode() in start for mark in marks)
