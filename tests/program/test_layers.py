"""Every layer that has C, against torch, on images of several shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sparsenet.layers.base import LAYERS
from sparsenet.net import Net
from sparsenet.program.compiled import Compiled
from sparsenet.program.lowering import LOWERS
from sparsenet.program.operation import Operation
from sparsenet.program.plan import plan
from sparsenet.storage.formats import FORMATS
from tests.program.sparse_nets import (
    NEEDS_COMPILER,
    difference,
    images_for,
    pack,
    small,
    sparse_net,
    torch_scores,
    use_lanes,
)
from tests.small import convolution, inner_product

FIRST = convolution("conv0", 12, pad=1)
LAST = inner_product("last", 10)


def layer(kind: str, **keys: Any) -> dict[str, Any]:
    return {"name": kind.lower(), "type": kind, **keys}


def pooling(**keys: Any) -> dict[str, Any]:
    return layer("Pooling", **keys)


NETS: dict[str, list[dict[str, Any]]] = {
    "convolution, stride": [convolution("c", 5, stride=2), LAST],
    "convolution, uneven": [
        convolution("c", 5, kernel_size=[2, 5], stride=[3, 2], pad=[1, 3]),
        LAST,
    ],
    "convolution, dilation": [convolution("c", 5, dilation=[2, 3], pad=2, stride=[1, 2]), LAST],
    "convolution, stride beyond kernel": [convolution("c", 5, kernel_size=1, stride=3), LAST],
    "convolution, pad beyond kernel": [convolution("c", 4, kernel_size=2, pad=5), LAST],
    "convolution, groups": [FIRST, convolution("c", 9, group=3, bias_term=False), LAST],
    "convolution, depthwise": [FIRST, convolution("c", 12, group=12, stride=2, pad=1), LAST],
    "convolution to one pixel": [convolution("c", 6, kernel_size=8), LAST],
    "convolution last": [convolution("last", 10, kernel_size=8)],
    "max": [FIRST, pooling(kernel_size=3, stride=2), LAST],
    "max, pad": [FIRST, pooling(kernel_size=[3, 4], stride=[2, 3], pad=[1, 3]), LAST],
    "max, floor": [FIRST, pooling(kernel_size=3, stride=2, round_mode="FLOOR"), LAST],
    "mean": [FIRST, pooling(pool="AVE", kernel_size=3, stride=2), LAST],
    "mean, pad": [FIRST, pooling(pool="AVE", kernel_size=[3, 5], stride=2, pad=[2, 1]), LAST],
    "one pixel": [FIRST, pooling(kernel_size=1, stride=2, round_mode="FLOOR"), LAST],
    "mean of all": [FIRST, pooling(pool="AVE", global_pooling=True), LAST],
    "max of all": [FIRST, pooling(global_pooling=True), LAST],
    "max, of the image": [pooling(kernel_size=3, stride=2, pad=1), LAST],
    "mean, of the image": [pooling(pool="AVE", kernel_size=3, stride=2, pad=1), LAST],
    "relu": [FIRST, layer("ReLU"), LAST],
    "relu, twice": [FIRST, layer("ReLU", clip=0.2), layer("ReLU", name="r", clip=0.1), LAST],
    "relu, slope": [FIRST, layer("ReLU", negative_slope=0.3), LAST],
    "relu, of the image": [layer("ReLU", clip=0.3), LAST],
    "relu, in place": [FIRST, layer("TanH"), layer("ReLU", bottom="tanh", top="tanh"), LAST],
    "relu beside": [
        FIRST,
        layer("ReLU"),
        layer("Eltwise", bottom=["conv0", "relu"], coeff=[1.0, -0.5]),
        LAST,
    ],
    "prelu": [FIRST, layer("PReLU"), LAST],
    "prelu, shared": [FIRST, layer("PReLU", channel_shared=True), LAST],
    "elu": [FIRST, layer("ELU", alpha=0.7), LAST],
    "sigmoid": [FIRST, layer("Sigmoid"), LAST],
    "tanh": [FIRST, layer("TanH"), LAST],
    "power": [FIRST, layer("Sigmoid"), layer("Power", power=1.5, scale=2.0, shift=0.5), LAST],
    "power, one over root": [FIRST, layer("Sigmoid"), layer("Power", power=-0.5), LAST],
    "power, zero": [FIRST, layer("Power", scale=0.0, shift=0.25), LAST],
    "lrn": [FIRST, layer("LRN", local_size=5, alpha=0.5, k=2.0), LAST],
    "lrn, other power": [FIRST, layer("LRN", local_size=3, alpha=0.5, beta=0.6), LAST],
    "lrn, within": [FIRST, layer("LRN", norm_region="WITHIN_CHANNEL", alpha=0.5), LAST],
    "batch norm": [FIRST, layer("BatchNorm"), LAST],
    "batch norm, scale": [FIRST, layer("BatchNormScale"), layer("ReLU"), LAST],
    "batch norm of features": [inner_product("i", 9), layer("BatchNormScale"), LAST],
    "scale": [FIRST, layer("Scale"), LAST],
    "scale, bias": [FIRST, layer("Scale", bias_term=True), LAST],
    "product": [
        FIRST,
        layer("Sigmoid"),
        layer("Eltwise", bottom=["conv0", "sigmoid"], operation="PROD"),
        LAST,
    ],
    "three": [
        FIRST,
        layer("Sigmoid"),
        layer("TanH", bottom="conv0"),
        layer("Eltwise", bottom=["conv0", "sigmoid", "tanh"], coeff=[0.5, 2.0, -1.0]),
        layer("ReLU"),
        LAST,
    ],
    "maximum": [
        FIRST,
        layer("Sigmoid"),
        layer("TanH", bottom="conv0"),
        layer("Eltwise", bottom=["conv0", "sigmoid", "tanh"], operation="MAX"),
        LAST,
    ],
    "concat": [
        FIRST,
        convolution("c", 3, pad=1, bottom="conv0"),
        layer("Concat", bottom=["c", "conv0", "c"]),
        LAST,
    ],
    "slice": [
        FIRST,
        layer("Slice", top=["a", "b", "c"], slice_point=[2, 7]),
        layer("Concat", bottom=["c", "a"]),
        LAST,
    ],
    "split": [
        FIRST,
        layer("Split", top=["a", "b"]),
        layer("ReLU", bottom="a"),
        layer("Eltwise", bottom=["relu", "b"]),
        LAST,
    ],
    "shuffle": [FIRST, layer("ChannelShuffle", group=3), LAST],
    "flatten, dropout": [FIRST, layer("Flatten"), layer("Dropout"), LAST],
    "softmax": [LAST, layer("Softmax")],
    "softmax of pixels": [FIRST, layer("Softmax"), LAST],
    "one name": [FIRST, layer("ReLU", bottom="conv0", top="conv0"), LAST],
}


def pooled(first: dict[str, Any], *between: dict[str, Any], **keys: Any) -> list[dict[str, Any]]:
    """A convolution and the pooling of its planes, and the same again of what they give."""
    second = convolution("conv2", 5, kernel_size=2, pad=1)
    again = pooling(pool="AVE", kernel_size=2, stride=2) | {"name": "again"}
    return [first, *between, pooling(**keys), layer("ReLU", name="r"), second, again, LAST]


JOINED: dict[str, list[dict[str, Any]]] = {
    "max": pooled(FIRST, kernel_size=2, stride=2),
    "max, unaligned": pooled(convolution("c", 9), kernel_size=3, stride=2),
    "max, pad": pooled(FIRST, kernel_size=[3, 4], stride=[2, 3], pad=[1, 3]),
    "max, floor": pooled(FIRST, kernel_size=3, stride=2, round_mode="FLOOR"),
    "max, wide": pooled(convolution("c", 6, pad=3), layer("ReLU"), kernel_size=3, stride=3),
    "max after relu": pooled(FIRST, layer("ReLU", clip=0.2), kernel_size=3, stride=2),
    "mean": pooled(FIRST, pool="AVE", kernel_size=3, stride=2),
    "mean after relu": pooled(
        convolution("c", 6, stride=2, pad=5, group=1),
        layer("ReLU", negative_slope=0.3),
        pool="AVE",
        kernel_size=[3, 5],
        stride=2,
        pad=[2, 1],
    ),
    "one pixel of few": pooled(FIRST, kernel_size=1, stride=2, round_mode="FLOOR"),
    "mean of all": pooled(FIRST, layer("ReLU"), pool="AVE", global_pooling=True),
}


def check(net: Net, group: int, count: int) -> None:
    blob = net.graphs["TEST"].nodes[-1].bottoms[0]
    program = plan(net, pack(net), group)
    images = images_for(net, count)
    assert difference(Compiled(program)(images), torch_scores(net, images, blob)) < 1e-5


@NEEDS_COMPILER
@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("group", [1, 8])
def test_a_layer_gives_what_torch_gives(name: str, group: int) -> None:
    check(sparse_net(small(*NETS[name]), 0.5), group, 3)


@NEEDS_COMPILER
@pytest.mark.parametrize("name", JOINED)
@pytest.mark.parametrize(("lanes", "group"), [(None, 8), (1, 1), (4, 1)])
def test_a_pooling_that_joins_a_convolution_changes_no_bit(
    name: str, lanes: int | None, group: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_lanes(lanes, monkeypatch)
    same_bits(sparse_net(small(*JOINED[name]), 0.3), group, monkeypatch)


@NEEDS_COMPILER
@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("density", [0.02, 1.0])
def test_nor_in_any_format(kind: str, density: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some filters are empty in the first case; in the other some are decoded chunk by chunk."""
    net = sparse_net(small(*pooled(FIRST, layer("ReLU"), kernel_size=2, stride=2)), density)
    same_bits(net, 1, monkeypatch, kind)


def same_bits(
    net: Net, group: int, monkeypatch: pytest.MonkeyPatch, kind: str | None = None
) -> None:
    packed, images = pack(net, kind=kind), images_for(net, 2 * group + 1)
    joined = plan(net, packed, group)
    monkeypatch.setattr(Operation, "pooled", lambda self, pool: None)
    apart = plan(net, packed, group)
    kernels = [[operation.kernel for operation in one.operations] for one in (joined, apart)]
    assert [sum("pool" in kernel for kernel in one) for one in kernels] == [0, 2]
    scores = [Compiled(one)(images) for one in (joined, apart)]
    assert np.array_equal(*(one.view(np.uint32) for one in scores))
    assert difference(scores[0], torch_scores(net, images, "last")) < 1e-5


@NEEDS_COMPILER
def test_statistics_of_no_images_count_as_zero() -> None:
    net = sparse_net(small(*NETS["batch norm"]), 0.5)
    net.statistics()["batchnorm.factor"].zero_()
    check(net, 1, 3)


@NEEDS_COMPILER
@pytest.mark.parametrize("name", [name for name in NETS if "convolution" in name])
@pytest.mark.parametrize("density", [0.02, 1.0])
def test_convolutions_of_other_densities(name: str, density: float) -> None:
    check(sparse_net(small(*NETS[name]), density), 1, 2)


def test_every_layer_that_computes_is_here() -> None:
    """But for the Data layer, losses and accuracies, which a program leaves out."""
    computing = {
        kind
        for name, kind in LAYERS.items()
        if name != "Data" and not (kind.is_loss or kind.is_accuracy)
    }
    assert computing == set(LOWERS)
    tried = {one["type"] for layers in NETS.values() for one in layers}
    assert tried == {name for name, kind in LAYERS.items() if kind in computing}


@NEEDS_COMPILER
def test_not_a_number_and_infinity_go_where_they_go_in_torch() -> None:
    """With every weight stored: where one is not, torch multiplies NaN by 0, and C does not."""
    relu, pool = layer("ReLU"), pooling(kernel_size=3, stride=2)
    net = sparse_net(small(convolution("c", 5, pad=1), relu, pool, layer("Flatten", name="f")), 1.0)
    images = images_for(net, 3)
    images[0, 0, 2, 3], images[1, 0, 0, 0], images[2, 0, 7, 7] = np.nan, np.inf, -np.inf
    ours = Compiled(plan(net, pack(net)))(images)
    theirs = torch_scores(net, images, "f")
    assert np.array_equal(np.isnan(ours), np.isnan(theirs))
    assert np.isnan(ours).any()
    assert np.isinf(ours).any()
    assert np.allclose(ours, theirs, rtol=1e-5, atol=1e-6, equal_nan=True)
