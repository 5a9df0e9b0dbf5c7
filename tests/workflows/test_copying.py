"""Weights from one net to another by the names of their layers."""

from __future__ import annotations

import pytest
import torch

from sparsenet.errors import ConfigError
from sparsenet.workflows.build import build_net
from sparsenet.workflows.copying import copy_weights, with_statistics_of
from tests.small import configured, convolution, inner_product, net_data, parts


def small():
    return net_data(
        convolution("conv", 4),
        inner_product("ip1", 12),
        inner_product("ip2", 10, bias_term=False),
    )


def weights_of(data, seed=1):
    return build_net(configured(data).solver.net, seed, torch.device("cpu")).weights()


def test_weights_are_copied_by_layer_name_as_they_are():
    net = parts(small()).net
    given = weights_of(small(), seed=9)
    layout = net.weights()["conv.weight"].stride()
    assert copy_weights(net, given) == {
        "copied": ["conv", "ip1", "ip2"],
        "fresh": [],
        "unused": [],
    }
    for name, weight in net.weights().items():
        assert torch.equal(weight, given[name])
        assert weight.data_ptr() != given[name].data_ptr()
    assert net.weights()["conv.weight"].stride() == layout


def test_layers_that_only_one_side_has_are_told():
    net = parts(small()).net
    before = {name: weight.clone() for name, weight in net.weights().items()}
    given = weights_of(net_data(inner_product("ip2", 10), inner_product("head", 10)))
    given = {name: t for name, t in given.items() if name.startswith("head")}
    given["conv.weight"] = torch.ones(4, 1, 3, 3)
    assert copy_weights(net, given) == {
        "copied": ["conv"],
        "fresh": ["conv.bias", "ip1", "ip2"],
        "unused": ["head"],
    }
    assert (net.weights()["conv.weight"] == 1).all()
    assert torch.equal(net.weights()["ip1.weight"], before["ip1.weight"])


def test_every_blob_of_another_shape_is_named_and_nothing_is_copied():
    net = parts(small()).net
    before = {name: weight.clone() for name, weight in net.weights().items()}
    given = weights_of(small()) | {"ip1.weight": torch.ones(3, 4), "conv.bias": torch.ones(5)}
    with pytest.raises(ConfigError) as caught:
        copy_weights(net, given)
    assert str(caught.value) == (
        "conv.bias: 5 in the checkpoint, 4 in the net\n"
        "ip1.weight: 3x4 in the checkpoint, 12x144 in the net"
    )
    for name, weight in net.weights().items():
        assert torch.equal(weight, before[name])


def normalised(kind):
    return net_data({"name": "bn", "type": kind}, inner_product("ip", 10))


@pytest.mark.parametrize("factor", [0.0, 999.0])
def test_caffes_sums_become_averages_where_the_net_has_these(factor):
    net = parts(normalised("BatchNormScale")).net
    sums = {"bn.mean": torch.tensor([3.0]), "bn.variance": torch.tensor([5.0])}
    given = {**sums, "bn.factor": torch.tensor([factor])}
    copied = copy_weights(net, with_statistics_of(net, given))
    assert copied == {"copied": ["bn"], "fresh": ["bn.weight", "bn.bias", "ip"], "unused": []}
    for name, tensor in sums.items():
        expected = tensor / factor if factor else torch.zeros(1)
        torch.testing.assert_close(net.weights()[name], expected)


def test_averages_are_the_sums_of_one_batch_where_the_net_has_these():
    net = parts(normalised("BatchNorm")).net
    averages = {"bn.mean": torch.tensor([3.0]), "bn.variance": torch.tensor([5.0])}
    copy_weights(net, with_statistics_of(net, averages))
    assert net.weights()["bn.factor"].tolist() == [1]
    net.eval()
    images = torch.rand(4, 1, 8, 8)
    found = net.compute(images, torch.zeros(4, dtype=torch.int64), "TEST")[1]["bn"]
    torch.testing.assert_close(found, (images - 3) / (5 + 1e-5) ** 0.5)


def test_caffes_sums_stay_as_they_are_in_caffes_layer():
    net = parts(normalised("BatchNorm")).net
    sums = {f"bn.{name}": torch.rand(1) for name in ("mean", "variance", "factor")}
    copy_weights(net, with_statistics_of(net, sums))
    assert all(torch.equal(net.weights()[name], tensor) for name, tensor in sums.items())
