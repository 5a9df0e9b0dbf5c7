"""The run folder: an earlier run is never lost unasked, and what is not a run's stays."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest

from sparsenet.errors import ConfigError
from sparsenet.files import FileError
from sparsenet.run_folder import RunFolder

OWN = ("config.yaml", "metrics.jsonl", "best.pt", "final.pt", "summary.json", "summary.txt",
       "iter_1.pt", "iter_20.pt")  # fmt: skip
FOREIGN = ("notes.txt", "writable", "iter_x.pt", "iter_3.pt.bak", "final.pt.part", "threshold.csv",
           ".hidden.part", ".notes.txt.abc12345.part", "net.yaml")  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "runs" / "a")


def fill(folder: RunFolder, *names: str) -> None:
    folder.path.mkdir(parents=True, exist_ok=True)
    for name in names:
        path = folder.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)


def names(folder: RunFolder) -> set[str]:
    return {path.name for path in folder.path.iterdir()}


def test_it_is_made_with_its_parents_and_left_empty(folder: RunFolder) -> None:
    folder.open()
    assert names(folder) == set()
    folder.open()  # an empty folder is no run


def test_snapshots_come_newest_first_by_number(folder: RunFolder) -> None:
    fill(folder, "iter_9.pt", "iter_10.pt", "iter_100.pt", "iter_11.pt.part", "iter_.pt")
    assert [path.name for path in folder.snapshots()] == ["iter_100.pt", "iter_10.pt", "iter_9.pt"]
    assert folder.snapshot(10) in folder.snapshots()
    folder.keep_newest(2)
    assert [path.name for path in folder.snapshots()] == ["iter_100.pt", "iter_10.pt"]


@pytest.mark.parametrize("name", OWN)
def test_each_file_of_a_run_is_enough_to_refuse(name: str, folder: RunFolder) -> None:
    fill(folder, name)
    with pytest.raises(ConfigError) as raised:
        folder.open()
    assert str(raised.value) == (
        f"{folder.path} holds an earlier run: go on with it by --resume auto, replace it by "
        "--overwrite, or choose another folder by --output"
    )
    assert names(folder) == {name}


def test_files_of_others_are_no_run(folder: RunFolder) -> None:
    fill(folder, *FOREIGN)
    assert not folder.holds_a_run()
    folder.open()
    assert names(folder) == set(FOREIGN)
    assert all((folder.path / name).read_text() == name for name in FOREIGN)


def test_overwrite_removes_what_a_run_wrote_and_nothing_else(folder: RunFolder) -> None:
    fill(folder, *OWN, *FOREIGN, "tensorboard/events.out.tfevents.1.host", "retrain/config.yaml")
    folder.open(overwrite=True)
    assert names(folder) == {*FOREIGN, "retrain"}
    fill(folder, "config.yaml", "tensorboard/events.out.tfevents.1.host", "tensorboard/mine.txt")
    folder.open(overwrite=True)
    assert [path.name for path in folder.tensorboard.iterdir()] == ["mine.txt"]


def test_resuming_keeps_the_run_and_sweeps_up_what_a_kill_cut_off(folder: RunFolder) -> None:
    cut_off = (".iter_20.pt.ab_1234z.part", ".summary.json.abcdefgh.part")
    fill(folder, *OWN, *FOREIGN, *cut_off)
    folder.open(resuming=True)
    assert names(folder) == {*OWN, *FOREIGN}


def test_a_folder_below_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for below in ("file/run", "file"):
        with pytest.raises(FileError) as raised:
            RunFolder(tmp_path / below).open()
        assert str(raised.value).startswith(f"{tmp_path / below}: cannot be made: ")


def test_what_is_known_to_fail_is_found_without_writing(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = RunFolder(folder.path / "deep" / "run")
    new.check()
    fill(folder, *OWN)
    with pytest.raises(ConfigError, match="holds an earlier run"):
        folder.check()
    folder.check(overwrite=True)
    folder.check(resuming=True)
    monkeypatch.setattr(os, "access", lambda path, mode: path != folder.path)
    with pytest.raises(FileError) as raised:
        new.check()
    assert str(raised.value) == f"{new.path}: cannot be written to: {folder.path} is read-only"
    below = RunFolder(folder.config / "run")
    with pytest.raises(FileError, match="cannot be made: Not a directory"):
        below.check()
    assert names(folder) == set(OWN)


def test_a_name_too_long_is_one_line(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / ("x" * 300))
    assert not folder.holds_a_run()
    with pytest.raises(FileError, match="cannot be made: File name too long"):
        folder.open()


def denied(*_: object, **__: object) -> None:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def test_what_may_not_be_looked_into_fails_when_it_is_made(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "exists", denied)
    monkeypatch.setattr(Path, "mkdir", denied)
    with pytest.raises(FileError, match="cannot be made: Permission denied"):
        folder.open()


@pytest.mark.parametrize("overwrite", [False, True])
def test_an_unwritable_folder_fails_before_anything_is_removed(
    overwrite: bool, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(folder, *(OWN if overwrite else ()))
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", denied)
    with pytest.raises(FileError) as raised:
        folder.open(overwrite=overwrite)
    assert str(raised.value) == f"{folder.path}: cannot be written to: Permission denied"
    assert names(folder) == set(OWN if overwrite else ())


def test_a_file_that_cannot_be_removed_is_named(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(folder, "iter_1.pt", "iter_2.pt")
    monkeypatch.setattr(Path, "unlink", denied)
    with pytest.raises(FileError, match=r"iter_1\.pt: cannot be removed: Permission denied"):
        folder.keep_newest(1)


def test_whose_run_it_is_loses_nothing_and_is_removed_with_it(folder: RunFolder) -> None:
    assert folder.begun_by() == frozenset()
    folder.open()
    folder.launch.write_text("one\nother\n")
    assert folder.begun_by() == {"one", "other"}
    assert not folder.holds_a_run()
    folder.open()
    assert names(folder) == set()
    folder.launch.write_bytes(b"\xff")
    assert folder.begun_by() == frozenset()
