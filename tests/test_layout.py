"""Channels last: the same values, and strides that leave torch no choice."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sparsenet.layout import channels_last, flatten, lay_out_, memory_format_of
from sparsenet.net import Net
from tests.small import configured, convolution, inner_product, net_data

SHAPES = st.tuples(*[st.integers(1, 5)] * 4)


@given(shape=SHAPES, source=st.sampled_from(["contiguous", "channels_last", "sliced", "expanded"]))
@settings(deadline=None, max_examples=200)
def test_values_stay_and_strides_are_exact(shape, source):
    count, channels, height, width = shape
    values = torch.randn(count, channels + 2, height + 1, width + 1)
    images = {
        "contiguous": values[:, :channels, :height, :width].contiguous(),
        "channels_last": values[:, :channels, :height, :width].contiguous(
            memory_format=torch.channels_last
        ),
        "sliced": values[:, 1 : 1 + channels, 1:, :width],
        "expanded": values[:1, :1, :height, :width].expand(shape),
    }[source]
    before = images.clone()
    laid = channels_last(images)
    assert laid.stride() == (channels * height * width, 1, channels * width, channels)
    assert laid.shape == shape
    assert torch.equal(laid, before)
    assert laid.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("shape", "strides"),
    [
        ((64, 1, 28, 28), (784, 1, 28, 1)),  # torch itself leaves (784, 784, 28, 1)
        ((20, 8, 1, 1), (8, 1, 8, 8)),
        ((1, 3, 4, 5), (60, 1, 15, 3)),
        ((1, 1, 1, 1), (1, 1, 1, 1)),
        ((0, 3, 4, 5), (60, 1, 15, 3)),
    ],
)
def test_one_channel_one_pixel_and_one_image_have_the_strides_of_any(shape, strides):
    assert channels_last(torch.randn(shape)).stride() == strides


def test_only_a_cpu_takes_channels_last():
    assert memory_format_of(torch.device("cpu")) is torch.channels_last
    assert memory_format_of(torch.device("cuda")) is torch.contiguous_format


def test_laying_out_a_module_keeps_its_values_and_its_parameters():
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 6, 1), nn.Linear(6, 5))
    before = {name: tensor.clone() for name, tensor in module.named_parameters()}
    kept = list(module.parameters())
    lay_out_(module, torch.device("cpu"))
    for (name, tensor), same in zip(module.named_parameters(), kept, strict=True):
        assert tensor is same
        assert tensor.requires_grad
        assert torch.equal(tensor, before[name])
    assert module[0].weight.stride() == (9, 1, 3, 1)
    assert module[1].weight.stride() == (4, 1, 4, 4)
    assert module[2].weight.stride() == (6, 1)


def test_other_devices_keep_what_they_have():
    module = nn.Conv2d(3, 4, 3)
    lay_out_(module, torch.device("cuda"))
    assert module.weight.is_contiguous()


def test_a_net_computes_the_same_in_both_layouts():
    data = net_data(
        convolution("conv1", 6, pad=1),
        {"name": "pool1", "type": "Pooling", "kernel_size": 3, "stride": 2},
        convolution("conv2", 8, kernel_size=1, group=2),
        {"name": "pool2", "type": "Pooling", "pool": "AVE", "kernel_size": 2, "stride": 2},
        {"name": "relu", "type": "ReLU"},
        inner_product("ip", 10),
    )
    config = configured(data).solver.net
    images, labels = torch.randn(5, 1, 8, 8), torch.arange(5)
    losses, gradients = [], []
    for last in (False, True):
        net = Net(config, torch.Generator().manual_seed(3))
        if last:
            lay_out_(net, torch.device("cpu"))
        outputs = net(channels_last(images) if last else images, labels, "TRAIN")
        outputs.loss.backward()
        losses.append(outputs)
        gradients.append([blob.tensor.grad for blob in net.blobs])
    for name, blob in losses[0].blobs.items():
        torch.testing.assert_close(losses[1].blobs[name], blob)
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


@given(shape=SHAPES, last=st.booleans())
@settings(deadline=None, max_examples=50)
def test_flattening_counts_channel_row_column_in_both_layouts(shape, last):
    plain = torch.randn(shape, dtype=torch.float64)
    images = (channels_last(plain) if last else plain.clone()).requires_grad_()
    flat = flatten(images)
    assert torch.equal(flat, plain.flatten(1))
    factors = torch.randn_like(flat)
    (flat * factors).sum().backward()
    assert torch.equal(images.grad, factors.view(shape))
    if last:
        assert images.grad.stride() == images.stride()


def test_features_are_flat_already_and_labels_stay():
    assert flatten(torch.ones(4, 5)).shape == (4, 5)
    assert flatten(torch.ones(4, 5, 2)).shape == (4, 10)
