"""metrics.jsonl: one JSON object a line, appended as the run goes, cut back when it resumes."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from sparsenet.files import FileError, write_text


class MetricsLog:
    """Appends to a run's log. `lines` is how many whole lines it holds."""

    def __init__(self, path: Path, lines: int = 0) -> None:
        """Open the log with its first `lines` lines kept. Raises FileError.

        What a killed run wrote after its last snapshot is made again by the resumed one.
        """
        self.path, self.lines = path, lines
        kept = _first_lines(path, lines)
        if len(kept) < lines:
            raise FileError(f"{path}: has {len(kept)} lines, the snapshot was made after {lines}")
        write_text(path, "".join(kept))
        self._stream = path.open("a", encoding="utf-8")

    def append(self, line: dict[str, Any]) -> None:
        """Add one line; NaN and the infinities, which JSON lacks, become null. Raises FileError."""
        try:
            self._stream.write(json.dumps(_finite(line)) + "\n")
            self._stream.flush()
        except OSError as error:
            raise self._failure(error) from None
        self.lines += 1

    def sync(self) -> None:
        """Bring it to the disk, before a snapshot that counts on its lines. Raises FileError."""
        try:
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise self._failure(error) from None

    def close(self) -> None:
        """Close the file."""
        # Every line was flushed: only one that could not be, which was reported, can fail again.
        with suppress(OSError):
            self._stream.close()

    def _failure(self, error: OSError) -> FileError:
        return FileError(f"{self.path}: cannot be written: {error.strerror or error}")


def read_metrics(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a log; a last line that a kill cut off is left out. Raises FileError."""
    for number, line in enumerate(_first_lines(path, None), start=1):
        try:
            yield json.loads(line)
        except json.JSONDecodeError as error:
            raise FileError(f"{path}:{number}: not JSON: {error.msg}") from None


def _first_lines(path: Path, count: int | None) -> list[str]:
    """At most `count` whole lines, which end in a newline, from the start of a file."""
    if count == 0:
        return []
    try:
        with path.open(encoding="utf-8", newline="\n") as stream:
            lines = list(islice(stream, count))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise FileError(f"{path}: cannot be read: {reason}") from None
    return [line for line in lines if line.endswith("\n")]


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
