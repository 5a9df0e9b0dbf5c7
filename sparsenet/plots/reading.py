"""The tables that the figures are drawn from, read as if anybody may have written them.

Every function raises FileError, in one line with the file's name and line: no such file, not UTF-8,
larger than 64 MiB, cut off, a column missing, a value that cannot be.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsenet.errors import printable
from sparsenet.files import FileError

MAX_BYTES = 2**26


@dataclass(frozen=True)
class Row:
    """A row of a CSV by column; `where` is its file and line."""

    where: str
    cells: Mapping[str, str]

    def text(self, column: str) -> str:
        """What stands in a column."""
        return self.cells[column]

    def whole(self, column: str) -> int:
        """A whole number of 0 or more, below 2^63."""
        text = self.cells[column]
        if not re.fullmatch(r"[0-9]{1,18}", text):
            raise self._wrong(column, "a whole number of 0 or more")
        return int(text)

    def whole_or_none(self, column: str) -> int | None:
        """The same, or None where nothing stands."""
        return self.whole(column) if self.cells[column] else None

    def fraction(self, column: str) -> float:
        """A number from 0 to 1."""
        try:
            value = float(self.cells[column])
        except ValueError:
            value = math.nan
        if not 0 <= value <= 1:
            raise self._wrong(column, "a number from 0 to 1")
        return value

    def fraction_or_none(self, column: str) -> float | None:
        """The same, or None where nothing stands."""
        return self.fraction(column) if self.cells[column] else None

    def flag(self, column: str) -> bool:
        """1 or 0."""
        if self.cells[column] not in ("0", "1"):
            raise self._wrong(column, "0 or 1")
        return self.cells[column] == "1"

    def key(self, column: str) -> str:
        """The key of a trial, 16 hexadecimal digits: it is to be a folder's name."""
        if not re.fullmatch(r"[0-9a-f]{16}", self.cells[column]):
            raise self._wrong(column, "16 hexadecimal digits")
        return self.cells[column]

    def counts(self, prefix: str) -> dict[str, int]:
        """Whole numbers by what follows the prefix in the names of their columns."""
        columns = [column for column in self.cells if column.startswith(prefix)]
        return {column.removeprefix(prefix): self.whole(column) for column in columns}

    def _wrong(self, column: str, wanted: str) -> FileError:
        shown = printable(f"{column}: {self.cells[column][:60]!r} is not {wanted}")
        return FileError(f"{self.where}: {shown}")


def read_rows(path: Path, columns: tuple[str, ...]) -> list[Row]:
    """The rows of a CSV below its header, which has at least these columns."""
    reader = csv.reader(io.StringIO(read_text(path)), strict=True)
    try:
        header = next(reader, [])
        _check_header(path, header, columns)
        rows = []
        for cells in reader:
            where = f"{path}:{reader.line_num}"
            if len(cells) != len(header):
                raise FileError(f"{where}: {len(cells)} values, but {len(header)} columns")
            rows.append(Row(where, dict(zip(header, cells, strict=True))))
    except csv.Error as error:
        raise FileError(f"{path}:{reader.line_num}: not CSV: {error}") from None
    if not rows:
        raise FileError(f"{path}: has no row below its header")
    return rows


def _check_header(path: Path, header: list[str], columns: tuple[str, ...]) -> None:
    if missing := [column for column in columns if column not in header]:
        raise FileError(f"{path}:1: there is no column {missing[0]!r}")
    column, count = Counter(header).most_common(1)[0]
    if count > 1:
        raise FileError(printable(f"{path}:1: there are {count} columns {column[:60]!r}"))


def read_mapping(path: Path) -> dict[str, Any]:
    """The JSON object of a file."""
    try:
        return _mapping(str(path), json.loads(read_text(path)))
    except json.JSONDecodeError as error:
        raise FileError(f"{path}:{error.lineno}: not JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise FileError(f"{path}: not JSON that can be read: {error}") from None


def read_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(file and line, object) of JSON lines; a last line that a kill cut off is left out."""
    lines = read_text(path).split("\n")
    for number, line in enumerate(lines[:-1], start=1):
        where = f"{path}:{number}"
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else error
            raise FileError(f"{where}: not JSON: {reason}") from None
        yield where, _mapping(where, value)


def _mapping(where: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FileError(f"{where}: not a JSON object")
    return value


def read_text(path: Path) -> str:
    """The text of a file."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise FileError(f"{path}: larger than {MAX_BYTES // 2**20} MiB")
        return content.decode("utf-8")
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise FileError(f"{path}:{line}: not UTF-8 text") from None
