"""A set is decoded once by several at once, without a cache, on a full disk, and interrupted."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from sparsenet.data import decoded, image_cache
from sparsenet.data.decoded import Decoded
from sparsenet.data.watch import unwatched
from tests.data.decoded_sets import (
    SPOILT,
    Watched,
    again,
    cached,
    get,
    locks,
    spoil,
)


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
