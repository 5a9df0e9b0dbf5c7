"""Decoding a set of images, spoiling it, and whether that was done or found in the cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from sparsenet.data.decoded import Decoded, decoded_set
from sparsenet.data.decoding import decode
from sparsenet.data.folders import ImageFiles, list_images

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


SPOILT = (3, 100)


def spoil(folder: Path) -> tuple[Path, Path]:
    """Make one image a text and one of no bytes at all."""
    text, empty = (files_of(folder).paths[place] for place in SPOILT)
    text.write_text("no image")
    empty.write_bytes(b"")
    return text, empty
