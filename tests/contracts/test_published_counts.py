"""Every shipped net has the parameters and the multiply-accumulates that were published of it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from sparsenet.config.graph import build_graph
from sparsenet.config.load import load_net
from sparsenet.layers.base import ParameterLayer

CONFIGS = Path(__file__).parents[2] / "configs"

# Parameters, with those of normalizations but without their statistics, and multiply-accumulates
# of one image in units of 10^9, as far as they are published. Of torchvision's nets both are those
# that its weights' `meta` says.
PUBLISHED = {
    "imagenet/nets/alexnet.yaml": (60_965_224, 0.724),
    "imagenet/nets/alexnet-torchvision.yaml": (61_100_840, 0.714),
    "imagenet/nets/vgg16.yaml": (138_357_544, 15.47),
    "imagenet/nets/resnet18.yaml": (11_689_512, 1.814),
    "imagenet/nets/resnet50.yaml": (25_557_032, 4.089),
    "imagenet/nets/mobilenetv2.yaml": (3_504_872, 0.301),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_net_has_its_published_counts(name: str) -> None:
    graph, _ = build_graph(load_net(CONFIGS / name), "TEST")
    assert graph is not None
    parameters, gmacs = PUBLISHED[name]
    assert parameters == sum(
        math.prod(shape)
        for node in graph.nodes
        if isinstance(node.layer, ParameterLayer)
        for shape in node.layer.parameter_shapes(node.in_shapes)
    )
    if gmacs is not None:
        counted = sum(node.layer.multiply_accumulates(node.in_shapes) for node in graph.nodes)
        assert counted / 1e9 == pytest.approx(gmacs, rel=2e-3)
