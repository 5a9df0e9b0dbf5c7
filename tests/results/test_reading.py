"""Files of others: what is right is read, what is wrong is one line with its place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sparsenet.files import FileError
from sparsenet.results import reading
from sparsenet.results.fields import Fields
from sparsenet.results.reading import read_csv, read_json, read_json_lines, read_text


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


def refused(read: Callable[[Path], object], path: Path, content: bytes) -> str:
    """What is said of a file of this content, after its name."""
    path.write_bytes(content)
    with pytest.raises(FileError) as raised:
        read(path)
    said = str(raised.value)
    assert said.startswith(str(path))
    assert said.isprintable()
    return said.removeprefix(str(path))


def read_table(path: Path) -> list[Fields]:
    return read_csv(path, ("a", "b"))


def test_a_table_is_read_row_by_row(path: Path) -> None:
    path.write_text('b,a\n1,"x\ny"\n2,"u,\u2028v"\n', newline="")
    first, second = read_table(path)
    assert dict(first.values) == {"b": "1", "a": "x\ny"}
    assert dict(second.values) == {"b": "2", "a": "u,\u2028v"}
    assert second.place == f"{path}:4"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ":1: there is no column 'a'"),
        (b"a,c\n1,2\n", ":1: there is no column 'b'"),
        (b"a,b,a\n1,2,3\n", ":1: there are 2 columns 'a'"),
        (b"a,b\n1,23", ":2: is cut off: no newline ends it"),
        (b"a,b\n", ": has no row below its header"),
        (b"a,b\n1,2\n1\n", ":3: 1 values, but 2 columns"),
        (b"a,b\n1,2,3\n", ":2: 3 values, but 2 columns"),
        (b"a,b\n1,\xff\n", ":2: not UTF-8 text"),
        (b'a,b\n1,"2\n', ":2: not CSV: unexpected end of data"),
        (
            b"a,b\n1," + b"x" * 200_000 + b"\n",
            ":2: not CSV: field larger than field limit (131072)",
        ),
    ],
)
def test_a_damaged_table_is_named_with_its_line(path: Path, content: bytes, words: str) -> None:
    assert refused(read_table, path, content) == words


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ": not JSON: Expecting value"),
        (b'{\n"a": }', ":2: not JSON: Expecting value"),
        (b"[1]", ": [1] is not an object"),
        (b"[" * 100_000, ": nested too deeply"),
        (b'{"a": ' + b"1" * 5000 + b"}", ": not JSON: a number with too many digits"),
        (b'{"a": "\xff"}', ":1: not UTF-8 text"),
    ],
)
def test_damaged_json_is_named(path: Path, content: bytes, words: str) -> None:
    assert refused(read_json, path, content) == words


def test_lines_are_counted_and_one_that_was_cut_off_is_left_out(path: Path) -> None:
    path.write_text('{"a": 1}\n{"a": "\u2028"}\n{"a": ')
    assert [line.values["a"] for line in read_json_lines(path)] == [1, "\u2028"]
    assert refused(read_json_lines, path, b'{"a": 1}\n{"a": \n').startswith(":2: not JSON")
    assert refused(read_json_lines, path, b'{"a": 1}\n\n').startswith(":2: not JSON")
    assert refused(read_json_lines, path, b'{"a": 1}\n3\n') == ":2: 3 is not an object"
    deep = b'{"a": 1}\n' + b"[" * 100_000 + b"\n"
    assert refused(read_json_lines, path, deep) == ":2: nested too deeply"


def test_a_file_that_is_not_there_or_too_large(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileError, match="cannot be read: No such file or directory"):
        read_text(path)
    with pytest.raises(FileError, match="cannot be read: Is a directory"):
        read_text(path.parent)
    monkeypatch.setattr(reading, "MAX_BYTES", 2**20)
    assert refused(read_text, path, b"x" * (2**20 + 1)) == ": is larger than 1 MiB"
    path.write_text(json.dumps("x" * 2**20)[: 2**20])
    assert len(read_text(path)) == 2**20
