"""Tables are read as if anybody may have written them: one line says what is wrong, and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparsenet.files import FileError
from sparsenet.plots import reading
from sparsenet.plots.reading import read_lines, read_mapping, read_rows, read_text


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "t.csv"


def refused(path: Path, content: str | bytes, *columns: str) -> str:
    """What is said of a CSV, after its path."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(FileError) as caught:
        read_rows(path, columns)
    [line] = str(caught.value).splitlines()
    return line.removeprefix(str(path))


def test_rows_know_their_lines(path: Path) -> None:
    path.write_text('a,b\n1,"x\ny"\n2,z\n')
    one, two = read_rows(path, ("b",))
    assert (one.text("b"), two.whole("a")) == ("x\ny", 2)
    assert (one.where, two.where) == (f"{path}:3", f"{path}:4")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", ":1: there is no column 'b'"),
        ("a,c\n1,2\n", ":1: there is no column 'b'"),
        ("a,b,a\n1,2,3\n", ":1: there are 2 columns 'a'"),
        ("a,b\n", ": has no row below its header"),
        ("a,b\n1,2\n3\n", ":3: 1 values, but 2 columns"),
        ("a,b\n1,2,3\n", ":2: 3 values, but 2 columns"),
        ('a,b\n1,"2\n', ":2: not CSV: unexpected end of data"),
        (f"a,b\n1,{'x' * 200_000}\n", ":2: not CSV: field larger than field limit (131072)"),
        (b"a,b\n1,2\n\xff,3\n", ":3: not UTF-8 text"),
    ],
)
def test_what_is_no_table_is_refused(content: str | bytes, said: str, path: Path) -> None:
    assert refused(path, content, "b") == said


def test_no_file_and_a_huge_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileError, match="cannot be read: No such file"):
        read_text(path)
    with pytest.raises(FileError, match="cannot be read: Is a directory"):
        read_text(path.parent)
    monkeypatch.setattr(reading, "MAX_BYTES", 2**20)
    path.write_bytes(b"a" * (2**20 + 1))
    with pytest.raises(FileError, match="larger than 1 MiB"):
        read_text(path)


@pytest.mark.parametrize(
    ("method", "good", "value", "bad"),
    [
        ("whole", "12", 12, ["", "-1", "1.0", "x", "1" * 30, "\u0661"]),
        ("whole_or_none", "", None, ["-1", " "]),
        ("whole_or_none", "12", 12, ["1e3"]),
        ("fraction", "0.5", 0.5, ["", "1.5", "-0.1", "nan", "inf", "x"]),
        ("fraction_or_none", "", None, ["2", "nan"]),
        ("fraction_or_none", "1", 1.0, ["x"]),
        ("flag", "1", True, ["", "2", "true"]),
        ("flag", "0", False, ["-0"]),
        ("key", "0123456789abcdef", "0123456789abcdef", ["", "../../etc/passwd", "F" * 16]),
    ],
)
def test_values(method: str, good: str, value: object, bad: list[str], path: Path) -> None:
    path.write_text("c,d\n" + "".join(f'"{text}",\n' for text in [good, *bad]))
    first, *others = read_rows(path, ("c",))
    assert getattr(first, method)("c") == value
    for line, (row, text) in enumerate(zip(others, bad, strict=True), start=3):
        with pytest.raises(FileError) as caught:
            getattr(row, method)("c")
        assert str(caught.value).startswith(f"{path}:{line}: c: {text!r} is not ")


def test_counts_by_what_follows_in_the_name(path: Path) -> None:
    path.write_text("n.a,x,n.b/c\n1,2,3\n")
    [row] = read_rows(path, ())
    assert row.counts("n.") == {"a": 1, "b/c": 3}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", ": not a JSON object"),
        ("{\n,}", ":2: not JSON: Expecting property name enclosed in double quotes"),
        ("[" * 100_000, ": not JSON that can be read: "),
        (f'{{"a": {"1" * 5000}}}', ": not JSON that can be read: "),
    ],
)
def test_what_is_no_json_object_is_refused(content: str, said: str, path: Path) -> None:
    path.write_text(content)
    with pytest.raises(FileError) as caught:
        read_mapping(path)
    assert str(caught.value).startswith(f"{path}{said}")


def test_lines_are_numbered_and_a_last_one_cut_off_is_left_out(path: Path) -> None:
    path.write_text('{"a": 1}\n{"b": 2}\n{"c"')
    assert list(read_lines(path)) == [(f"{path}:1", {"a": 1}), (f"{path}:2", {"b": 2})]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("3", "not a JSON object"),
        ("{", "not JSON: Expecting property name"),
        ("[" * 100_000, "not JSON: "),
    ],
)
def test_a_line_that_is_no_object(line: str, said: str, path: Path) -> None:
    path.write_text('{"a": 1}\n' + line + "\n")
    with pytest.raises(FileError) as caught:
        list(read_lines(path))
    assert str(caught.value).startswith(f"{path}:2: {said}")
