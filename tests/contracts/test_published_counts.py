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
# that its weights' `meta` says. For 32x32 the figures are rounded where they are published: the
# VGG16 and ResNet-18 by Kundu et al. (2020); the ResNets by He et al. (2016) as 0.27, 0.46 and
# 0.85 M; the WRNs by Zagoruyko & Komodakis (2016) as 11.0 and 36.5 M; ResNet-34, MobileNetV2 and
# ShuffleNetV2 are those of github.com/kuangliu/pytorch-cifar. MobileNetV2's multiply-accumulates
# are said to be 0.090 and 0.094.
PUBLISHED = {
    "mnist/nets/lenet.yaml": (431_080, None),
    "mnist/nets/lenet-300-100.yaml": (266_610, None),
    "cifar10/nets/quick.yaml": (145_578, None),
    "cifar10/nets/full.yaml": (89_578, None),
    "cifar10/nets/vgg16.yaml": (14_728_266, 0.314),
    "cifar10/nets/resnet18.yaml": (11_173_962, 0.559),
    "cifar10/nets/resnet34.yaml": (21_282_122, None),
    "cifar10/nets/resnet20.yaml": (269_722, None),
    "cifar10/nets/resnet32.yaml": (464_154, None),
    "cifar10/nets/resnet56.yaml": (853_018, None),
    "cifar10/nets/wrn-16-8.yaml": (10_961_370, None),
    "cifar10/nets/wrn-28-10.yaml": (36_479_194, None),
    "cifar10/nets/mobilenetv2.yaml": (2_296_922, 0.092),
    "cifar10/nets/shufflenetv2.yaml": (1_263_854, None),
    "imagenet/nets/alexnet.yaml": (60_965_224, 0.724),
    "imagenet/nets/alexnet-torchvision.yaml": (61_100_840, 0.714),
    "imagenet/nets/vgg16.yaml": (138_357_544, 15.47),
    "imagenet/nets/resnet18.yaml": (11_689_512, 1.814),
    "imagenet/nets/resnet50.yaml": (25_557_032, 4.089),
    "imagenet/nets/mobilenetv2.yaml": (3_504_872, 0.301),
}


def parameters_of(name: str) -> int:
    graph, _ = build_graph(load_net(CONFIGS / name), "TEST")
    assert graph is not None
    return sum(
        math.prod(shape)
        for node in graph.nodes
        if isinstance(node.layer, ParameterLayer)
        for shape in node.layer.parameter_shapes(node.in_shapes)
    )


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_net_has_its_published_counts(name: str) -> None:
    graph, _ = build_graph(load_net(CONFIGS / name), "TEST")
    assert graph is not None
    parameters, gmacs = PUBLISHED[name]
    assert parameters == parameters_of(name)
    if gmacs is not None:
        counted = sum(node.layer.multiply_accumulates(node.in_shapes) for node in graph.nodes)
        rounding = 2e-3 if name.startswith("imagenet/") else 1e-2
        assert counted / 1e9 == pytest.approx(gmacs, rel=rounding)


# Without a 16 to 24 shortcut: there the net for 64x64 halves the image.
@pytest.mark.parametrize(
    ("name", "features", "other"),
    [("vgg16", 512, 0), ("mobilenetv2", 1280, -(16 * 24 + 2 * 24)), ("shufflenetv2", 1024, 0)],
)
def test_a_net_for_tiny_imagenet_is_that_for_cifar10_with_more_classes(
    name: str, features: int, other: int
) -> None:
    classes = (200 - 10) * (features + 1)
    small, large = (
        parameters_of(f"{data}/nets/{name}.yaml") for data in ("cifar10", "tiny-imagenet")
    )
    assert large == small + classes + other


def test_every_net_is_counted() -> None:
    nets = {str(path.relative_to(CONFIGS)) for path in CONFIGS.glob("*/nets/*.yaml")}
    assert nets - set(PUBLISHED) == {name for name in nets if name.startswith("tiny-imagenet/")}
