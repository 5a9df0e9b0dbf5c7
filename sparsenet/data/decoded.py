"""A whole set of images, decoded once: after that it is read from the cache.

The cache is keyed by the content of the files, not by their names or dates, so that it is right
whatever is done to them, and serves a set that was moved or copied.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal, TypeVar

import torch
from torch import Tensor

from sparsenet.data import image_cache
from sparsenet.data.decoding import ColorOrder, decode_bytes, read
from sparsenet.data.folders import ImageFiles
from sparsenet.data.locations import cache_folder
from sparsenet.data.raw import DataError
from sparsenet.data.watch import Watch, unwatched
from sparsenet.files import FileError

T = TypeVar("T")
OnBadImage = Literal["error", "skip"]

# Another one, and what was cached by an older program is not read any more.
_FORMAT = 2
_UNREADABLE = bytes(32)
# Files that a thread takes at a time: one's overhead is shared, and an interrupt waits for few.
_CHUNK = 64


@dataclass(frozen=True)
class Decoded:
    """The images of a part, in their order.

    `images` is uint8 (images, channels, height, width), perhaps mapped from the cache; `bad` the
    places of those that cannot be decoded, which are black; `uncached` why the next run has to
    decode anew, a line to warn of, or None.
    """

    images: Tensor
    bad: tuple[int, ...]
    uncached: str | None


def decoded_set(
    files: ImageFiles,
    is_color: bool,
    size: tuple[int, int],
    on_bad_image: OnBadImage = "error",
    watch: Watch = unwatched,
    order: ColorOrder = "RGB",
) -> Decoded:
    """Every image of a part at `size` (height, width), as `decode` makes it, or from the cache.

    Of several processes that ask for the same set at once one decodes and the others wait. A cache
    that cannot be written is told of in `uncached`. Raises DataError: the first image that cannot
    be decoded, with `on_bad_image` error; with skip, when there is no other; and a file that is
    changed meanwhile.
    """
    skip = on_bad_image == "skip"
    wanted = _Wanted(
        files.paths, _digests(files.paths, skip, watch), is_color, size, order, skip, watch
    )
    images, bad, uncached = wanted.get()
    if bad and not skip:
        wanted.decoded_one(bad[0])
        raise AssertionError("what could not be decoded once can be now")
    if len(bad) == len(images):
        also = f"nor can any other of the {len(bad)} images"
        raise DataError(f"{files.paths[0]}: cannot be decoded, {also}")
    return Decoded(images, tuple(bad), uncached)


def _digests(paths: Sequence[Path], skip: bool, watch: Watch) -> list[bytes]:
    """The SHA-256 of each file, zeros for one that cannot be read. Raises DataError or skips."""

    def digest(place: int) -> bytes:
        try:
            return hashlib.sha256(read(paths[place])).digest()
        except DataError:
            if skip:
                return _UNREADABLE
            raise

    return _in_threads("Hashing images", digest, len(paths), watch)


def _key(digests: Iterable[bytes], is_color: bool, size: tuple[int, int], order: ColorOrder) -> str:
    """Of all that the pixels depend on, the libraries that decode included."""
    libraries = [f"{name} {version(name)}" for name in ("torch", "torchvision", "pillow")]
    key = hashlib.sha256(repr((_FORMAT, libraries, is_color, size, order)).encode())
    for digest in digests:
        key.update(digest)
    return key.hexdigest()


@dataclass(frozen=True)
class _Wanted:
    """Files with what they held when they were listed, and as what their images are wanted."""

    paths: tuple[Path, ...]
    digests: list[bytes]
    is_color: bool
    size: tuple[int, int]
    order: ColorOrder
    skip: bool
    watch: Watch

    @property
    def shape(self) -> tuple[int, int, int]:
        return 3 if self.is_color else 1, *self.size

    def get(self) -> tuple[Tensor, list[int], str | None]:
        """From the cache, or else decoded and then cached: images, bad rows, why uncached."""
        with ExitStack() as stack:
            try:
                key = _key(self.digests, self.is_color, self.size, self.order)
                path = cache_folder() / "images" / f"{key}.npy"
                if found := self.load(path):
                    return *found, None
                stack.enter_context(image_cache.alone(path, self.watch))
                if found := self.load(path):  # made by another process meanwhile
                    return *found, None
            except (DataError, FileError) as error:
                return *self.decoded(), _uncached(error)
            images, bad = self.decoded()
            try:
                image_cache.store(path, images, bad)
            except FileError as error:
                return images, bad, _uncached(error)
            return *(self.load(path) or (images, bad)), None

    def load(self, path: Path) -> tuple[Tensor, list[int]] | None:
        return image_cache.load(path, len(self.paths), self.shape)

    def decoded(self) -> tuple[Tensor, list[int]]:
        """The images, and the rows of those that cannot be decoded. Raises DataError or skips."""
        # decode_bytes imports it, for seconds: here an interrupt ends that, in threads none would.
        import torchvision.io  # noqa: F401, PLC0415

        images = torch.empty((len(self.paths), *self.shape), dtype=torch.uint8)

        def decode_row(row: int) -> bool:
            try:
                images[row] = self.decoded_one(row)
            except _BadImageError:
                if not self.skip:
                    raise
                images[row] = 0
                return False
            return True

        good = _in_threads("Decoding images", decode_row, len(images), self.watch)
        return images, [row for row, is_good in enumerate(good) if not is_good]

    def decoded_one(self, row: int) -> Tensor:
        """One image. Raises _BadImageError, and DataError where the file is not what it was."""
        path, digest = self.paths[row], self.digests[row]
        if digest == _UNREADABLE:
            raise _BadImageError(f"{path}: cannot be read")
        data = read(path)
        # Else the pixels of another file would be cached under the key of this one.
        if hashlib.sha256(data).digest() != digest:
            raise DataError(f"{path}: was changed while the images were being read")
        try:
            return decode_bytes(path, data, self.is_color, self.size, self.order)
        except DataError as error:
            raise _BadImageError(str(error)) from None


class _BadImageError(DataError):
    """A file that holds no image: it is the same whenever it is read."""


def _uncached(error: Exception) -> str:
    return f"The next run will decode the images again: {error}"


def _in_threads(what: str, work: Callable[[int], T], count: int, watch: Watch) -> list[T]:
    """[work(0), ..., work(count - 1)], made by threads that are gone when this returns or raises.

    Of several exceptions the one of the first is raised.
    """
    chunks = [range(count)[start : start + _CHUNK] for start in range(0, count, _CHUNK)]
    results: list[T] = []
    with watch(what, count) as advance:
        pool = ThreadPoolExecutor()
        try:
            for done in pool.map(lambda chunk: [work(place) for place in chunk], chunks):
                results += done
                advance(len(done))
        finally:
            pool.shutdown(cancel_futures=True)
    return results
