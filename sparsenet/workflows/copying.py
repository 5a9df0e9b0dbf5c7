"""From one net's tensors to another's, by the names of their layers, as Caffe does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from sparsenet.errors import ConfigError, Problem
from sparsenet.net import Net


def copy_weights(net: Net, weights: Mapping[str, Tensor]) -> dict[str, list[str]]:
    """Copy by layer name as Caffe does: which layers were copied, left fresh, and unused.

    Of a layer that is copied in part the rest goes by the name of the blob. Raises ConfigError,
    a line for every blob whose shape differs, with both shapes.
    """
    own = net.weights()
    wrong = [
        Problem("", name, f"{_dims(weights[name])} in the checkpoint, {_dims(tensor)} in the net")
        for name, tensor in own.items()
        if name in weights and weights[name].shape != tensor.shape
    ]
    if wrong:
        raise ConfigError(wrong)
    with torch.no_grad():
        for name, tensor in own.items():
            if name in weights:
                tensor.copy_(weights[name])
    copied = layers_of(name for name in own if name in weights)
    return {
        "copied": copied,
        "fresh": _beside(copied, (name for name in own if name not in weights)),
        "unused": _beside(copied, (name for name in weights if name not in own)),
    }


def with_statistics_of(net: Net, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of another net, the statistics of its layers in the form that this one's have.

    A normalisation has averages, or as in Caffe sums that its factor divides. Averages are sums of
    factor 1; sums of factor 0, of no batch, are averages of 0, as in Caffe.
    """
    own, fitted = net.weights(), dict(weights)
    for layer in layers_of(name for name in own if name.endswith(".variance")):
        names = [f"{layer}.{part}" for part in ("mean", "variance")]
        factor = f"{layer}.factor"
        if not all(name in weights for name in names):
            continue
        if factor in own and factor not in weights:
            fitted[factor] = torch.ones(1)
        elif factor not in own and factor in weights and weights[factor].numel() == 1:
            sums = fitted.pop(factor).reshape(())
            scale = torch.where(sums == 0, 0.0, 1 / sums)
            fitted.update({name: weights[name] * scale for name in names})
    return fitted


def beyond_patterns(net: Net, weights: Mapping[str, Tensor]) -> dict[str, int]:
    """By layer how many values are nonzero where its kernel_pattern has none; only where there are.

    They go by the names of the net's weights, whose shapes they have.
    """
    counts = {
        blob.layer.name: int(torch.count_nonzero(values.masked_fill(learnt.to(values.device), 0)))
        for blob in net.blobs
        if (values := weights.get(blob.name)) is not None and (learnt := blob.learnt) is not None
    }
    return {layer: count for layer, count in counts.items() if count}


@torch.no_grad()
def keep_patterns_(net: Net) -> dict[str, int]:
    """Set the weights to zero where there are none in a kernel_pattern; by layer how many were not.

    For weights of a net without patterns: those that stay are as they were.
    """
    found = beyond_patterns(net, net.weights())
    for blob in net.blobs:
        if blob.layer.name in found and (learnt := blob.learnt) is not None:
            blob.tensor.masked_fill_(~learnt, 0.0)
    return found


def layers_of(names: Iterable[str]) -> list[str]:
    """The layers of blobs by name, in order, each once."""
    return list(dict.fromkeys(map(_layer_of, names)))


def _layer_of(name: str) -> str:
    return name.rpartition(".")[0] or name


def _beside(copied: list[str], names: Iterable[str]) -> list[str]:
    """The layers of blobs, but the blobs of those layers that were copied in part."""
    found = ((name, _layer_of(name)) for name in names)
    return list(dict.fromkeys(name if layer in copied else layer for name, layer in found))


def _dims(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape))
