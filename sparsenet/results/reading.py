"""Files that others may have written: tables, and JSON in one object or in lines.

Whatever is wrong with one is a FileError of one line that names the file and the line.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from pathlib import Path

from sparsenet.errors import printable
from sparsenet.files import FileError
from sparsenet.results.fields import Fields, shown

MAX_BYTES = 2**26


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
        raise FileError(printable(f"{place}: {shown(value)} is not an object"))
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
                raise FileError(f"{place}: {len(row)} values, but {len(header)} columns")
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
        raise FileError(f"{path}:1: there is no column {missing[0]!r}")
    column, count = Counter(header).most_common(1)[0]
    if count > 1:
        raise FileError(printable(f"{path}:1: there are {count} columns {column[:60]!r}"))
