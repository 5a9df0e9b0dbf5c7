"""What `--weights` starts from: whose weights they are, where they go, and what is told of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from sparsenet.config.graph import build_graph
from sparsenet.config.net import NetConfig
from sparsenet.errors import ConfigError, Problem, printable
from sparsenet.foreign.read import read_foreign
from sparsenet.net import Net
from sparsenet.workflows.copying import (
    copy_weights,
    keep_patterns_,
    layers_of,
    with_statistics_of,
)
from sparsenet.workflows.models import is_model, load_model

SHOWN = 24
"""So many layers are named one by one; of more, those under one name before a `/` together."""


@dataclass(frozen=True)
class GivenWeights:
    """Tensors by the names of a net's parameters and statistics.

    `mean_image` is what the net that they are of subtracted, `net` the net of torchvision whose
    names its file has.
    """

    path: Path
    weights: dict[str, Tensor]
    mean_image: Tensor | None = None
    net: str | None = None


def load_weights(path: Path) -> GivenWeights:
    """Read a checkpoint or packed model of ours, or what `read_foreign` reads.

    No code in the file is run. Raises ConfigError where there is no such file, CheckpointError,
    PackError, ForeignError and CaffeError.
    """
    if is_model(path):
        checkpoint = load_model(path)
        return GivenWeights(path, checkpoint.weights, checkpoint.mean_image)
    foreign = read_foreign(path)
    return GivenWeights(path, foreign.weights, net=foreign.net)


def fitting_mean(given: GivenWeights | None, net: NetConfig) -> tuple[Tensor | None, list[str]]:
    """The mean image that is to be subtracted from now on, and the lines to tell where it is not.

    None is that of the new training set: for weights that came without one, and for those of
    images of another size; or that of the net's `mean_file`.
    """
    if given is None or given.mean_image is None:
        return None, []
    graph, _ = build_graph(net, "TRAIN")
    assert graph is not None, "a checked net has its data"
    if graph.data.transform.mean_file is not None:
        return None, []
    had, needed = tuple(given.mean_image.shape), graph.data.mean_shape
    if had == needed or graph.data.transform.image_of_mean is None:
        return given.mean_image, []
    words = f"that of {given.path} is {_by(had)}, and the images are {_by(needed)}"
    return None, [f"Mean image computed anew: {words}"]


def take_weights(net: Net, given: GivenWeights) -> list[str]:
    """Copy by layer name, as Caffe does, and return what is to be told, a line each.

    Raises ConfigError, each line naming the file: every blob of another shape, or no layer known.
    """
    try:
        copied = copy_weights(net, with_statistics_of(net, given.weights))
    except ConfigError as error:
        words = "a layer that is renamed in the net is left fresh"
        lines = [*error.problems, Problem("", "", words)]
        raise ConfigError([Problem(str(given.path), p.key, p.message) for p in lines]) from None
    own, theirs = layers_of(net.weights()), layers_of(given.weights)
    if not copied["copied"]:
        has = printable(_told(theirs, theirs))
        words = f"it has {has}, and the net {_told(own, own)}"
        raise ConfigError(f"{given.path}: no layer of its net is in this one: {words}")
    zeroed = keep_patterns_(net)
    words = f"Weights outside kernel patterns set to zero: {sum(zeroed.values()):,} in"
    patterns = [f"{words} {printable(_told(list(zeroed), own))}"] if zeroed else []
    known = [f"Weights are those of torchvision's {given.net}"] if given.net else []
    wholes = {"copied": own, "fresh": own, "unused": theirs}
    return (
        known
        + [
            f"Weights {words}: {printable(_told(layers, wholes[words]))}"
            for words, layers in copied.items()
            if layers
        ]
        + patterns
    )


def _told(found: list[str], whole: list[str]) -> str:
    """Layers as one reads them: `conv1, bn1, layer1/* (10 layers), layer2/* (3 of 13 layers)`.

    `found` are some of the layers `whole`, or single blobs of them.
    """
    if len(found) <= SHOWN:
        return ", ".join(found)
    known = set(whole)
    layer_of = {name: name if name in known else name.rpartition(".")[0] for name in found}
    sizes, here = Counter(map(_group, whole)), Counter(map(_group, set(layer_of.values())))
    words = {}
    for name, layer in layer_of.items():
        group = _group(layer)
        part = f"{here[group]} of " * (here[group] < sizes[group])
        single = sizes[group] == 1
        words[name if single else group] = (
            name if single else f"{group}/* ({part}{sizes[group]} layers)"
        )
    return ", ".join(words.values())


def _group(layer: str) -> str:
    return layer.partition("/")[0]


def _by(shape: Iterable[int]) -> str:
    return "x".join(map(str, shape))
