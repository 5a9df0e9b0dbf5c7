"""The input pipeline alone, decoding included, against DataLoader + ImageFolder, in turns.

    python scripts/bench_input.py [--folder DIR] [--epochs N] [--rounds N] [--workers N]
        [--threads N]

Images/s as float32 batches, of images enough for a few seconds:
  cold      sparsenet in memory: files hashed and decoded, the cache written, then the epochs
  warm      the same from the cache: files hashed, the cache checked, then the epochs
  steady    epochs alone
  streamed  sparsenet with its workers, from when they have begun
  plain     torchvision.datasets.ImageFolder with the same transforms, under a DataLoader with as
            many workers, from when they have begun
on the images of DIR/train/<class>, if it is given, and on generated ones of ILSVRC's usual size.
Images of at most 64 pixels a side are padded by 4 and cropped to their own size, larger ones made
256x256 and cropped to 227; all are mirrored and normalized.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder
from turns import in_turns, lines, ratio

from sparsenet.data.batches import Batches
from sparsenet.data.folders import list_images
from sparsenet.data.options import DataOptions
from sparsenet.data.phases import open_phase
from sparsenet.data.transforms import Transform
from sparsenet.layout import memory_format_of

MEANS, STDS = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
BARS = {"cold": 5.0, "warm": 5.0, "steady": 5.0, "streamed": 1.0}
GENERATED = 400


@dataclass(frozen=True)
class Images:
    """A folder of images, and what is done to them; `turn` of them are streamed in a turn."""

    folder: Path
    resize: tuple[int, int]
    pad: int
    crop: int
    batch: int
    count: int
    turn: int


def images_of(folder: Path) -> Images:
    files = list_images(folder, train=True)
    width, height = Image.open(files.paths[0]).size
    count = len(files.paths)
    if max(width, height) <= 64:
        side = min(width, height)
        return Images(folder, (side, side), 4, side, 100, count, turn=8000)
    return Images(folder, (256, 256), 0, 227, 32, count, turn=320)


def generate(folder: Path, count: int) -> None:
    """JPEG files of 500x375 pixels, of about as many bytes as photographs, in ten classes."""
    generator = np.random.default_rng(0)
    for number in range(count):
        coarse = generator.integers(0, 256, (24, 32, 3), dtype=np.uint8)
        smooth = np.asarray(Image.fromarray(coarse).resize((500, 375), Image.Resampling.BICUBIC))
        noise = generator.normal(0, 12, smooth.shape)
        pixels = (smooth + noise).clip(0, 255).astype(np.uint8)
        path = folder / "train" / f"class{number % 10}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, quality=90)


def opened(images: Images, memory: str, workers: int | None) -> Batches:
    """sparsenet's batches of the training images."""
    options = DataOptions(
        source="ImageFolder",
        root=str(images.folder),
        memory=memory,
        workers=workers,
        batch_size=images.batch,
        transform=Transform(
            resize=images.resize,
            pad=images.pad,
            crop_size=images.crop,
            mirror=True,
            mean_value=MEANS,
            std=STDS,
        ),
    )
    device = torch.device("cpu")
    batches = open_phase(options, "TRAIN", 0, memory_format=memory_format_of(device))
    assert batches is not None, "TRAIN is always there"
    return batches


def plain(images: Images, workers: int) -> Iterator[object]:
    """The batches of a DataLoader over ImageFolder, epoch after epoch."""
    small = images.pad > 0
    transform = transforms.Compose(
        [
            *([] if small else [transforms.Resize(images.resize)]),
            transforms.RandomCrop(images.crop, padding=images.pad or None),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize([m / 255 for m in MEANS], [s / 255 for s in STDS]),
        ]
    )
    loader = DataLoader(
        ImageFolder(str(images.folder / "train"), transform),
        images.batch,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
    while True:
        yield from loader


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def drained(batches: Iterable[object], count: int) -> None:
    for _ in islice(batches, count):
        pass


def whole_turn(images: Images, epochs: int, cache: Path | None) -> Callable[[], float]:
    """A turn of cold, which has a cache folder of its own each time, or else of warm."""

    def turn() -> float:
        with tempfile.TemporaryDirectory() as empty:
            os.environ["XDG_CACHE_HOME"] = str(cache or empty)
            return epochs * images.count / seconds(work)

    def work() -> None:
        drained(stepped(opened(images, "yes", None)), epochs * images.count // images.batch)

    return turn


def stepped(batches: Batches) -> Iterator[object]:
    step = 0
    while True:
        yield batches.batch(step)
        step += 1


def flowing_turn(
    images: Images, batches: Iterator[object], samples: int, ahead: int
) -> Callable[[], float]:
    """A turn of batches that follow one another, but for those read ahead since the last turn."""
    count = max(1, samples // images.batch)

    def turn() -> float:
        drained(batches, ahead)
        return count * images.batch / seconds(lambda: drained(batches, count))

    return turn


def bench(name: str, images: Images, options: argparse.Namespace, cache: Path) -> None:
    workers, epochs = options.workers, options.epochs
    ahead = 2 * workers + 1
    os.environ["XDG_CACHE_HOME"] = str(cache)
    held, streamed = opened(images, "yes", None), opened(images, "no", workers)
    contenders = {
        "plain": flowing_turn(images, plain(images, workers), images.turn, ahead),
        "streamed": flowing_turn(images, stepped(streamed), images.turn, ahead),
        "steady": flowing_turn(images, stepped(held), 4 * images.turn, ahead * 4),
        "warm": whole_turn(images, epochs, cache),
        "cold": whole_turn(images, epochs, None),
    }
    where = f"{workers} workers, {torch.get_num_threads()} threads"
    print(f"{images.count} images of {name}, {epochs} epochs, {where}", flush=True)
    rates = in_turns(contenders, options.rounds)
    streamed.close()
    print(lines(rates, "images/s"))
    for own, bar in BARS.items():
        print(f"  {own}/plain {ratio(rates, own, 'plain'):.2f}  (bar {bar:g})", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="of image files, as source: ImageFolder")
    parser.add_argument("--epochs", type=int, default=10, help="of cold and warm")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as scratch:
        generated = Path(scratch) / "generated"
        generate(generated, GENERATED)
        for folder in filter(None, (options.folder, generated)):
            bench(str(folder), images_of(folder), options, Path(scratch) / "cache")


if __name__ == "__main__":
    main()
