"""Activations normalised over the batch (Ioffe & Szegedy 2015): BatchNorm and BatchNormScale.

Per channel c of examples (N, C) or images (N, C, H, W), with the m = N or N*H*W values of the
batch: mu = 1/m sum x, s2 = 1/m sum (x - mu)^2 and z = (x - mu) / sqrt(s2 + eps). Over several
processes the batch is that of all of them. A test takes mu and s2 from the layer's statistics,
which training moves at every forward pass; nothing else does.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from sparsenet import ranks
from sparsenet.errors import ConfigError
from sparsenet.layers.base import Param, ParameterLayer, Shape, need_channels, register
from sparsenet.layers.fillers import AnyFiller, Constant
from sparsenet.layers.weights import check_filler
from sparsenet.record import KeyProblem, Listed


class _Normalization(ParameterLayer):
    """The keys of both."""

    eps: float = Field(1e-5, gt=0, description="added to the variance, so that none is 0")
    use_global_stats: bool | None = Field(
        None,
        description="whether mean and variance are those of the statistics (true), which then stay "
        "as they are, or those of the batch (false); left out: of the batch in training and of the "
        "statistics in tests",
    )

    def output_shapes(self, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """The bottom's; raises ShapeError for a label."""
        need_channels(self.type, bottoms[0])
        return bottoms


@register
class BatchNorm(_Normalization):
    """y = z, Caffe's, which has no trained parameter: a Scale after it has them.

    Its statistics are Caffe's three blobs, all 0 at first: mean <- f mean + mu, variance <-
    f variance + m / (m - 1) s2, factor <- f factor + 1, where f = moving_average_fraction. A test
    divides the first two by the third (an untrained layer so normalises by 0 and 0). Unlike
    Caffe's, a test never moves them, not even where use_global_stats is false.
    """

    type: Literal["BatchNorm"] = Field("BatchNorm", description="normalises over the batch")
    param: Listed[Param] = Field(
        (),
        max_length=3,
        description="of the three statistics; they are not trained, so each lr_mult must be 0",
    )
    moving_average_fraction: float = Field(
        0.999, ge=0, le=1, description="what each batch leaves of the sums before it"
    )

    @model_validator(mode="after")
    def _trains_nothing(self) -> BatchNorm:
        if any(item.lr_mult for item in self.param):
            words = "lr_mult must be 0: statistics are not trained; for trained factors add a Scale"
            raise KeyProblem("param", words)
        return self

    def parameter_shapes(self, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """None."""
        return ()

    def statistic_shapes(self, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """Of `mean`, `variance` and `factor`; raises ShapeError for a label."""
        channels = need_channels("BatchNorm", bottoms[0])
        return (channels,), (channels,), (1,)

    def build(self, bottoms: tuple[Shape, ...], generator: torch.Generator) -> nn.Module:
        """A module with the statistics as buffers; nothing is drawn."""
        return BatchNormModule(self, need_channels("BatchNorm", bottoms[0]))


@register
class BatchNormScale(_Normalization):
    """y = weight z + bias: BatchNorm and Scale in one, as torch's BatchNorm2d and BatchNorm1d.

    Its statistics are averages: mean <- f mean + (1 - f) mu, 0 at first, and variance <-
    f variance + (1 - f) m / (m - 1) s2, 1 at first, where f = moving_average_fraction is 1 less
    torch's momentum.
    """

    type: Literal["BatchNormScale"] = Field(
        "BatchNormScale", description="normalises over the batch, then scales and shifts channels"
    )
    moving_average_fraction: float = Field(
        0.9, ge=0, lt=1, description="what each batch leaves of the averages before it"
    )
    weight_filler: AnyFiller = Field(
        Constant(value=1.0), description="first values of the factors; left out: 1"
    )
    bias_filler: AnyFiller = Field(
        Constant(), description="first values of the biases; left out: 0"
    )

    def parameter_shapes(self, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """A factor and a bias a channel; raises ShapeError, also for a filler that does not fit."""
        shape = (need_channels("BatchNormScale", bottoms[0]),)
        check_filler("weight_filler", self.weight_filler, shape)
        check_filler("bias_filler", self.bias_filler, shape)
        return shape, shape

    def statistic_shapes(self, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """Of `mean` and `variance`."""
        return self.parameter_shapes(bottoms)

    def build(self, bottoms: tuple[Shape, ...], generator: torch.Generator) -> nn.Module:
        """A module with `weight` and `bias` filled, and the statistics as buffers."""
        shape, _ = self.parameter_shapes(bottoms)
        weight = self.weight_filler.fill(shape, generator)
        return BatchNormScaleModule(self, weight, self.bias_filler.fill(shape, generator))


class _NormalizationModule(nn.Module):
    """Examples (N, C, ...) normalised by the batch or by the statistics."""

    mean: Tensor
    variance: Tensor

    def __init__(self, layer: _Normalization, channels: int, variance: float) -> None:
        super().__init__()
        self.name, self.eps, self.use_global_stats = layer.name, layer.eps, layer.use_global_stats
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.full((channels,), variance))

    @property
    def _by_statistics(self) -> bool:
        return not self.training if self.use_global_stats is None else self.use_global_stats

    def _require_a_batch(self, examples: Tensor) -> None:
        """Raise ConfigError for a batch that nothing can be learnt from.

        A test by its own batches may end with one, which becomes 0.
        """
        if self.training and examples.numel() * ranks.size() == examples.shape[1]:
            words = "a batch of one value a channel has no variance to normalise it by"
            raise ConfigError(f"{self.name}: {words}; raise batch_size")


class BatchNormModule(_NormalizationModule):
    """Caffe's: no parameters, and the statistics sums."""

    factor: Tensor

    def __init__(self, layer: BatchNorm, channels: int) -> None:
        super().__init__(layer, channels, variance=0.0)
        self.fraction = layer.moving_average_fraction
        self.register_buffer("factor", torch.zeros(1))

    def forward(self, examples: Tensor) -> Tensor:
        """The normalised examples, in their own precision."""
        if self._by_statistics:
            scale = torch.where(self.factor == 0, 0.0, 1 / self.factor)
            mean, variance = self.mean * scale, self.variance * scale
            return F.batch_norm(examples, mean, variance, eps=self.eps)
        self._require_a_batch(examples)
        mean, variance = torch.zeros_like(self.mean), torch.zeros_like(self.variance)
        normal = _by_batch(examples, None, None, mean, variance, 1.0, self.eps)
        if self.training:
            self.mean.mul_(self.fraction).add_(mean)
            self.variance.mul_(self.fraction).add_(variance)
            self.factor.mul_(self.fraction).add_(1)
        return normal


class BatchNormScaleModule(_NormalizationModule):
    """torch's: a factor and a bias a channel, and the statistics averages."""

    def __init__(self, layer: BatchNormScale, weight: Tensor, bias: Tensor) -> None:
        super().__init__(layer, weight.numel(), variance=1.0)
        # Rounded, so that 0.9 gives the same bits as torch's momentum of 0.1.
        self.momentum = round(1 - layer.moving_average_fraction, 12)
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)

    def forward(self, examples: Tensor) -> Tensor:
        """The normalised, scaled and shifted examples, in their own precision."""
        mean, variance, weight, bias = self.mean, self.variance, self.weight, self.bias
        if self._by_statistics:
            return F.batch_norm(examples, mean, variance, weight, bias, eps=self.eps)
        self._require_a_batch(examples)
        if not self.training:
            mean, variance = mean.clone(), variance.clone()
        return _by_batch(examples, weight, bias, mean, variance, self.momentum, self.eps)


def _by_batch(
    examples: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    momentum: float,
    eps: float,
) -> Tensor:
    """weight z + bias by the batch of all processes, which moves `mean` and `variance` in place:

    mean <- (1 - momentum) mean + momentum mu; variance likewise to m / (m - 1) s2.
    """
    if ranks.size() == 1:
        cudnn = torch.backends.cudnn.enabled
        return torch.batch_norm(examples, weight, bias, mean, variance, True, momentum, eps, cudnn)
    axes = [0, *range(2, examples.dim())]
    row = [1, -1] + [1] * (examples.dim() - 2)
    values = examples.to(mean.dtype)
    count = values.numel() // values.shape[1] * ranks.size()
    centre = ranks.summed(values.sum(axes)) / count
    centred = values - centre.view(row)
    spread = ranks.summed(centred.square().sum(axes)) / count
    normal = centred * (spread + eps).rsqrt().view(row)
    if weight is not None and bias is not None:
        normal = torch.addcmul(bias.view(row), normal, weight.view(row))
    with torch.no_grad():
        mean.mul_(1 - momentum).add_(centre, alpha=momentum)
        variance.mul_(1 - momentum).add_(spread, alpha=momentum * count / (count - 1))
    return normal.to(examples.dtype)
