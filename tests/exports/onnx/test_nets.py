"""Shipped nets as ONNX: small ones that have, together, nearly every kind of layer."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from sparsenet.config.load import load_net
from sparsenet.exports.onnx.check import check
from sparsenet.exports.onnx.model import model_of
from tests.exports.deployed import deployed_net

CONFIGS = Path(__file__).parents[3] / "configs"
NETS = [
    "digits/net.yaml",
    "mnist/nets/lenet-300-100.yaml",
    "cifar10/nets/quick.yaml",
    "cifar10/nets/full.yaml",
    "cifar10/nets/resnet20.yaml",
    "cifar10/nets/shufflenetv2.yaml",
    "cifar10/nets/mobilenetv2.yaml",
]


@pytest.mark.parametrize("name", NETS)
def test_a_shipped_net_agrees_and_keeps_its_zeros(name: str) -> None:
    inference = deployed_net(load_net(CONFIGS / name))
    model = model_of(inference)
    found = check(model.SerializeToString(), inference)
    assert 0 < found.difference <= 5e-6 * found.scale
    held = {item.name: onnx.numpy_helper.to_array(item) for item in model.graph.initializer}
    for blob in inference.blobs:
        assert (held[blob.name] == 0).sum() == int((blob.tensor == 0).sum())
