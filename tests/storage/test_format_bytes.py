"""Sizes and layouts counted by hand, and the floor against exact integers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sparsenet.storage.encoded import encode
from sparsenet.storage.floor import floor_bytes
from sparsenet.storage.formats import FORMATS, best_format


def test_the_formats_and_their_order() -> None:
    assert list(FORMATS) == [
        *("dense", "bitmask", "indexed", "csr", "relative4", "relative8"),
        "periodic",
    ]
    assert [kind.name for kind in FORMATS.values()] == list(FORMATS)


@pytest.mark.parametrize(
    ("shape", "nonzeros", "sizes"),
    [
        # 475 zeros: 31 skips of 15, 1 of 255; the table of a period of 20, 500 bits
        ((20, 1, 5, 5), 25, [2000, 63 + 100, 150, 200 + 84, 28 + 100, 26 + 100, 2000 + 63]),
        (
            (50, 20, 5, 5),
            25_000,
            [
                *(100_000, 3125 + 100_000, 150_000, 200_000 + 204, 12_500 + 100_000, 125_000),
                100_000 + 216,
            ],
        ),
        # 380,000 zeros: 25,333 skips of 15, 1,490 of 255
        (
            (500, 800),
            20_000,
            [
                1_600_000,
                50_000 + 80_000,
                160_000,
                160_000 + 2004,
                22_667 + 80_000,
                101_490,
                1_600_001,
            ],
        ),
        ((10, 500), 0, [20_000, 625, 0, 44, 0, 0, 1]),
        ((9,), 1, [36, 2 + 4, 1 + 4, 8 + 40, 1 + 4, 1 + 4, 37]),
        ((256,), 2, [1024, 32 + 8, 2 + 8, 16 + 1028, 9 + 8, 2 + 8, 1025]),
        ((257,), 2, [1028, 33 + 8, 4 + 8, 16 + 1032, 10 + 8, 3 + 8, 1029]),
        ((65_536,), 1, [262_144, 8192 + 4, 2 + 4, 8 + 262_148, 2185 + 4, 258 + 4, 262_145]),
        ((65_537,), 1, [262_148, 8193 + 4, 4 + 4, 8 + 262_152, 2185 + 4, 258 + 4, 262_149]),
    ],
)
def test_sizes_counted_by_hand(shape: tuple[int, ...], nonzeros: int, sizes: list[int]) -> None:
    assert [kind.bytes(shape, nonzeros) for kind in FORMATS.values()] == sizes


@pytest.mark.parametrize(
    ("name", "index", "values"),
    [
        ("dense", [], [0, 5, 0, 0, 0, 0, 0, 0, -6, 7]),
        ("bitmask", [0b00000010, 0b00000011], [5, -6, 7]),
        ("indexed", [1, 8, 9], [5, -6, 7]),
        (
            "csr",
            [0, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, *[1, 0, 0, 0], *[3, 0, 0, 0], *[4, 0, 0, 0]],
            [5, -6, 7],
        ),
        ("relative4", [0x61, 0x00], [5, -6, 7]),
        ("relative8", [1, 6, 0], [5, -6, 7]),
    ],
)
def test_layouts_by_hand(name: str, index: list[int], values: list[int]) -> None:
    weight = torch.tensor([[0.0, 5.0, 0.0, 0.0, -0.0], [0.0, 0.0, 0.0, -6.0, 7.0]])
    encoded = encode(weight, kind=FORMATS[name])
    assert encoded.index.tolist() == index
    assert encoded.codes.view(np.float32).tolist() == values


@pytest.mark.parametrize(
    ("gap", "four", "eight"),
    [
        (0, [0x0], [0]),
        (14, [0xE], [14]),
        (15, [0xF, 0x0], [15]),
        (254, [0xF] * 16 + [14], [254]),
        (255, [0xF] * 17 + [0], [255, 0]),
        (256, [0xF] * 17 + [1], [255, 1]),
    ],
)
def test_gaps_and_skips_by_hand(gap: int, four: list[int], eight: list[int]) -> None:
    places, shape = np.array([gap]), (300,)
    halves = [*four, 0] if len(four) % 2 else four
    packed = [low | high << 4 for low, high in zip(halves[::2], halves[1::2], strict=True)]
    assert FORMATS["relative4"].index(places, shape).tolist() == packed
    assert FORMATS["relative8"].index(places, shape).tolist() == eight
    assert FORMATS["relative4"].index_bytes_of(places, shape) == len(packed)
    assert FORMATS["relative8"].index_bytes_of(places, shape) == len(eight)


def test_places_of_two_and_four_bytes_are_little_endian() -> None:
    places = np.array([1, 259])
    assert FORMATS["indexed"].index(places, (300,)).tolist() == [1, 0, 3, 1]
    assert FORMATS["indexed"].index(places, (70_000,)).tolist() == [1, 0, 0, 0, 3, 1, 0, 0]


def test_csr_rows_are_torchs() -> None:
    weight = torch.randn(7, 3, 2, generator=torch.Generator().manual_seed(3))
    weight[weight.abs() < 0.8] = 0
    numbers = encode(weight, kind=FORMATS["csr"]).index.view("<u4")
    dense = weight.reshape(7, 6)
    counts = [int((dense[row] != 0).sum()) for row in range(7)]
    assert numbers[:8].tolist() == [sum(counts[:row]) for row in range(8)]
    assert numbers[8:].tolist() == dense.nonzero()[:, 1].tolist()


@pytest.mark.parametrize(
    ("name", "index", "words"),
    [
        ("dense", [0], r"an index of 1 bytes, where 0 are needed"),
        ("bitmask", [0b00000011, 0], r"a mask of 2 weights, where 3 are stored"),
        ("bitmask", [0b00000011, 0b100], r"places out of range"),
        ("indexed", [1, 8], r"an index of 2 bytes, where 3 are needed"),
        ("indexed", [1, 8, 10], r"places out of range"),
        ("indexed", [1, 8, 8], r"twice the same"),
        ("indexed", [8, 1, 9], r"out of order"),
        ("relative4", [0x61, 0xF0], r"codes of 3 places"),
        ("relative4", [0x61], r"codes of 2 places, where 3 values are stored"),
        ("relative4", [0x61, 0x10], r"codes of 4 places"),
        ("relative4", [0x61, 0x01], r"out of range"),
        ("relative8", [1, 6, 0, 0], r"codes of 4 places"),
        ("relative8", [1, 255, 0, 0], r"out of range"),
        ("relative8", [1, 6, 0, 255], r"codes of 3 places"),
    ],
)
def test_what_is_no_index_is_refused(name: str, index: list[int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        FORMATS[name].places(np.array(index, np.uint8), (2, 5), 3)


@pytest.mark.parametrize(
    ("rows", "columns", "words"),
    [
        ([0, 1, 2], [1, 3, 4], "rows that do not begin one after another"),
        ([1, 1, 3], [1, 3, 4], "rows that do not begin one after another"),
        ([0, 4, 3], [1, 3, 4], "rows that do not begin one after another"),
        ([0, 1, 3], [1, 3, 5], "columns beyond the 5 of a row"),
        ([0, 1, 3], [1, 4, 3], "out of order"),
    ],
)
def test_what_are_no_sparse_rows_is_refused(
    rows: list[int], columns: list[int], words: str
) -> None:
    index = np.array([*rows, *columns], "<u4").view(np.uint8)
    with pytest.raises(ValueError, match=words):
        FORMATS["csr"].places(index, (2, 5), 3)


@pytest.mark.parametrize(
    ("nonzeros", "best"),
    [
        *((0, "indexed"), (4, "indexed"), (5, "relative8"), (57, "relative8")),
        *((58, "relative4"), (200, "relative4"), (201, "bitmask"), (991, "bitmask")),
        *((992, "dense"), (1024, "dense")),
    ],
)
def test_best_format_by_density(nonzeros: int, best: str) -> None:
    # N = 1024. relative8 takes at most t + floor((N - t)/255) bytes for the places, relative4 half
    # of t + floor((N - t)/15), bitmask 128 and dense 4 (N - t) for the zeros; where two cost the
    # same the earlier one is taken.
    costs = {
        "bitmask": 128,
        "dense": 4 * (1024 - nonzeros),
        "indexed": 2 * nonzeros,
        "relative4": math.ceil((nonzeros + (1024 - nonzeros) // 15) / 2) if nonzeros else 0,
        "relative8": nonzeros + (1024 - nonzeros) // 255 if nonzeros else 0,
    }
    assert costs[best] == min(costs.values())
    assert best_format((32, 32), nonzeros).name == best


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
