"""A set of images to be decoded, and a cache of its own for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.decoded_sets import SAMPLES


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "sparsenet" / "images"


@pytest.fixture
def folder(tmp_path: Path, cache: Path) -> Path:
    """Small pictures of two classes, more than a thread takes at a time."""
    noise = np.random.default_rng(0).integers(0, 256, (SAMPLES, 9, 10, 3), dtype=np.uint8)
    for place, pixels in enumerate(noise):
        path = tmp_path / "set" / "train" / f"{place % 2}" / f"{place:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return tmp_path / "set"
