"""metrics.jsonl: one JSON object a line, appended as the run goes, cut back when it resumes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
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
        kept = path.read_text(encoding="utf-8").splitlines()[:lines] if lines else []
        if len(kept) < lines:
            raise FileError(f"{path}: has {len(kept)} lines, the snapshot was made after {lines}")
        write_text(path, "".join(f"{line}\n" for line in kept))
        self._stream = path.open("a", encoding="utf-8")

    def append(self, line: dict[str, Any]) -> None:
        """Add one line. Raises FileError where the disk is full."""
        try:
            self._stream.write(json.dumps(line) + "\n")
            self._stream.flush()
        except OSError as error:
            raise FileError(f"{self.path}: cannot be written: {error.strerror}") from None
        self.lines += 1

    def sync(self) -> None:
        """Bring it to the disk, before a snapshot that counts on its lines."""
        os.fsync(self._stream.fileno())

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def read_metrics(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a log; a last line that a kill cut off is left out."""
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            return
