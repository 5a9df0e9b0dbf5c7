"""Compiled programs against torch on the same numbers: nets, formats, kinds of values, groups."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest
import torch

from sparsenet.net import Net
from sparsenet.program import parts
from sparsenet.program.compiled import Compiled
from sparsenet.program.plan import plan
from sparsenet.storage.formats import FORMATS
from tests.program.sparse_nets import (
    EVERY_WIDTH,
    NEEDS_COMPILER,
    Floats,
    difference,
    images_for,
    pack,
    shipped,
    sizes_of,
    small,
    sparse_net,
    torch_scores,
    use_lanes,
)
from tests.small import convolution, inner_product

pytestmark = NEEDS_COMPILER
KINDS = ["float32", "float16", "bfloat16", "int8", "shared:2", "shared:5", "shared:256"]


def small_net(density: float) -> Net:
    """A padded convolution whose rows are whole vectors, one whose are not, and two products."""
    relu = {"name": "relu", "type": "ReLU"}
    layers = (convolution("conv1", 6, pad=1), relu, convolution("conv2", 7))
    return sparse_net(small(*layers, inner_product("ip1", 30), inner_product("ip2", 10)), density)


def check(net: Net, blob: str, count: int = 3, group: int = 1, **packing: str) -> None:
    packed = pack(net, **packing)
    images = images_for(net, count)
    ours = Compiled(plan(net, packed, group))(images)
    assert difference(ours, torch_scores(net, images, blob)) < 1e-5, sizes_of(packed)


@pytest.mark.parametrize(
    ("path", "density", "blob"),
    [
        ("digits/net.yaml", 0.05, "ip2"),
        ("mnist/nets/lenet.yaml", 0.05, "ip2"),
        ("mnist/nets/lenet-300-100.yaml", 0.1, "ip3"),
        ("cifar10/nets/quick.yaml", 0.1, "ip2"),
        ("cifar10/nets/full.yaml", 0.3, "ip1"),
        ("cifar10/nets/resnet20.yaml", 0.2, "fc"),
        ("cifar10/nets/mobilenetv2.yaml", 0.2, "fc"),
        ("cifar10/nets/shufflenetv2.yaml", 0.2, "fc"),
    ],
)
def test_shipped_nets(path: str, density: float, blob: str) -> None:
    check(sparse_net(shipped(path), density), blob)


@pytest.mark.parametrize("kind", FORMATS)
@EVERY_WIDTH
@pytest.mark.parametrize("density", [0.004, 0.07, 0.6, 1.0])
def test_every_format(
    kind: str, lanes: int | None, density: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_lanes(lanes, monkeypatch)
    check(small_net(density), "ip2", kind=kind)


HALVES = [list(range(0, 289, 2)), list(range(1, 289, 2))]
PATTERNS = {
    "PS4_P4": {},
    "PSD1_P16": {"group": 2},
    "small": {"kernel_size": [2, 3], "kernel_pattern": {"kss": 2, "period": 4}},
    "large": {"kernel_size": 17, "pad": 8, "kernel_pattern": {"positions": HALVES}},
}


@pytest.mark.parametrize("values", ["float32", "int8", "shared:5"])
@pytest.mark.parametrize("name", PATTERNS)
@EVERY_WIDTH
def test_kernel_patterns_are_computed_by_their_table(
    name: str, values: str, lanes: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_lanes(lanes, monkeypatch)
    keys = {"pad": 1, "kernel_pattern": name, **PATTERNS[name]}
    layers = (convolution("first", 20, pad=1), convolution("conv", 40, **keys))
    net = sparse_net(small(*layers, inner_product("ip2", 10)), 1.0)
    packed = pack(net, values)
    assert packed["conv"].format.name == "periodic"
    for count, group in ((1, 1), (3, 8)):
        check(net, "ip2", count, group, values=values)


@pytest.mark.parametrize("values", KINDS)
@EVERY_WIDTH
def test_every_kind_of_values(
    values: str, lanes: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_lanes(lanes, monkeypatch)
    for kind in ("relative4", "dense"):
        check(small_net(0.4), "ip2", values=values, kind=kind)


@pytest.mark.parametrize("group", [8, 16, 128])
@EVERY_WIDTH
def test_several_images_at_a_time(
    group: int, lanes: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole groups, part of one, and one alone, which is computed in another way."""
    use_lanes(lanes, monkeypatch)
    for count in (1, 3, group, 2 * group + 1):
        check(small_net(0.3), "ip2", count, group)


def test_operations_one_by_one_give_the_same() -> None:
    net = small_net(0.2)
    program = Compiled(plan(net, pack(net)))
    images = images_for(net, 1)
    whole = program(images)
    last = len(program.program.operations)
    for step in range(last):
        scores = program.run(images, step, step + 1)
    assert np.array_equal(scores, whole)


def test_threads_do_not_meet() -> None:
    net = small_net(0.5)
    program = Compiled(plan(net, pack(net)))
    images = [images_for(net, 20, seed) for seed in range(4)]
    expected = [program(one) for one in images]
    found: list[list[Floats]] = [[] for _ in images]

    def repeat(place: int) -> None:
        found[place] = [program(images[place]) for _ in range(50)]

    threads = [threading.Thread(target=repeat, args=[place]) for place in range(len(images))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, many in zip(expected, found, strict=True):
        assert len(many) == 50
        assert all(np.array_equal(one, again) for again in many)


def test_images_of_another_kind_are_refused() -> None:
    net = small_net(0.5)
    program = Compiled(plan(net, pack(net)))
    for wrong in (np.zeros((2, 1, 8, 8)), np.zeros((2, 1, 8, 7), np.float32)):
        with pytest.raises(ValueError, match="not float32 of 64 values each"):
            program(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("threads", [2, 3, 7])
def test_parts_of_a_large_layer_are_the_whole(
    kind: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for rounding: the chunks that a row is summed in are other ones."""
    monkeypatch.setattr(parts, "HEAVY", 1)
    for density in (0.02, 0.3):
        net = sparse_net(small(inner_product("ip1", 203), inner_product("ip2", 37)), density)
        program = plan(net, pack(net, kind=kind))
        several = Compiled(program, threads)
        assert list(several._parts) == [0, 1]
        images = images_for(net, 1)
        assert len(several._parts[0]) == threads
        assert difference(several(images), Compiled(program)(images)) < 1e-6


@pytest.mark.parametrize("values", ["float32", "float16", "bfloat16"])
def test_extreme_values_are_decoded_exactly(values: str) -> None:
    """Each score is one weight times 1: the largest, the least, infinity, NaN."""
    net = sparse_net(small(inner_product("ip", 10, bias_term=False)), 1.0)
    extremes = [65280.0, 2.0**-14, 2.0**-24, 3 * 2.0**-24, -(2.0**-15), math.inf, -math.inf]
    weight = torch.zeros(10, 64)
    weight[range(10), range(7, 17)] = torch.tensor([*extremes, math.nan, -1.0, 0.0])
    net.blobs[0].tensor.copy_(weight)
    scores = Compiled(plan(net, pack(net, values)))(np.ones((1, 1, 8, 8), np.float32))
    expected = weight.sum(1).numpy()[None]
    assert np.array_equal(scores, expected, equal_nan=True)
