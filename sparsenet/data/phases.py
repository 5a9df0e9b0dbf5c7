"""From the Data layers of a net to the batches of its phases.

TRAIN is the training set less what `split` holds out, and of that what `subset` takes; VAL is what
`split` holds out; TEST is the test set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from sparsenet.data.batches import Batches
from sparsenet.data.options import DataOptions
from sparsenet.data.raw import DataError, RawSet
from sparsenet.data.sources import load_source
from sparsenet.data.splits import hold_out, sample
from sparsenet.data.transforms import mean_of

Phase = Literal["TRAIN", "VAL", "TEST"]
Loaded = dict[tuple[str, str | None, bool], RawSet]


def open_phases(
    layers: Mapping[Phase, DataOptions],
    seed: int,
    device: torch.device | str = "cpu",
    mean_image: Tensor | None = None,
    *,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> dict[Phase, Batches]:
    """The batches of every phase that has a Data layer, VAL only where that one has a `split`.

    Files are read once, and the mean image that a TEST layer's `mean: train` asks for is that of
    the samples the TRAIN layer trains on. Arguments and errors are those of `open_phase`.
    """
    loaded: Loaded = {}
    phases: dict[Phase, Batches] = {}
    for phase, layer in sorted(layers.items(), key=lambda item: item[0] != "TRAIN"):
        batches = open_phase(
            layer,
            phase,
            seed,
            device,
            mean_image,
            training=layers.get("TRAIN"),
            loaded=loaded,
            memory_format=memory_format,
        )
        if batches is not None:
            phases[phase] = batches
            mean_image = batches.mean_image if mean_image is None else mean_image
    return phases


def open_phase(
    layer: DataOptions,
    phase: Phase,
    seed: int,
    device: torch.device | str = "cpu",
    mean_image: Tensor | None = None,
    *,
    training: DataOptions | None = None,
    loaded: Loaded | None = None,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> Batches | None:
    """The batches of one phase of a Data layer; None for VAL where it has no `split`.

    `seed` orders and augments TRAIN and touches nothing else. `mean_image`, float32
    (channels, height, width), is a checkpoint's; without one `mean: train` reads the training set
    of `training` (left out: of `layer`) to compute it. `loaded` keeps the sets that were read for
    further calls. Raises DataError where files are absent or damaged or hold fewer samples than
    `split` and `subset` take.
    """
    if phase == "VAL" and layer.split is None:
        return None
    loaded = {} if loaded is None else loaded
    images, labels = _part(layer, phase, loaded)
    images = layer.transform.resized(images)
    if layer.transform.mean and mean_image is None:
        owner = training or layer
        trained = images if phase == "TRAIN" else _trained_on(owner, layer, loaded)
        mean_image = mean_of(trained)
    train = phase == "TRAIN"
    return Batches(
        images,
        labels,
        layer.batch_size,
        transform=layer.transform,
        mean_image=mean_image,
        train=train,
        shuffle=train and layer.shuffle,
        seed=seed,
        device=device,
        memory_format=memory_format,
    )


def _trained_on(owner: DataOptions, layer: DataOptions, loaded: Loaded) -> Tensor:
    return layer.transform.resized(_part(owner, "TRAIN", loaded)[0])


def _part(layer: DataOptions, phase: Phase, loaded: Loaded) -> tuple[Tensor, Tensor]:
    """Images and labels of a phase, before any transform."""
    train = phase != "TEST"
    key = (layer.source, layer.root, train)
    if key not in loaded:
        loaded[key] = load_source(layer.source, layer.folder, train, layer.download)
    whole = loaded[key]
    if not train:
        return whole.images, whole.labels
    chosen = _indices(layer, phase, whole)
    if len(chosen) == len(whole):
        return whole.images, whole.labels
    return whole.images[chosen], whole.labels[chosen]


def _indices(layer: DataOptions, phase: Phase, whole: RawSet) -> Tensor:
    chosen, held = torch.arange(len(whole)), torch.arange(0)
    key = "split"
    try:
        if layer.split is not None:
            chosen, held = hold_out(whole.labels, layer.split, layer.split_seed)
        key = "subset"
        if layer.subset is not None:
            chosen = chosen[sample(whole.labels[chosen], layer.subset, layer.subset_seed)]
    except ValueError as error:
        raise DataError(f"{whole.name}: {key}: {error}") from None
    return held if phase == "VAL" else chosen
