"""Sizes and layouts counted by hand, and the floor against exact integers."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sparsenet.storage.formats import FORMATS, best_format, floor_bytes


def test_the_formats_and_their_order() -> None:
    assert list(FORMATS) == ["dense", "bitmask", "indexed", "csr"]
    assert [kind.name for kind in FORMATS.values()] == list(FORMATS)


@pytest.mark.parametrize(
    ("shape", "nonzeros", "sizes"),
    [
        ((20, 1, 5, 5), 25, [2000, 63 + 100, 200, 200 + 84]),
        ((50, 20, 5, 5), 25_000, [100_000, 3125 + 100_000, 200_000, 200_000 + 204]),
        ((500, 800), 20_000, [1_600_000, 50_000 + 80_000, 160_000, 160_000 + 2004]),
        ((10, 500), 0, [20_000, 625, 0, 44]),
        ((9,), 1, [36, 2 + 4, 8, 8 + 40]),
    ],
)
def test_sizes_counted_by_hand(shape: tuple[int, ...], nonzeros: int, sizes: list[int]) -> None:
    assert [kind.bytes(shape, nonzeros) for kind in FORMATS.values()] == sizes


@pytest.mark.parametrize(
    ("name", "arrays"),
    [
        ("dense", {"values": [0, 5, 0, 0, 0, 0, 0, 0, -6, 7]}),
        ("bitmask", {"mask": [0b00000010, 0b00000011], "values": [5, -6, 7]}),
        ("indexed", {"index": [1, 8, 9], "values": [5, -6, 7]}),
        ("csr", {"rows": [0, 1, 3], "columns": [1, 3, 4], "values": [5, -6, 7]}),
    ],
)
def test_layouts_by_hand(name: str, arrays: dict[str, list[int]]) -> None:
    weight = torch.tensor([[0.0, 5.0, 0.0, 0.0, -0.0], [0.0, 0.0, 0.0, -6.0, 7.0]])
    encoded = FORMATS[name].encode(weight)
    assert {key: array.tolist() for key, array in encoded.items()} == arrays


def test_csr_rows_are_torchs() -> None:
    weight = torch.randn(7, 3, 2, generator=torch.Generator().manual_seed(3))
    weight[weight.abs() < 0.8] = 0
    arrays = FORMATS["csr"].encode(weight)
    dense = weight.reshape(7, 6)
    coordinates = dense.nonzero()
    assert arrays["columns"].tolist() == coordinates[:, 1].tolist()
    counts = [int((dense[row] != 0).sum()) for row in range(7)]
    assert arrays["rows"].tolist() == [sum(counts[:row]) for row in range(8)]


@pytest.mark.parametrize(
    ("nonzeros", "best"),
    [(0, "indexed"), (31, "indexed"), (32, "bitmask"), (992, "dense"), (991, "bitmask")],
)
def test_best_format_by_density(nonzeros: int, best: str) -> None:
    # N = 1024: indexed and bitmask meet at t = N/32 = 32, bitmask and dense at t = 31 N/32 = 992;
    # where two cost the same the earlier one is taken.
    assert best_format((32, 32), nonzeros).name == best


@given(size=st.integers(1, 10**7), data=st.data())
def test_bitmask_beats_indexed_above_one_in_32(size: int, data: st.DataObject) -> None:
    nonzeros = data.draw(st.integers(0, size) | st.integers(size // 32, min(size, size // 32 + 2)))
    bitmask = FORMATS["bitmask"].bytes((size,), nonzeros)
    indexed = FORMATS["indexed"].bytes((size,), nonzeros)
    assert (bitmask < indexed) == (nonzeros > math.ceil(size / 8) / 4)
    if size % 8 == 0:
        assert (bitmask < indexed) == (nonzeros / size > 1 / 32)


def exact_floor(size: int, nonzeros: int) -> int:
    """The fewest bytes b with 2^(8 b) >= C(N, t) 2^(32 t), by whole numbers alone."""
    choices = math.comb(size, nonzeros) << (32 * nonzeros)
    return next(b for b in range(4 * size + 1) if 1 << (8 * b) >= choices)


def test_floor_is_exact_for_every_small_weight() -> None:
    for size in range(1, 40):
        for nonzeros in range(size + 1):
            assert floor_bytes(size, nonzeros) == exact_floor(size, nonzeros)


@given(size=st.integers(130, 3000), data=st.data())
def test_floor_is_exact_for_larger_weights(size: int, data: st.DataObject) -> None:
    nonzeros = data.draw(st.integers(0, size))
    choices = math.comb(size, nonzeros)
    which = next(b for b in range(size // 8 + 2) if 1 << (8 * b) >= choices)
    assert floor_bytes(size, nonzeros) == which + 4 * nonzeros


def test_floor_at_both_ends_and_where_a_power_of_two_is_whole_bytes() -> None:
    assert floor_bytes(37_748_736, 0) == 0
    assert floor_bytes(37_748_736, 37_748_736) == 4 * 37_748_736
    assert floor_bytes(256, 1) == 1 + 4
    assert floor_bytes(257, 1) == 2 + 4
    assert floor_bytes(2**24, 1) == 3 + 4
    assert floor_bytes(2**24, 2**24 - 1) == 3 + 4 * (2**24 - 1)


def test_floor_of_a_large_layer_is_stirlings() -> None:
    # ln n! by Stirling's series, an independent road to the same bits.
    def log_factorial(n: int) -> float:
        series = 1 / (12 * n) - 1 / (360 * n**3)
        return n * math.log(n) - n + 0.5 * math.log(2 * math.pi * n) + series

    size, nonzeros = 37_748_736, 3_000_000
    log = log_factorial(size) - log_factorial(nonzeros) - log_factorial(size - nonzeros)
    expected = log / math.log(2) / 8 + 4 * nonzeros
    assert abs(floor_bytes(size, nonzeros) - expected) <= 1


@given(size=st.integers(1, 2**31 - 1), data=st.data())
def test_floor_is_below_the_best_and_grows_with_the_nonzeros(
    size: int, data: st.DataObject
) -> None:
    nonzeros = data.draw(
        st.integers(0, size) | st.sampled_from([1, size // 32, size // 2, size - 1])
    )
    floor = floor_bytes(size, nonzeros)
    assert 4 * nonzeros <= floor <= best_format((size,), nonzeros).bytes((size,), nonzeros)
    if nonzeros < size:
        assert floor <= floor_bytes(size, nonzeros + 1)
