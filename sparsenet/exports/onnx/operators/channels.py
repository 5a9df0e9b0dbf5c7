"""The layers with numbers a channel as ONNX operators: normalizations, Scale and PReLU."""

from __future__ import annotations

import torch

from sparsenet.exports.onnx.graph import Place, writes
from sparsenet.layers.normalization import BatchNorm, BatchNormScale
from sparsenet.layers.scale import PReLU, Scale


@writes(BatchNorm)
def _batch_norm(layer: BatchNorm, at: Place) -> None:
    """Its statistics are sums, which ONNX does not divide: it is given them divided."""
    if layer.use_global_stats is False:
        at.end("Div", *_by_batch(layer.eps, at))
        return
    factor = at.tensor("factor")
    scale = torch.where(factor == 0, 0.0, 1 / factor)
    mean, variance = at.tensor("mean") * scale, at.tensor("variance") * scale
    at.end(
        "BatchNormalization",
        *at.bottoms,
        at.constant("ones", torch.ones_like(mean)),
        at.constant("zeros", torch.zeros_like(mean)),
        at.constant("mean_by_factor", mean),
        at.constant("variance_by_factor", variance),
        epsilon=layer.eps,
    )


@writes(BatchNormScale)
def _batch_norm_scale(layer: BatchNormScale, at: Place) -> None:
    if layer.use_global_stats is False:
        normal = at.step("Div", *_by_batch(layer.eps, at))
        scaled = at.step("Mul", normal, at.row("weight"))
        at.end("Add", scaled, at.row("bias"))
        return
    names = ("weight", "bias", "mean", "variance")
    at.end("BatchNormalization", *at.bottoms, *map(at.learnt, names), epsilon=layer.eps)


def _by_batch(eps: float, at: Place) -> tuple[str, str]:
    """The examples less their mean over the batch that they come in, and their deviation in it."""
    axes = [0, *range(2, 1 + len(at.node.in_shapes[0]))]
    mean = at.step("ReduceMean", *at.bottoms, axes=axes)
    centred = at.step("Sub", *at.bottoms, mean)
    variance = at.step("ReduceMean", at.step("Mul", centred, centred), axes=axes)
    return centred, at.step("Sqrt", at.step("Add", variance, at.constant("eps", eps)))


@writes(Scale)
def _scale(layer: Scale, at: Place) -> None:
    if layer.bias_term:
        scaled = at.step("Mul", *at.bottoms, at.row("weight"))
        at.end("Add", scaled, at.row("bias"))
    else:
        at.end("Mul", *at.bottoms, at.row("weight"))


@writes(PReLU)
def _prelu(layer: PReLU, at: Place) -> None:
    at.end("PRelu", *at.bottoms, at.row("weight"))
