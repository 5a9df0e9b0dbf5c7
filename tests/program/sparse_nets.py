"""Nets with few nonzeros, packed, and what torch computes from the same numbers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sparsenet.config.load import from_data, load_net
from sparsenet.config.net import NetConfig
from sparsenet.net import Net
from sparsenet.regularization.projections import keep_largest_
from sparsenet.storage.encoded import Encoded, can_hold, encode
from sparsenet.storage.formats import FORMATS
from sparsenet.storage.values import values_of
from tests.small import net_data

CONFIGS = Path(__file__).parents[2] / "configs"
NEEDS_COMPILER = pytest.mark.skipif(
    not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="there is no C compiler"
)
EVERY_WIDTH = pytest.mark.parametrize("lanes", [None, 1, 4], ids=["own lanes", "1 lane", "4 lanes"])
Floats = NDArray[np.float32]


def shipped(path: str) -> NetConfig:
    return load_net(CONFIGS / path)


def small(*layers: dict[str, Any], **data: Any) -> NetConfig:
    """A net on the 8x8 digits; `data` are keys of its Data layer."""
    solver = {"net": net_data(*layers, **data), "base_lr": 0.1, "lr_policy": "fixed", "max_iter": 1}
    return from_data(solver, "test").solver.net


def sparse_net(config: NetConfig, density: float, seed: int = 0) -> Net:
    """A net whose weights are random and projected to a density; all its other numbers random.

    Scaled so that what a layer gives is about as large as what it reads.
    """
    generator = torch.Generator().manual_seed(seed)
    net = Net(config, generator).eval().requires_grad_(False)
    for blob in net.blobs:
        blob.tensor.copy_(torch.randn(blob.tensor.shape, generator=generator) * 0.2)
        if blob.is_weight:
            if (learnt := blob.learnt) is not None:
                blob.tensor.mul_(learnt)
            keep_largest_(blob.tensor, max(1, round(density * blob.tensor.numel())))
            blob.tensor.mul_(len(blob.tensor) ** 0.5 / blob.tensor.norm())
    for tensor in net.statistics().values():
        tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return net


def pack(net: Net, values: str = "float32", kind: str | None = None) -> dict[str, Encoded]:
    """The net's weights encoded, and the net given what they have become."""
    packed = {}
    for blob in net.blobs:
        if not blob.is_weight:
            continue
        places = np.flatnonzero(blob.tensor.detach().reshape(-1).numpy())
        chosen = None if kind is None else FORMATS[kind]
        stored = chosen.stored_of(places, tuple(blob.tensor.shape)) if chosen else len(places)
        if not can_hold(stored, len(places), values_of(values)):
            chosen = None
        encoded = encode(blob.tensor.detach(), values_of(values), chosen)
        blob.tensor.copy_(encoded.decoded())
        packed[blob.layer.name] = encoded
    return packed


def images_for(net: Net, count: int, seed: int = 1) -> Floats:
    shape = (count, *net.graphs["TEST"].data.image_shape)
    images = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).numpy()
    assert isinstance(images, np.ndarray)
    return images


def torch_scores(net: Net, images: Floats, blob: str) -> Floats:
    """A blob of the net in TEST, (N, values)."""
    labels = torch.zeros(len(images), dtype=torch.int64)
    with torch.inference_mode():
        scores = net(torch.from_numpy(images), labels, "TEST").blobs[blob].flatten(1).numpy()
    assert isinstance(scores, np.ndarray)
    return scores


def difference(ours: Floats, theirs: Floats) -> float:
    """The largest difference, relative to the largest value."""
    assert ours.shape == theirs.shape
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def sizes_of(packed: Mapping[str, Encoded]) -> dict[str, str]:
    return {name: encoded.format.name for name, encoded in packed.items()}


def use_lanes(lanes: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile as for a processor with vectors of so many floats; with one, portable C alone."""
    if lanes is not None:
        monkeypatch.setenv("CC", f"{os.environ.get('CC', 'cc')} -DLANES={lanes}")
