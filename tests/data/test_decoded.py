"""A set is decoded once and never wrongly: not by two at once, nor after damage or a change."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sparsenet.data import decoded, image_cache
from sparsenet.data.decoded import Decoded, decoded_set
from sparsenet.data.decoding import decode
from sparsenet.data.folders import ImageFiles, list_images
from sparsenet.data.raw import DataError
from sparsenet.data.watch import unwatched

SIZE = (6, 8)
SAMPLES = 150


class Watched:
    """A Watch that notes what is done, and how many pieces of it."""

    def __init__(self) -> None:
        self.done: dict[str, list[int]] = {}

    @contextmanager
    def __call__(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        self.done[what] = [0, total]

        def advance(count: int) -> None:
            self.done[what][0] += count

        yield advance

    @property
    def has_decoded(self) -> bool:
        return "Decoding images" in self.done


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "sparsenet" / "images"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Small pictures of two classes, more than a thread takes at a time."""
    noise = np.random.default_rng(0).integers(0, 256, (SAMPLES, 9, 10, 3), dtype=np.uint8)
    for place, pixels in enumerate(noise):
        path = tmp_path / "set" / "train" / f"{place % 2}" / f"{place:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return tmp_path / "set"


def files_of(folder: Path) -> ImageFiles:
    return list_images(folder, True)


def get(folder: Path, **options: Any) -> Decoded:
    return decoded_set(files_of(folder), **{"is_color": True, "size": SIZE, **options})


def again(folder: Path, **options: Any) -> bool:
    """Whether the set is decoded anew, and right in any case."""
    watch = Watched()
    found = get(folder, watch=watch, **options)
    assert found.uncached is None
    for place, path in enumerate(files_of(folder).paths):
        image = found.images[place]
        if place in found.bad:
            assert not image.any()
        else:
            assert torch.equal(image, decode(path, options.get("is_color", True), SIZE))
    return watch.has_decoded


def locks() -> set[str]:
    return {f"lock-{digit}" for digit in "0123456789abcdef"}


def cached(cache: Path) -> Path:
    [path] = cache.glob("*.npy")
    assert {other.name for other in cache.iterdir()} - locks() == {path.name}
    return path


def test_a_set_is_decoded_once(folder: Path, cache: Path) -> None:
    watch = Watched()
    found = get(folder, watch=watch)
    assert watch.done == {
        "Hashing images": [SAMPLES, SAMPLES],
        "Decoding images": [SAMPLES, SAMPLES],
    }
    assert (found.images.dtype, found.images.shape) == (torch.uint8, (SAMPLES, 3, *SIZE))
    assert found.bad == ()
    assert not again(folder)
    assert cached(cache).is_file()


def test_what_is_written_to_the_images_stays_here(folder: Path) -> None:
    for _ in range(2):
        get(folder).images.zero_()
    assert not again(folder)


def test_colour_and_size_are_told_apart(folder: Path, cache: Path) -> None:
    assert again(folder)
    assert again(folder, is_color=False)
    assert get(folder, size=(8, 6)).images.shape == (SAMPLES, 3, 8, 6)
    assert not again(folder)
    assert not again(folder, is_color=False)
    assert len(list(cache.glob("*.npy"))) == 3


def test_the_content_counts_and_neither_name_nor_date(folder: Path) -> None:
    get(folder)
    moved = folder.rename(folder.with_name("moved"))
    for path in files_of(moved).paths:
        path.touch()
    assert not again(moved)
    first, second = (moved / "train" / "0" / name for name in ("000.png", "002.png"))
    pixels = np.asarray(Image.open(first)).copy()
    before = first.stat()
    for value in range(256):  # one pixel is changed to one that takes as many bytes
        pixels[0, 0] = value
        Image.fromarray(pixels).save(first)
        if first.stat().st_size == before.st_size:
            break
    os.utime(first, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (first.stat().st_size, first.stat().st_mtime) == (before.st_size, before.st_mtime)
    assert again(moved)
    first.rename(first.with_name("x"))
    second.rename(first)
    first.with_name("x").rename(second)
    assert again(moved)


def test_a_deleted_cache_does_no_harm(folder: Path, cache: Path) -> None:
    get(folder)
    mapped = get(folder).images
    shutil.rmtree(cache.parent)
    assert torch.equal(mapped, get(folder).images)
    assert not again(folder)


def test_a_damaged_cache_is_made_anew(folder: Path, cache: Path) -> None:
    for damaged in (b"", b"no array", cached_bytes(folder, cache)[:-30]):
        cached(cache).write_bytes(damaged)
        assert again(folder)
        assert not again(folder)


def cached_bytes(folder: Path, cache: Path) -> bytes:
    get(folder)
    return cached(cache).read_bytes()


SPOILT = (3, 100)


def spoil(folder: Path) -> tuple[Path, Path]:
    """Make one image a text and one of no bytes at all."""
    text, empty = (files_of(folder).paths[place] for place in SPOILT)
    text.write_text("no image")
    empty.write_bytes(b"")
    return text, empty


def test_bad_images_are_skipped_and_remembered(folder: Path) -> None:
    spoil(folder)
    assert again(folder, on_bad_image="skip")
    assert not again(folder, on_bad_image="skip")
    assert get(folder, on_bad_image="skip").bad == SPOILT


@pytest.mark.parametrize("on_bad_image", ["error", "skip"])
def test_a_file_that_changes_meanwhile_ends_it_and_is_not_cached(
    folder: Path, cache: Path, on_bad_image: str
) -> None:
    changed = files_of(folder).paths[7]
    before = changed.read_bytes()

    @contextmanager
    def changing(what: str, _total: int) -> Iterator[Callable[[int], None]]:
        if what == "Decoding images":
            changed.write_bytes(files_of(folder).paths[8].read_bytes())
        yield lambda _done: None

    words = f"^{changed}: was changed while the images were being read$"
    with pytest.raises(DataError, match=words):
        get(folder, watch=changing, on_bad_image=on_bad_image)
    changed.write_bytes(before)
    assert again(folder)


def test_a_file_that_can_be_read_again_is_not_left_out(folder: Path) -> None:
    path = files_of(folder).paths[5]
    before = path.read_bytes()
    path.unlink()
    path.symlink_to("nowhere")
    files = files_of(folder)
    assert decoded_set(files, True, SIZE, "skip").bad == (5,)
    path.unlink()
    path.write_bytes(before)
    assert again(folder, on_bad_image="skip")
    assert get(folder).bad == ()


def test_the_first_bad_image_is_an_error(folder: Path, cache: Path) -> None:
    text, empty = spoil(folder)
    with pytest.raises(DataError, match=rf"^{empty}: the file is empty$"):
        get(folder)
    empty.unlink()
    for _ in range(2):
        with pytest.raises(DataError, match=rf"^{text}: not a JPEG, .* image$"):
            get(folder)
        get(folder, on_bad_image="skip")
    assert cached(cache).is_file()


def test_no_image_is_good(folder: Path) -> None:
    files = files_of(folder)
    for path in files.paths:
        path.write_text("no image")
    words = f"{files.paths[0]}: cannot be decoded, nor can any other of the {SAMPLES} images"
    for content in ("no image", ""):
        for path in files.paths:
            path.write_text(content)
        with pytest.raises(DataError) as caught:
            get(folder, on_bad_image="skip")
        assert str(caught.value) == words


def test_a_cache_that_cannot_be_written(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    get(folder)
    expected = get(folder).images.clone()
    shutil.rmtree(cache)
    cache.write_text("a file where the folder should be")
    found = get(folder)
    assert torch.equal(found.images, expected)
    said = "The next run will decode the images again: "
    assert found.uncached == f"{said}{cache}: cannot be written: File exists"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
    found = get(folder)
    assert torch.equal(found.images, expected)
    assert found.uncached == f"{said}there is no home folder: set XDG_CACHE_HOME"


def test_a_full_disk(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(folder)

    def full(_descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    found = get(folder, on_bad_image="skip")
    assert found.uncached is not None
    assert found.uncached.endswith(": cannot be written: No space left on device")
    assert found.bad == SPOILT
    assert {path.name for path in cache.iterdir()} <= locks()
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent.parent))
    assert torch.equal(found.images, get(folder, on_bad_image="skip").images)


def test_of_several_at_once_one_decodes(folder: Path, cache: Path) -> None:
    # Each opens the lock for itself, so that threads exclude each other as processes do.
    get(folder)
    path = cached(cache)
    path.unlink()
    watches = [Watched() for _ in range(3)]
    found: list[Decoded] = []

    def run(watch: Watched) -> None:
        found.append(get(folder, watch=watch))

    with image_cache.alone(path, unwatched):
        threads = [threading.Thread(target=run, args=(watch,)) for watch in watches]
        for thread in threads:
            thread.start()
        waiting = "Waiting for another process that decodes images"
        while not all(waiting in watch.done for watch in watches):
            assert all(thread.is_alive() for thread in threads)
            time.sleep(0.01)
    for thread in threads:
        thread.join()
    assert sum(watch.has_decoded for watch in watches) == 1
    assert all(torch.equal(each.images, found[0].images) for each in found)
    assert not again(folder)
    assert cached(cache).is_file()


def test_an_interrupt_ends_the_threads_and_leaves_no_file(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def interrupting(what: str, _total: int) -> Iterator[Callable[[int], None]]:
        signals = what == "Decoding images"
        yield lambda _done: signal.raise_signal(signal.SIGINT) if signals else None

    monkeypatch.setattr(decoded, "_CHUNK", 1)
    before = threading.active_count()
    # Where the tests run in the background Ctrl-C may be ignored.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            get(folder, watch=interrupting)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert threading.active_count() == before
    assert {path.name for path in cache.iterdir()} <= locks()
    assert again(folder)
