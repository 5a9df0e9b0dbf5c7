"""Files of others: what is right is read, what is wrong is one line with its place."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsenet.files import FileError
from sparsenet.report import reading
from sparsenet.report.reading import Fields, read_csv, read_json, read_json_lines, read_text

FIELDS = Fields(
    "a.json:2",
    {"text": "x", "number": "0.25", "count": 7, "list": [1, "2"], "none": None, "empty": "",
     "objects": [{"a": 1}], "below": {"deep": 1.5}},
)  # fmt: skip


def test_fields_are_read_by_their_kind() -> None:
    assert FIELDS.text("text") == "x"
    assert FIELDS.number("number") == 0.25
    assert FIELDS.fraction("number") == 0.25
    assert FIELDS.count("count") == FIELDS.needed_count("count") == 7
    assert FIELDS.counts("list") == (1, 2)
    assert FIELDS.below("below").number("deep") == 1.5
    assert [each.count("a") for each in FIELDS.each("objects")] == [1]


@pytest.mark.parametrize("key", ["none", "absent"])
def test_what_is_not_there_is_nothing(key: str) -> None:
    assert FIELDS.text(key) == ""
    assert FIELDS.number(key) is FIELDS.fraction(key) is FIELDS.count(key) is None
    assert list(FIELDS.items(key)) == FIELDS.each(key) == []
    assert FIELDS.counts(key) == ()
    assert FIELDS.below(key).values == {}
    assert FIELDS.number("empty") is FIELDS.count("empty") is None


@pytest.mark.parametrize(
    ("read", "value", "words"),
    [
        (Fields.text, 3, "3 is not a text"),
        (Fields.number, "x", "'x' is not a number"),
        (Fields.number, "nan", "'nan' is not a number"),
        (Fields.number, "1_0", "'1_0' is not a number"),
        (Fields.number, float("inf"), "inf is not a number"),
        (Fields.number, float("nan"), "nan is not a number"),
        (Fields.number, True, "True is not a number"),
        (Fields.number, "1e300", "'1e300' is not a number"),
        (Fields.number, [1], "[1] is not a number"),
        (Fields.fraction, 1.5, "1.5 is not a fraction from 0 to 1"),
        (Fields.fraction, "-0.1", "'-0.1' is not a fraction from 0 to 1"),
        (Fields.count, -1, "-1 is not a whole number"),
        (Fields.count, 2.0, "2.0 is not a whole number"),
        (Fields.count, False, "False is not a whole number"),
        (Fields.count, 10**18, "1000000000000000000 is not a whole number"),
        (Fields.needed_count, None, "is missing"),
        (Fields.needed_count, "", "is missing"),
        (Fields.items, {}, "{} is not a list"),
        (Fields.below, [], "[] is not an object"),
        (Fields.text, ["\x1b" * 99], "['\\x1b"),
    ],
)
def test_a_value_of_another_kind_is_named(
    read: Callable[[Fields, str], Any], value: object, words: str
) -> None:
    with pytest.raises(FileError) as raised:
        read(Fields("a.csv:3", {"key": value}), "key")
    assert str(raised.value).startswith(f"a.csv:3: key: {words}")
    assert len(str(raised.value)) < 120
    assert str(raised.value).isprintable()


def test_an_item_of_a_list_is_named() -> None:
    with pytest.raises(FileError, match=r"a: list\[1\]: 'x' is not a whole number"):
        Fields("a", {"list": [1, "x"]}).counts("list")
    with pytest.raises(FileError, match=r"a: list\[0\]: 3 is not an object"):
        Fields("a", {"list": [3]}).each("list")


@given(st.text() | st.integers() | st.floats() | st.none() | st.lists(st.none()))
def test_any_value_is_read_or_refused(value: object) -> None:
    fields = Fields("a", {"key": value})
    for read in (Fields.text, Fields.number, Fields.fraction, Fields.count, Fields.items,
                 Fields.below, Fields.counts):  # fmt: skip
        with suppress(FileError):
            read(fields, "key")


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
        (b"", ":1: the column a is missing"),
        (b"a,c\n1,2\n", ":1: the column b is missing"),
        (b"a,b,a\n1,2,3\n", ":1: the column a is there twice"),
        (b"a,b\n1,23", ":2: is cut off: no newline ends it"),
        (b"a,b\n", ": has no row below its header"),
        (b"a,b\n1,2\n1\n", ":3: has 1 values for 2 columns"),
        (b"a,b\n1,2,3\n", ":2: has 3 values for 2 columns"),
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


def test_a_file_that_is_not_there_or_too_large(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileError, match="cannot be read: No such file or directory"):
        read_text(path)
    with pytest.raises(FileError, match="cannot be read: Is a directory"):
        read_text(path.parent)
    monkeypatch.setattr(reading, "MAX_BYTES", 2**20)
    assert refused(read_text, path, b"x" * (2**20 + 1)) == ": is larger than 1 MiB"
    path.write_text(json.dumps("x" * 2**20)[: 2**20])
    assert len(read_text(path)) == 2**20
