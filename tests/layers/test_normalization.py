"""BatchNorm against Caffe's loops, BatchNormScale against torch's own modules in training."""

import math

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from sparsenet.errors import ConfigError
from sparsenet.layers.base import ShapeError
from sparsenet.layers.normalization import BatchNorm, BatchNormScale

SPREAD = {"type": "uniform", "min": 0.5, "max": 2}
BOTTOMS = [(3,), (3, 2, 4)]


def built(layer, bottom):
    return layer.build((bottom,), torch.Generator().manual_seed(3))


def batches(bottom, count, examples=5):
    generator = torch.Generator().manual_seed(1)
    return [
        torch.randn(examples, *bottom, generator=generator, dtype=torch.float64) * (i + 1) + i
        for i in range(count)
    ]


class Caffe:
    """batch_norm_layer.cpp as loops over channels, examples and pixels."""

    def __init__(self, channels, fraction, eps):
        self.fraction, self.eps = fraction, eps
        self.mean, self.variance, self.factor = [0.0] * channels, [0.0] * channels, 0.0

    def train(self, x):
        m = x[:, 0].size
        tops, means, variances = np.empty_like(x), [], []
        for c in range(x.shape[1]):
            values = [float(v) for v in x[:, c].reshape(-1)]
            mean = sum(values) / m
            variance = sum((v - mean) ** 2 for v in values) / m
            means.append(mean)
            variances.append(variance)
            tops[:, c] = (x[:, c] - mean) / math.sqrt(variance + self.eps)
        self.factor = self.factor * self.fraction + 1
        correction = m / (m - 1) if m > 1 else 1
        for c, (mean, variance) in enumerate(zip(means, variances, strict=True)):
            self.mean[c] = mean + self.fraction * self.mean[c]
            self.variance[c] = correction * variance + self.fraction * self.variance[c]
        return tops

    def test(self, x):
        scale = 0 if self.factor == 0 else 1 / self.factor
        tops = np.empty_like(x)
        for c in range(x.shape[1]):
            tops[:, c] = x[:, c] - scale * self.mean[c]
            tops[:, c] /= math.sqrt(scale * self.variance[c] + self.eps)
        return tops


@pytest.mark.parametrize("bottom", BOTTOMS)
@pytest.mark.parametrize("fraction", [0.999, 0.3, 0.0, 1.0])
def test_batch_norm_is_caffes(bottom, fraction):
    layer = BatchNorm(name="bn", moving_average_fraction=fraction, eps=0.01)
    module, caffe = built(layer, bottom).double(), Caffe(3, fraction, 0.01)
    for x in batches(bottom, 4):
        before = caffe.test(x.numpy())
        np.testing.assert_allclose(module.eval()(x).numpy(), before, rtol=1e-11, atol=1e-11)
        expected = caffe.train(x.numpy())
        np.testing.assert_allclose(module.train()(x).numpy(), expected, rtol=1e-11, atol=1e-11)
        for name in ("mean", "variance", "factor"):
            wanted = np.reshape(getattr(caffe, name), -1)
            np.testing.assert_allclose(module.get_buffer(name).numpy(), wanted, rtol=1e-12)


def test_defaults_are_caffes():
    layer = BatchNorm(name="bn")
    assert (layer.moving_average_fraction, layer.eps, layer.use_global_stats) == (0.999, 1e-5, None)


def torchs(bottom, module):
    twin = (nn.BatchNorm2d if len(bottom) == 3 else nn.BatchNorm1d)(bottom[0])
    twin.load_state_dict(
        {
            "weight": module.weight.detach().clone(),
            "bias": module.bias.detach().clone(),
            "running_mean": module.mean.clone(),
            "running_var": module.variance.clone(),
            "num_batches_tracked": torch.tensor(0),
        }
    )
    return twin


@pytest.mark.parametrize("bottom", BOTTOMS)
def test_batch_norm_scale_trains_as_torchs_bit_for_bit(bottom):
    layer = BatchNormScale(name="bn", weight_filler=SPREAD, bias_filler=SPREAD)
    module = built(layer, bottom)
    twin = torchs(bottom, module)
    results = []
    for own in (module, twin):
        update = torch.optim.SGD(own.parameters(), lr=0.1, momentum=0.9)
        trace = []
        for step, values in enumerate(batches(bottom, 8)):
            x = values.float().requires_grad_()
            y = own.train()(x)
            update.zero_grad()
            (y * torch.arange(y.numel()).view(y.shape)).sin().sum().backward()
            update.step()
            trace += [y.detach(), x.grad]
            if step % 3 == 0:
                trace.append(own.eval()(x).detach())
        names = ("mean", "variance") if own is module else ("running_mean", "running_var")
        trace += [own.weight.detach(), own.bias.detach(), *map(own.get_buffer, names)]
        results.append(trace)
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_batch_norm_scale_begins_as_torchs():
    module, twin = built(BatchNormScale(name="bn"), (4, 2, 2)), nn.BatchNorm2d(4)
    assert module.momentum == twin.momentum
    assert module.eps == twin.eps
    for name, other in (("weight", "weight"), ("bias", "bias"), ("mean", "running_mean"),
                        ("variance", "running_var")):  # fmt: skip
        assert torch.equal(getattr(module, name), getattr(twin, other))


@pytest.mark.parametrize("kind", [BatchNorm, BatchNormScale])
def test_a_pair_and_the_fused_layer_agree(kind):
    """BatchNorm of fraction 0 tests by the last batch, and so does BatchNormScale."""
    module = built(kind(name="bn", moving_average_fraction=0.0), (3, 2, 4)).double()
    first, last = batches((3, 2, 4), 2)
    module(first)
    module(last)
    flat = last.transpose(0, 1).flatten(1)
    expected = (last - flat.mean(1).view(3, 1, 1)) / (flat.var(1) + 1e-5).sqrt().view(3, 1, 1)
    torch.testing.assert_close(module.eval()(last), expected)


@pytest.mark.parametrize("kind", [BatchNorm, BatchNormScale])
def test_global_statistics_stay_and_are_used_in_training_too(kind):
    (x,) = batches((3, 2, 4), 1)
    learnt = built(kind(name="bn"), (3, 2, 4)).double()
    learnt(x)
    fixed = built(kind(name="bn", use_global_stats=True), (3, 2, 4)).double()
    fixed.load_state_dict(learnt.state_dict())
    tested = learnt.eval()(x)
    torch.testing.assert_close(fixed.train()(x), tested)
    torch.testing.assert_close(fixed.eval()(x), tested)
    assert all(torch.equal(fixed.state_dict()[k], v) for k, v in learnt.state_dict().items())


@pytest.mark.parametrize("kind", [BatchNorm, BatchNormScale])
def test_a_test_by_its_own_batch_moves_no_statistic(kind):
    (x,) = batches((3, 2, 4), 1)
    module = built(kind(name="bn", use_global_stats=False), (3, 2, 4)).double()
    trained = module(x).detach()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with torch.inference_mode():
        assert torch.equal(module.eval()(x), trained)
    assert all(torch.equal(value, before[k]) for k, value in module.state_dict().items())


@pytest.mark.parametrize("kind", [BatchNorm, BatchNormScale])
def test_bfloat16_has_float32_statistics(kind):
    x = torch.randn(16, 3, 4, 4) * 3 + 100
    results = []
    for values in (x.bfloat16(), x.bfloat16().float()):
        module = built(kind(name="bn"), (3, 4, 4))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = module(values)
        assert y.dtype == values.dtype
        assert module.mean.dtype == module.variance.dtype == torch.float32
        results.append((y.float(), module.mean, module.variance, module.eval()(values).float()))
    for low, full in zip(*results, strict=True):
        torch.testing.assert_close(low, full, atol=2e-2, rtol=1e-2)
    torch.testing.assert_close(results[0][1:3], results[1][1:3], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", [BatchNorm, BatchNormScale])
def test_the_layout_of_images_is_kept(kind):
    x = torch.randn(4, 3, 4, 5).contiguous(memory_format=torch.channels_last).requires_grad_()
    y = built(kind(name="bn"), (3, 4, 5))(x)
    y.square().sum().backward()
    assert y.stride() == x.grad.stride() == x.stride()


@pytest.mark.parametrize("kind", [BatchNorm, BatchNormScale])
def test_one_value_a_channel_has_no_variance(kind):
    module = built(kind(name="norm1"), (3,))
    with pytest.raises(ConfigError) as error:
        module(torch.ones(1, 3))
    words = "a batch of one value a channel has no variance to normalise it by; raise batch_size"
    assert str(error.value) == f"norm1: {words}"
    assert module.eval()(torch.ones(1, 3)).isfinite().all()
    own = built(kind(name="norm1", use_global_stats=False), (3,)).eval()
    assert own(torch.full((1, 3), 7.0)).abs().max() < 1e-3
    images = built(kind(name="norm1"), (3, 1, 2))
    assert images(torch.randn(1, 3, 1, 2)).isfinite().all()


@pytest.mark.parametrize("kind", [BatchNorm, BatchNormScale])
def test_labels_have_nothing_to_normalise(kind):
    with pytest.raises(ShapeError) as error:
        kind(name="bn").output_shapes(((),))
    words = "needs features or an image, not one value an example"
    assert str(error.value) == f"{kind.__name__} {words}"


def test_caffes_param_of_statistics_is_taken_as_long_as_it_trains_nothing():
    assert BatchNorm(name="bn", param=[{"lr_mult": 0}] * 3).param[2].lr_mult == 0
    with pytest.raises(ValidationError, match="statistics are not trained"):
        BatchNorm(name="bn", param=[{"lr_mult": 0}, {}])


@pytest.mark.parametrize("kind", [BatchNorm, BatchNormScale])
def test_what_is_said_to_be_stored_is_what_the_module_has(kind):
    layer = kind(name="bn")
    module = built(layer, (3, 2, 2))
    for shapes, tensors in (
        (layer.parameter_shapes(((3, 2, 2),)), module.parameters()),
        (layer.statistic_shapes(((3, 2, 2),)), module.buffers()),
    ):
        assert shapes == tuple(tuple(tensor.shape) for tensor in tensors)
