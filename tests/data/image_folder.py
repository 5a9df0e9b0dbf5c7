"""Image folders of noise, as a set of files in a folder a class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from sparsenet.data.folders import ImageFiles
from sparsenet.data.listed import listed_files
from sparsenet.data.stream import Stream

CLASSES = ("ant", "bee", "cat")


def make_folder(
    root: Path, train: int = 8, val: int = 3, sizes: tuple[int, int] = (16, 24), classes=CLASSES
) -> Path:
    """So many images a class with sides from `sizes`, JPEG and PNG by turns, all different."""
    rng = np.random.default_rng(0)
    for part, count in (("train", train), ("val", val)):
        for name in classes:
            (root / part / name).mkdir(parents=True)
            for number in range(count):
                low, high = sizes
                height, width = rng.integers(low, high + 1, 2)
                image = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
                suffix = "png" if number % 2 else "jpg"
                image.save(root / part / name / f"{number}.{suffix}")
    return root


def streamed(files: ImageFiles, batch_size: int, is_color: bool = True, **options) -> Stream:
    """The files as a Stream, of which the transform says how large the images are."""
    listed = listed_files("files", files, options["transform"], is_color)
    return Stream(listed, batch_size, **options)
