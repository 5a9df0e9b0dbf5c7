"""A file is replaced whole or left as it was, and nothing is left lying beside it."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from sparsenet.files import FileError, replacing, write_text, write_texts

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A file with old content, alone in its folder."""
    path = tmp_path / "file.txt"
    path.write_text("old")
    return path


def assert_untouched(old: Path) -> None:
    assert old.read_text() == "old"
    assert list(old.parent.iterdir()) == [old]


def test_the_new_content_replaces_the_old(old: Path) -> None:
    with replacing(old) as stream:
        stream.write(b"new")
        assert old.read_text() == "old"
    assert old.read_text() == "new"
    assert list(old.parent.iterdir()) == [old]


def test_text_is_utf_8_whatever_the_locale(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "naïve 网\n")
    assert (tmp_path / "a").read_bytes() == "naïve 网\n".encode()


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_the_permissions_are_those_of_any_new_file(mask: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        write_text(tmp_path / "a", "")
        (tmp_path / "b").touch()
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"]
    assert modes == [0o666 & ~mask] * 2


def failing(*_: object) -> None:
    raise FULL


def write_and_raise(path: Path, error: BaseException) -> None:
    with replacing(path) as stream:
        stream.write(b"new")
        raise error


@pytest.mark.parametrize("broken", ["os.fsync", "pathlib.Path.replace", "pathlib.Path.chmod"])
def test_a_failure_at_the_disk_leaves_the_old_file(
    broken: str, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broken, failing)
    with pytest.raises(FileError) as raised:
        write_text(old, "new")
    assert str(raised.value) == f"{old}: cannot be written: No space left on device"
    assert_untouched(old)


@pytest.mark.parametrize("error", [FULL, OSError("torn")])
def test_a_failing_write_leaves_the_old_file(error: OSError, old: Path) -> None:
    with pytest.raises(FileError) as raised:
        write_and_raise(old, error)
    assert str(raised.value) == f"{old}: cannot be written: {error.strerror or 'torn'}"
    assert_untouched(old)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("ours")])
def test_whatever_ends_the_block_leaves_the_old_file(error: BaseException, old: Path) -> None:
    with pytest.raises(type(error)):
        write_and_raise(old, error)
    assert_untouched(old)


@pytest.mark.parametrize("place", ["missing/file", "file.txt/file", "x" * 250])
def test_where_nothing_can_be_written_one_line_says_so(place: str, old: Path) -> None:
    path = old.parent / place
    with pytest.raises(FileError) as raised:
        write_text(path, "new")
    assert str(raised.value).startswith(f"{path}: cannot be written: ")
    assert len(str(raised.value).splitlines()) == 1
    assert_untouched(old)


TEXTS = {"a": "1", "b": "2"}


def texts_in(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_a_new_folder_has_all_of_its_files(tmp_path: Path) -> None:
    write_texts(tmp_path / "above" / "new", TEXTS)
    assert texts_in(tmp_path / "above" / "new") == TEXTS
    assert stat.S_IMODE((tmp_path / "above" / "new").stat().st_mode) == stat.S_IMODE(
        (tmp_path / "above").stat().st_mode
    )
    assert [path.name for path in (tmp_path / "above").iterdir()] == ["new"]


def test_in_a_folder_that_is_there_other_files_stay(old: Path) -> None:
    write_texts(old.parent, TEXTS | {old.name: "new"})
    assert texts_in(old.parent) == TEXTS | {old.name: "new"}
    write_texts(old.parent, {"a": "3"})
    assert texts_in(old.parent) == TEXTS | {old.name: "new", "a": "3"}


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("error", [FULL, KeyboardInterrupt()])
def test_of_several_files_none_is_left_where_one_fails(
    error: BaseException, is_there: bool, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []

    def fail_at_the_second(handle: int) -> None:
        synced.append(handle)
        if len(synced) == 3:  # a file and its folder come first
            raise error

    folder = old.parent if is_there else old.parent / "new"
    monkeypatch.setattr("os.fsync", fail_at_the_second)
    with pytest.raises(FileError if error is FULL else KeyboardInterrupt) as raised:
        write_texts(folder, TEXTS)
    if error is FULL:
        assert str(raised.value) == f"{folder}: cannot be written: No space left on device"
    assert_untouched(old)


def test_a_folder_that_cannot_be_made_is_named(old: Path) -> None:
    with pytest.raises(FileError) as raised:
        write_texts(old / "below", TEXTS)
    assert str(raised.value) == f"{old / 'below'}: cannot be written: File exists"
    assert_untouched(old)
