"""The published sizes, totals by hand, and what a shared count can cost at most."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sparsenet.storage.accounting import LayerMemory, ModelMemory, spread

MIB = 2**20


def test_lenet_has_the_published_parameters(dense_lenet: ModelMemory) -> None:
    memory = dense_lenet
    assert memory.total.params == memory.total.nonzeros == 431_080
    assert memory.weights.params == memory.weights.nonzeros == 430_500
    assert memory.total.bytes["dense"] == memory.total.bytes["best"] == 4 * 431_080
    assert memory.total.ratio == memory.weights.ratio == 1.0


def test_dense_alexnet(dense_alexnet: ModelMemory) -> None:
    total = dense_alexnet.total
    assert total.params == total.nonzeros == 60_965_224
    assert total.bytes["dense"] == total.bytes["best"] == 243_860_896
    assert round(total.bytes["dense"] / MIB, 1) == 232.6


def test_alexnet_with_the_papers_counts(alexnet: ModelMemory) -> None:
    memory = alexnet
    assert memory.total.nonzeros == 8_743_272
    assert round(100 * memory.total.density, 1) == 14.3
    # Convolutions dense, fully connected layers indexed: the paper's factor of four.
    biases = sum(layer.biases for layer in memory.layers)
    mixed = 4 * biases + sum(
        layer.bytes["dense" if layer.name.startswith("conv") else "indexed"]
        for layer in memory.layers
    )
    assert memory.dense_or_indexed == mixed
    assert round(mixed / MIB, 1) == 57.8
    assert round(memory.total.bytes["dense"] / mixed, 1) == 4.0
    # Convolutions dense, fully connected layers as bitmasks.
    masked = mixed + sum(one.bytes["bitmask"] - 8 * one.nonzeros for one in memory.layers[5:])
    assert masked == 42_300_832
    assert round(masked / MIB, 1) == 40.3
    assert round(memory.total.bytes["dense"] / masked, 1) == 5.8
    # Each in its best format, the places wherever they may be.
    assert [layer.best for layer in memory.layers] == ["dense"] * 5 + ["relative4"] * 3
    skips = sum((one.params - one.nonzeros) // 15 for one in memory.layers[5:])
    assert memory.total.bytes["best"] == mixed - 4 * 6_400_000 + (6_400_000 + skips) / 2 + 0.5


def test_totals_by_hand() -> None:
    memory = ModelMemory.of([("a", (2, 16), 3, 2), ("b", [8], 8, 0)])
    assert memory.layers[0].bytes == {
        "dense": 128,
        "bitmask": 16,
        "indexed": 15,
        "csr": 36,
        "relative4": 14,  # of 29 zeros one skip at most: 4 codes
        "relative8": 15,
        "periodic": 129,  # at most, as dense
        "best": 14,
        "floor": math.ceil((math.log2(4960) + 96) / 8),
    }
    assert (memory.layers[0].params, memory.layers[0].best) == (32, "relative4")
    assert (memory.layers[1].params, memory.layers[1].best) == (8, "dense")
    weights = {"dense": 160, "bitmask": 49, "indexed": 55, "csr": 136, "periodic": 162}
    weights |= {"relative4": 50, "relative8": 55, "best": 46, "floor": 46}
    assert memory.weights.bytes == weights
    assert (memory.weights.params, memory.weights.nonzeros) == (40, 11)
    assert memory.total.bytes == {key: size + 8 for key, size in weights.items()}
    assert (memory.total.params, memory.total.nonzeros) == (42, 13)
    assert memory.weights.ratio == 160 / 46
    assert memory.total.ratio == 168 / 54


def test_counted_from_the_values() -> None:
    weight = torch.tensor([[0.0, -0.0, 1e-45], [math.nan, -math.inf, 0.0]])
    layer = LayerMemory.counted("ip", weight, biases=2)
    assert (layer.shape, layer.nonzeros, layer.biases, layer.density) == ((2, 3), 3, 2, 0.5)
    assert LayerMemory.counted("ip", weight).biases == 0


def test_nothing_to_store_has_no_ratio() -> None:
    zeros = ModelMemory.of([("a", (4, 4), 0, 0)])
    assert zeros.total.bytes["best"] == 0
    assert zeros.total.ratio is None
    empty = ModelMemory.of([])
    assert (empty.total.params, empty.total.density, empty.total.ratio) == (0, 0.0, None)


def test_an_impossible_count_names_its_layer() -> None:
    with pytest.raises(ValueError, match=r"^ip1: 9 of 8 weights cannot be nonzero$"):
        LayerMemory("ip1", (2, 4), 9)


SIZES = st.lists(st.integers(1, 5000), min_size=1, max_size=6)


@given(sizes=SIZES, data=st.data())
def test_spread_keeps_the_count_at_equal_density(sizes: list[int], data: st.DataObject) -> None:
    nonzeros = data.draw(st.integers(0, sum(sizes)))
    counts = spread(nonzeros, sizes)
    assert sum(counts) == nonzeros
    for count, size in zip(counts, sizes, strict=True):
        assert 0 <= count <= size
        assert abs(count - nonzeros * size / sum(sizes)) < 1


@given(sizes=SIZES, data=st.data())
def test_no_other_split_of_a_shared_count_costs_more(sizes: list[int], data: st.DataObject) -> None:
    counts = [data.draw(st.integers(0, size)) for size in sizes]
    real = ModelMemory.of([("x", (n,), t, 0) for n, t in zip(sizes, counts, strict=True)])
    predicted = ModelMemory.of(
        [("x", (n,), t, 0) for n, t in zip(sizes, spread(sum(counts), sizes), strict=True)]
    )
    # A layer's count is rounded by less than one weight, 8 bytes at most, and its mask by a byte.
    rounding = 9 * len(sizes)
    assert real.total.bytes["best"] <= predicted.total.bytes["best"] + rounding
    assert real.total.bytes["floor"] <= predicted.total.bytes["floor"] + rounding


def test_more_than_all_cannot_be_spread() -> None:
    with pytest.raises(ValueError, match=r"^11 of 10 weights cannot be nonzero$"):
        spread(11, [4, 6])
