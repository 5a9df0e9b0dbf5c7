"""A set is decoded once and never wrongly: not after damage, nor after a change."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sparsenet.data.decoded import decoded_set
from sparsenet.data.raw import DataError
from tests.data.decoded_sets import (
    SAMPLES,
    SIZE,
    SPOILT,
    Watched,
    again,
    cached,
    files_of,
    get,
    spoil,
)


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
