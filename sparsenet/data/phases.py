"""From the Data layers of a net to the batches of its phases.

TRAIN is the training set less what `split` holds out, and of that what `subset` takes, or a
`bootstrap` resample of that; VAL is what `split` holds out; TEST is the test set. The mean image is
of TRAIN before the resampling.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from sparsenet.caffe.blobs import read_mean
from sparsenet.data.batches import Batches, Options
from sparsenet.data.listed import ListedSet
from sparsenet.data.memory import InMemory
from sparsenet.data.options import DataOptions
from sparsenet.data.raw import DataError, RawSet
from sparsenet.data.sets import Sets
from sparsenet.data.splits import hold_out, resample, sample
from sparsenet.data.stream import Stream, Warn
from sparsenet.data.transforms import Transform, mean_of_sum, sum_of
from sparsenet.data.watch import Watch, unwatched

Phase = Literal["TRAIN", "VAL", "TEST"]


def open_phases(
    layers: Mapping[Phase, DataOptions],
    seed: int,
    device: torch.device | str = "cpu",
    mean_image: Tensor | None = None,
    *,
    classes: tuple[str, ...] | None = None,
    memory_format: torch.memory_format = torch.contiguous_format,
    share: tuple[int, int] = (0, 1),
    processes: int = 1,
    watch: Watch = unwatched,
    warn: Warn = warnings.warn,
) -> dict[Phase, Batches]:
    """The batches of every phase that has a Data layer, VAL only where that one has a `split`.

    Files are read once, and the mean image that a TEST layer's `mean: train` asks for is that of
    the samples the TRAIN layer draws from. `watch`, `warn`, `processes` and `classes` are those of
    `Sets`, the other arguments and errors those of `open_phase`.
    """
    sets = Sets(watch, warn, processes, classes, device, leading=share[0] == 0)
    phases: dict[Phase, Batches] = {}
    for phase, layer in sorted(layers.items(), key=lambda item: item[0] != "TRAIN"):
        batches = open_phase(
            layer,
            phase,
            seed,
            device,
            mean_image,
            training=layers.get("TRAIN"),
            sets=sets,
            memory_format=memory_format,
            share=share,
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
    sets: Sets | None = None,
    memory_format: torch.memory_format = torch.contiguous_format,
    share: tuple[int, int] = (0, 1),
) -> Batches | None:
    """The batches of one phase of a Data layer; None for VAL where it has no `split`.

    `seed` orders and augments TRAIN and touches nothing else. `mean_image`, float32
    (channels, height, width), is a checkpoint's; without one `mean: train` reads the training set
    of `training` (left out: of `layer`) to compute it, and `mean_file` its file. `sets` keeps what
    was read for further calls; `share` is that of Batches. Raises DataError where files are absent
    or damaged or hold fewer samples than `split`, `subset` and a batch take, CaffeError for a mean
    file, and ConfigError without the extra that reads Caffe's files.
    """
    if phase == "VAL" and layer.split is None:
        return None
    sets = Sets() if sets is None else sets
    part = _part(layer, phase, sets)
    if layer.transform.image_of_mean and mean_image is None:
        mean_image = _mean_image(training or layer, layer, sets)
    train = phase == "TRAIN"
    options = Options(
        transform=layer.transform,
        mean_image=mean_image,
        classes=sets.classes.names if sets.classes else None,
        train=train,
        shuffle=train and layer.shuffle,
        seed=seed,
        device=device,
        memory_format=memory_format,
        share=share,
    )
    if isinstance(part, ListedSet):
        return _stream(part, layer, layer.batch_size, sets, options)
    images = layer.transform.resized(part.images)
    return InMemory(images, part.labels, layer.batch_size, part.is_bad, **options)


def _stream(
    part: ListedSet, layer: DataOptions, batch_size: int, sets: Sets, options: Options
) -> Stream:
    return Stream(
        part,
        batch_size,
        on_bad_image=layer.on_bad_image,
        workers=layer.workers,
        warn=sets.warn,
        bad=sets.bad,
        **options,
    )


def _unresampled(layer: DataOptions) -> DataOptions:
    """The layer without its bootstrap: bagged members of an ensemble so share a mean image."""
    return layer.model_copy(update={"bootstrap": None})


def _mean_image(training: DataOptions, layer: DataOptions, sets: Sets) -> Tensor:
    """That of a file; or of the samples trained on, at the size that the transform gives them."""
    if layer.transform.mean_file is not None:
        return read_mean(layer.mean_path)
    trained = _part(_unresampled(training), "TRAIN", sets)
    if isinstance(trained, RawSet):
        images = layer.transform.resized(trained.images)
        bad = 0 if trained.is_bad is None else int(trained.is_bad.sum())
        return mean_of_sum(sum_of(images), len(trained) - bad)  # bad ones are black
    whole = Options(transform=Transform(resize=layer.transform.resize))
    stream = _stream(trained, layer, 1, sets, whole)
    mean = stream.mean(sets.watch)
    stream.close()
    return mean


def _part(layer: DataOptions, phase: Phase, sets: Sets) -> RawSet | ListedSet:
    """The samples of a phase, before any transform."""
    whole = sets.get(layer, phase != "TEST")
    if phase == "TEST":
        return whole
    if layer.batch_size > len(whole):
        words = f"batch_size {layer.batch_size} is more than the {len(whole)} samples"
        raise DataError(f"{whole.name}: {words}")
    chosen = _indices(layer, phase, whole)
    return whole if chosen is None else whole.taken(chosen)


def _indices(layer: DataOptions, phase: Phase, whole: RawSet | ListedSet) -> Tensor | None:
    """Which samples of a training set the phase has, None for all of them as they are."""
    chosen = held = None
    key = "split"
    try:
        if layer.split is not None:
            chosen, held = hold_out(whole.labels, layer.split, layer.split_seed)
        if phase == "VAL":
            return held
        key = "subset"
        if layer.subset is not None:
            chosen = torch.arange(len(whole)) if chosen is None else chosen
            chosen = chosen[sample(whole.labels[chosen], layer.subset, layer.subset_seed)]
    except ValueError as error:
        raise DataError(f"{whole.name}: {key}: {error}") from None
    if layer.bootstrap is not None:
        chosen = torch.arange(len(whole)) if chosen is None else chosen
        return chosen[resample(len(chosen), layer.bootstrap)]
    return None if chosen is not None and len(chosen) == len(whole) else chosen
