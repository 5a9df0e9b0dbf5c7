"""An LMDB that is only read, whatever its files hold."""

from __future__ import annotations

import gc
import pickle
import sys
from pathlib import Path

import pytest

from sparsenet.data.database import Database, database
from sparsenet.data.raw import DataError
from sparsenet.errors import ConfigError
from tests.data.lmdbs import write_records

RECORDS = {"b": b"two", "a": b"one", "z\udcff": b"bytes that are no UTF-8", "é": b"four"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_records(tmp_path / "set", RECORDS)


def test_the_records_come_in_the_order_of_their_keys_bytes(folder: Path) -> None:
    found = database(folder)
    assert len(found) == 4
    ordered = sorted(RECORDS, key=lambda key: key.encode("utf-8", "surrogateescape"))
    assert [(name, bytes(data)) for name, data in found.records()] == [
        (name, RECORDS[name]) for name in ordered
    ]
    assert {name: found.record(name) for name in RECORDS} == RECORDS


def test_nothing_is_written_beside_it(folder: Path) -> None:
    (folder / "lock.mdb").unlink()
    folder.chmod(0o555)
    try:
        assert len(database(folder)) == 4
    finally:
        folder.chmod(0o755)
    assert [path.name for path in folder.iterdir()] == ["data.mdb"]


def test_a_process_has_it_open_once_and_as_long_as_it_is_used(folder: Path, tmp_path: Path) -> None:
    found = database(folder)
    (tmp_path / "link").symlink_to(folder)
    assert database(tmp_path / "link") is found
    assert pickle.loads(pickle.dumps(found)) is found
    with pytest.raises(DataError, match="already open in this process"):
        Database(folder)
    del found
    gc.collect()
    assert len(Database(folder)) == 4


def test_a_record_that_is_not_there(folder: Path) -> None:
    with pytest.raises(DataError) as caught:
        database(folder).record("c")
    assert str(caught.value) == f"{folder}: record 'c': is not there any more"


def spoil(folder: Path, content: bytes | None) -> Path:
    file = folder / "data.mdb"
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    return file


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "{file}: no such file: say with root and folder, or SPARSENET_DATA, where the LMDB"),
        (b"", "{folder}: cannot be read as an LMDB: "),
        (b"x" * 9000, "{folder}: cannot be read as an LMDB: "),
    ],
)
def test_what_is_no_lmdb(folder: Path, content: bytes | None, message: str) -> None:
    file = spoil(folder, content)
    with pytest.raises(DataError) as caught:
        database(folder)
    assert str(caught.value).startswith(message.format(file=file, folder=folder))
    assert "\n" not in str(caught.value)


def test_one_that_is_cut_off_is_not_mapped(folder: Path) -> None:
    content = (folder / "data.mdb").read_bytes()
    file = spoil(folder, content[:-1])
    with pytest.raises(DataError) as caught:
        database(folder)
    sizes = f"{len(content) - 1:,} of {len(content):,} bytes"
    assert str(caught.value) == f"{file}: is cut off: {sizes}"


def test_one_without_records(tmp_path: Path) -> None:
    folder = write_records(tmp_path / "set", {})
    with pytest.raises(DataError, match=r"data\.mdb: holds no records$"):
        database(folder)


def test_without_the_library_it_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(ConfigError, match=r"needs lmdb, .*: pip install 'sparsenet\[caffe\]'$"):
        database(folder)
