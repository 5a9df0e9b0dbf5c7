"""Whatever filters are zero in whatever net: without the channels that go it computes the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsenet.config.constraints import weight_shapes
from sparsenet.config.load import Configuration, load_solver
from sparsenet.layers.convolution import Convolution
from tests.shrinking.nets import layer, shrunk
from tests.small import configured, convolution, inner_product, net_data

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
CHANNELS = 4
BY_CHANNEL = [
    layer("ReLU", ""),
    layer("BatchNormScale", ""),
    layer("Scale", "", bias_term=True),
    layer("Pooling", "", kernel_size=3, stride=1, pad=1),
    layer("PReLU", ""),
    layer("Sigmoid", ""),
    layer("LRN", "", local_size=3, alpha=0.5),
    layer("ChannelShuffle", "", group=2),
    layer("Dropout", ""),
]


@st.composite
def nets(draw: st.DrawFn) -> dict[str, Any]:
    """Up to eight steps on four channels, each of earlier blobs, and then the scores."""
    layers, blobs = [convolution("l0", CHANNELS, pad=1)], ["l0"]
    for place in range(1, draw(st.integers(2, 8))):
        name, (one, two) = f"l{place}", draw(st.tuples(*[st.sampled_from(blobs)] * 2))
        kind = draw(st.sampled_from([*BY_CHANNEL, "join", "cut", "convolve", "convolve"]))
        if kind == "join":
            operation = draw(st.sampled_from(["SUM", "PROD", "MAX"]))
            layers.append(layer("Eltwise", name, bottom=[one, two], operation=operation))
        elif kind == "cut":
            tops = draw(st.permutations([name, f"{name}.rest"]))
            layers.append(layer("Concat", f"{name}.both", bottom=[one, two]))
            layers.append(layer("Slice", f"{name}.cut", bottom=f"{name}.both", top=tops))
        elif kind == "convolve":
            group = draw(st.sampled_from([1, 2, 4]))
            layers.append(convolution(name, CHANNELS, pad=1, group=group, bottom=one))
        else:
            layers.append(kind | {"name": name, "bottom": one})
        blobs.append(name)
    return net_data(*layers, inner_product("ip", 10, bottom=blobs[-1]))


FILTERS = st.sets(st.integers(0, CHANNELS - 1), max_size=CHANNELS - 1)


def convolutions(configuration: Configuration) -> dict[str, int]:
    """The filters of each convolution."""
    shapes = weight_shapes(configuration.solver.net)
    return {n: shape[0] for n, (at, shape) in shapes.items() if isinstance(at, Convolution)}


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_net_computes_the_same(data: st.DataObject) -> None:
    configuration = configured(data.draw(nets()))
    pruned = {name: data.draw(FILTERS) for name in convolutions(configuration)}
    plan, *_ = shrunk(configuration, pruned, needs_scores=False)
    stay = sum(kept.filters for kept in plan.kept)
    assert sum(map(len, pruned.values())) - stay <= sum(plan.filters.values())
    assert all(plan.filters.get(name, 0) < CHANNELS for name in pruned)


SMALL_ENDS = ["net.layers.fc6.num_output=16", "net.layers.fc7.num_output=16"]
SHIPPED = {
    "mnist/dense": [],
    "cifar10/quick": [],
    "cifar10/full": [],
    "cifar10/resnet20": [],
    "cifar10/vgg16": [],
    "cifar10/wrn-16-8": [],
    "cifar10/mobilenetv2": [],
    "cifar10/shufflenetv2": [],
    "imagenet/alexnet": SMALL_ENDS,
}


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_nets_compute_the_same(name: str) -> None:
    """A third of the filters of each convolution, every third one, is zero."""
    configuration = load_solver(CONFIGS / f"{name}.yaml", SHIPPED[name])
    pruned = {name: set(range(0, count, 3)) for name, count in convolutions(configuration).items()}
    plan, *_ = shrunk(configuration, pruned)
    assert sum(plan.filters.values()) > 0
