"""CSV and JSON files that others may have written, read field by field.

Whatever is wrong with one is a FileError of one line that names the file and the line.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsenet.errors import printable
from sparsenet.files import FileError

MAX_BYTES = 2**26
_NUMBER = re.compile(r"[-+]?(\d{1,30}(\.\d{0,60})?|\.\d{1,60})([eE][-+]?\d{1,3})?", re.ASCII)
_WHOLE = re.compile(r"\d{1,18}", re.ASCII)
_LARGEST = 1e100
"""Beyond it, arithmetic on what was read could overflow."""


@dataclass(frozen=True)
class Fields:
    """One row of a table or one object of JSON, and where it stands: `front.csv:3`.

    A field that is not there is as one that is empty or null, and a text of a number is a number.
    Each method raises FileError for a value of another kind.
    """

    place: str
    values: Mapping[str, Any]

    def text(self, key: str) -> str:
        """A text, "" where there is none."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, str):
            raise self._wrong(key, "a text")
        return value or ""

    def number(self, key: str) -> float | None:
        """A finite number."""
        value = self.values.get(key)
        if value in ("", None):
            return None
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            value = float(value)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not abs(value) < _LARGEST:
            raise self._wrong(key, "a number")
        return float(value)

    def fraction(self, key: str) -> float | None:
        """A number from 0 to 1."""
        value = self.number(key)
        if value is not None and not 0 <= value <= 1:
            raise self._wrong(key, "a fraction from 0 to 1")
        return value

    def count(self, key: str) -> int | None:
        """A whole number that is not negative, below 10^18."""
        value = self.values.get(key)
        if value in ("", None):
            return None
        if isinstance(value, str) and _WHOLE.fullmatch(value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 10**18:
            raise self._wrong(key, "a whole number")
        return value

    def needed_count(self, key: str) -> int:
        """A count that must be there."""
        value = self.count(key)
        if value is None:
            raise self._wrong(key, "a whole number")
        return value

    def items(self, key: str) -> Sequence[Any]:
        """A list, empty where there is none."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, list):
            raise self._wrong(key, "a list")
        return value or ()

    def counts(self, key: str) -> tuple[int, ...]:
        """A list of counts, as a shape is."""
        items = self._items(key)
        return tuple(items.needed_count(name) for name in items.values)

    def below(self, key: str) -> Fields:
        """The fields of an object, none where it is not there."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, dict):
            raise self._wrong(key, "an object")
        return Fields(f"{self.place}: {key}", value or {})

    def each(self, key: str) -> list[Fields]:
        """The objects of a list."""
        items = self._items(key)
        return [items.below(name) for name in items.values]

    def _items(self, key: str) -> Fields:
        """The items of a list by their places: `shape[0]`."""
        return Fields(self.place, {f"{key}[{i}]": item for i, item in enumerate(self.items(key))})

    def _wrong(self, key: str, wanted: str) -> FileError:
        value = self.values.get(key)
        found = "is missing" if value in ("", None) else f"{_shown(value)} is not {wanted}"
        return FileError(printable(f"{self.place}: {key}: {found}"))


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."


def read_text(path: Path) -> str:
    """A text in UTF-8. Raises FileError, also where it has more than 64 MiB."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise FileError(f"{path}: is larger than {MAX_BYTES // 2**20} MiB")
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise FileError(f"{path}:{line}: not UTF-8 text") from None
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}") from None


def read_json(path: Path) -> Fields:
    """A file that is one object of JSON. Raises FileError."""
    return parse_object(read_text(path), str(path))


def read_json_lines(path: Path) -> list[Fields]:
    """A file of one object a line; a last line that was cut off is left out. Raises FileError."""
    whole = read_text(path).split("\n")[:-1]
    return [parse_object(line, f"{path}:{number}") for number, line in enumerate(whole, start=1)]


def parse_object(source: str, place: str) -> Fields:
    """One object of JSON that stands at `place`. Raises FileError."""
    try:
        value = json.loads(source)
    except json.JSONDecodeError as error:
        where = place if error.lineno == 1 else f"{place}:{error.lineno}"
        raise FileError(f"{where}: not JSON: {error.msg}") from None
    except RecursionError:
        raise FileError(f"{place}: nested too deeply") from None
    except ValueError:
        raise FileError(f"{place}: not JSON: a number with too many digits") from None
    if not isinstance(value, dict):
        raise FileError(printable(f"{place}: {_shown(value)} is not an object"))
    return Fields(place, value)


def read_csv(path: Path, needed: tuple[str, ...]) -> list[Fields]:
    """The rows, of which there is one, below a header that has the `needed` columns.

    Raises FileError.
    """
    rows: list[Fields] = []
    reader = csv.reader(io.StringIO(_whole_text(path), newline=""), strict=True)
    try:
        header = next(reader, [])
        _check_header(path, header, needed)
        for row in reader:
            place = f"{path}:{reader.line_num}"
            if len(row) != len(header):
                raise FileError(f"{place}: has {len(row)} values for {len(header)} columns")
            rows.append(Fields(place, dict(zip(header, row, strict=True))))
    except csv.Error as error:
        raise FileError(f"{path}:{reader.line_num}: not CSV: {error}") from None
    if not rows:
        raise FileError(f"{path}: has no row below its header")
    return rows


def _whole_text(path: Path) -> str:
    """A text whose last line is whole: else its last number may have lost digits."""
    content = read_text(path)
    if content and not content.endswith("\n"):
        line = content.count("\n") + 1
        raise FileError(f"{path}:{line}: is cut off: no newline ends it")
    return content


def _check_header(path: Path, header: list[str], needed: tuple[str, ...]) -> None:
    if missing := [name for name in needed if name not in header]:
        raise FileError(f"{path}:1: the column {missing[0]} is missing")
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise FileError(printable(f"{path}:1: the column {twice} is there twice"))
