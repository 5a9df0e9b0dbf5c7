"""metrics.jsonl: whole lines of strict JSON, cut back to where a snapshot was made."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsenet.files import FileError
from sparsenet.metrics import MetricsLog, read_metrics


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


def written(path: Path, *lines: dict[str, Any], after: int = 0) -> None:
    log = MetricsLog(path, after)
    for line in lines:
        log.append(line)
    assert log.lines == after + len(lines)
    log.close()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    # what str.splitlines takes for the end of a line is none of JSON Lines
    | st.text() | st.sampled_from(["\u2028", "\x85", "\x0c", "\r\n"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(lines=st.lists(st.dictionaries(st.text(), VALUES, max_size=4), max_size=5))
def test_what_is_appended_is_read_again(
    lines: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("log") / "metrics.jsonl"
    written(path, *lines)
    assert path.read_bytes().count(b"\n") == len(lines)
    assert list(read_metrics(path)) == lines


def test_what_json_does_not_have_is_null(path: Path) -> None:
    nan, inf = float("nan"), float("inf")
    written(path, {"loss": nan, "lr": 0.1, "outputs": {"a": inf, "b": [1.5, -inf]}})

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    [line] = path.read_text().splitlines()
    assert json.loads(line, parse_constant=refuse) == {
        "loss": None,
        "lr": 0.1,
        "outputs": {"a": None, "b": [1.5, None]},
    }


def test_a_fresh_log_begins_empty(path: Path) -> None:
    path.write_text('{"an": "earlier run"}\n')
    written(path, {"iter": 0})
    assert list(read_metrics(path)) == [{"iter": 0}]


@pytest.mark.parametrize("torn", ["", '{"iter": 3, "lo'])
def test_a_resumed_log_is_cut_back_to_the_snapshot(torn: str, path: Path) -> None:
    written(path, *({"iter": i} for i in range(4)))
    with path.open("a") as stream:
        stream.write(torn)
    written(path, {"again": 2}, after=2)
    assert list(read_metrics(path)) == [{"iter": 0}, {"iter": 1}, {"again": 2}]


@pytest.mark.parametrize(
    ("content", "has"), [("", 0), ('{"iter": 0}\n', 1), ('{"iter": 0}\n{"iter": 1}', 1)]
)
def test_a_log_shorter_than_the_snapshot_knew_is_refused(
    content: str, has: int, path: Path
) -> None:
    path.write_text(content)
    with pytest.raises(FileError) as raised:
        MetricsLog(path, 2)
    assert str(raised.value) == f"{path}: has {has} lines, the snapshot was made after 2"
    assert path.read_text() == content


def test_a_log_that_is_gone_or_no_text_is_an_error_of_one_line(path: Path) -> None:
    with pytest.raises(FileError) as raised:
        MetricsLog(path, 2)
    assert str(raised.value) == f"{path}: cannot be read: No such file or directory"
    path.write_bytes(b"\xff\xfe\n" * 3)
    with pytest.raises(FileError) as raised:
        MetricsLog(path, 2)
    assert str(raised.value) == f"{path}: cannot be read: not UTF-8 text"


def test_a_last_line_that_was_cut_off_is_left_out(path: Path) -> None:
    path.write_text('{"iter": 0}\n{"iter": 1')
    assert list(read_metrics(path)) == [{"iter": 0}]


def test_a_damaged_line_is_named(path: Path) -> None:
    path.write_text('{"iter": 0}\n{"iter": 1\n{"iter": 2}\n')
    lines = read_metrics(path)
    assert next(lines) == {"iter": 0}
    with pytest.raises(FileError, match=r"metrics\.jsonl:2: not JSON: "):
        next(lines)


def test_a_full_disk_is_one_error_and_closing_is_not_another(path: Path) -> None:
    log = MetricsLog(path)
    log.append({"iter": 0})
    log._stream.close()
    log._stream = Path("/dev/full").open("a")  # noqa: SIM115  a disk that is really full
    with pytest.raises(FileError) as raised:
        log.append({"iter": 1})
    assert str(raised.value) == f"{path}: cannot be written: No space left on device"
    assert log.lines == 1
    log.close()
    assert list(read_metrics(path)) == [{"iter": 0}]


def test_a_log_that_cannot_be_synced_says_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = MetricsLog(path)

    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(FileError) as raised:
        log.sync()
    assert str(raised.value) == f"{path}: cannot be written: Input/output error"
    log.close()
