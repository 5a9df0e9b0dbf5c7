"""A file of decoded images is read as it was written or not at all, and has one writer."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sparsenet.data.image_cache import alone, fcntl, load, store
from sparsenet.data.watch import unwatched

SHAPE = (3, 4, 5)
IMAGES = torch.randint(256, (9, *SHAPE), generator=torch.Generator().manual_seed(0)).byte()
BAD = [0, 8]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of nine images, two of them bad."""
    store(tmp_path / "a.npy", IMAGES, BAD)
    return tmp_path / "a.npy"


def is_right(found: tuple[torch.Tensor, list[int]] | None) -> bool:
    return found is not None and torch.equal(found[0], IMAGES) and found[1] == BAD


def test_what_was_stored_is_loaded(path: Path) -> None:
    assert is_right(load(path, 9, SHAPE))
    assert np.array_equal(np.load(path), IMAGES.numpy())
    store(path, IMAGES, [])
    images, bad = load(path, 9, SHAPE)
    assert torch.equal(images, IMAGES)
    assert bad == []


def test_what_is_loaded_can_be_written_to_and_deleted(path: Path) -> None:
    images, _ = load(path, 9, SHAPE)
    images.zero_()
    assert is_right(load(path, 9, SHAPE))
    kept, _ = load(path, 9, SHAPE)
    path.unlink()
    assert torch.equal(kept, IMAGES)
    assert load(path, 9, SHAPE) is None


def test_what_others_want_is_not_loaded(path: Path) -> None:
    assert load(path, 8, SHAPE) is None
    assert load(path, 9, (3, 5, 4)) is None
    for array in (IMAGES.int(), IMAGES.double()):
        np.save(path, array.numpy())
        assert load(path, 9, SHAPE) is None


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_damage_is_seen(data: st.DataObject, path: Path) -> None:
    whole = path.with_name("whole")
    if not whole.exists():
        path.rename(whole)
    content = whole.read_bytes()
    # Where the headers and numbers are, or anywhere.
    place = st.one_of(st.integers(0, 127), st.integers(548, len(content) - 1))
    at = data.draw(st.one_of(place, st.integers(0, len(content) - 1)))
    flipped = bytearray(content)
    flipped[at] ^= data.draw(st.integers(1, 255))
    damaged = st.sampled_from([bytes(flipped), content[:at], content + b"x"])
    path.write_bytes(data.draw(damaged))
    found = load(path, 9, SHAPE)
    # Blanks that fill a header up may be others.
    assert found is None or is_right(found)


def test_the_writer_is_alone(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "yet"

    def lock(name: str) -> None:
        with (folder / name).open("wb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)

    with alone(folder / "a.npy", unwatched):
        with pytest.raises(BlockingIOError):
            lock("lock-a")
        lock("lock-b")
    lock("lock-a")


def test_a_file_system_without_locks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(95, os.strerror(95))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    others = path.with_name(".a.npy.abc.part")
    others.touch()
    with alone(path, unwatched):
        assert others.is_file()


def test_what_the_killed_left_behind_is_removed(path: Path) -> None:
    for name in (".a.npy.abc.part", ".b.npy.abc.part"):
        path.with_name(name).write_bytes(b"half")
    with alone(path, unwatched):
        # Another process may be writing what another lock is for.
        names = {"a.npy", ".b.npy.abc.part", "lock-a"}
        assert {other.name for other in path.parent.iterdir()} == names
