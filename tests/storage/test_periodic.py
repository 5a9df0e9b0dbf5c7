"""The format of kernel patterns: by hand, as the paper's tables, and as the least that there is."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sparsenet.storage.accounting import LayerMemory
from sparsenet.storage.encoded import encode
from sparsenet.storage.floor import floor_bytes
from sparsenet.storage.formats import FORMATS
from sparsenet.storage.values import values_of

PERIODIC = FORMATS["periodic"]


def patterned(shape: tuple[int, ...], variants: list[set[int]]) -> Tensor:
    """A weight that is nonzero where kernel (i, j) has a position of variant (i + j + 1) mod P."""
    weight = torch.zeros(*shape[:2], math.prod(shape[2:]))
    for i in range(shape[0]):
        for j in range(shape[1]):
            for position in variants[(i + j + 1) % len(variants)]:
                weight[i, j, position] = 1 + i + j / 100 + position / 10_000
    return weight.reshape(shape)


def test_a_table_by_hand() -> None:
    weight = patterned((2, 3, 1, 8), [{0, 7}, {1}, {2, 3}])
    encoded = encode(weight, kind=PERIODIC)
    # Kernels (0, 0) to (1, 2) have variants 1, 2, 0, 2, 0, 1; so 10 values in their order.
    assert encoded.index.tolist() == [0b10000001, 0b00000010, 0b00001100]
    kernels = [(0, 0, {1}), (0, 1, {2, 3}), (0, 2, {0, 7}), (1, 0, {2, 3}), (1, 1, {0, 7})]
    values = [1 + i + j / 100 + p / 10_000 for i, j, at in [*kernels, (1, 2, {1})] for p in at]
    np.testing.assert_allclose(encoded.codes.view(np.float32), values, rtol=1e-6)
    assert encoded.nbytes == 3 + 4 * 10


CORNERS = [{0, 1, 3, 4}, {1, 2, 4, 5}, {3, 4, 6, 7}, {4, 5, 7, 8}]
FULL = set(range(9))


@pytest.mark.parametrize(
    "variants", [CORNERS, [FULL, *CORNERS, *CORNERS[:3]], [{p} for p in range(9)]]
)
def test_patterns_take_their_values_and_their_table(variants: list[set[int]]) -> None:
    weight = patterned((32, 40, 3, 3), variants)
    count, table = int(torch.count_nonzero(weight)), math.ceil(len(variants) * 9 / 8)
    encoded = encode(weight)
    assert encoded.format is PERIODIC
    assert encoded.nbytes == 4 * count + table
    memory = LayerMemory.counted("conv", weight)
    assert (memory.best, memory.bytes["periodic"]) == ("periodic", encoded.nbytes)
    # No choice but that of the table: the floor of any places is far above.
    assert memory.bytes["floor"] == encoded.nbytes < floor_bytes(weight.numel(), count)


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "int8", "shared:16"])
def test_fewer_bits_a_value_keep_the_table(kind: str) -> None:
    weight = patterned((32, 40, 3, 3), CORNERS)
    values, count = values_of(kind), int(torch.count_nonzero(weight))
    encoded = encode(weight, values)
    assert encoded.format is PERIODIC
    assert encoded.nbytes == 5 + values.bytes(count, 32)


def test_zeros_within_a_pattern_are_stored_but_not_shared() -> None:
    weight = patterned((32, 40, 3, 3), CORNERS)
    count = int(torch.count_nonzero(weight))
    weight[3, 3] = weight[5, 8] = 0
    encoded = encode(weight)
    assert (encoded.format, encoded.nonzeros) == (PERIODIC, count - 8)
    assert encoded.nbytes == 5 + 4 * count
    assert torch.equal(encoded.decoded(), weight)
    assert encode(weight, values_of("int8")).format is PERIODIC
    # Among a few shared values is no zero.
    shared = encode(weight, values_of("shared:4"))
    assert shared.format is not PERIODIC
    assert torch.equal(shared.decoded() != 0, weight != 0)


KERNELS = st.sampled_from([(3, 3), (1, 2), (2, 2), (1, 3), (1, 5), (2, 3), (1, 7), (4, 4)])


@settings(deadline=None, max_examples=150)
@given(
    filters=st.integers(1, 12),
    channels=st.integers(1, 12),
    kernel=KERNELS,
    data=st.data(),
)
def test_no_table_of_any_period_takes_less(
    filters: int, channels: int, kernel: tuple[int, ...], data: st.DataObject
) -> None:
    size = math.prod(kernel)
    period = data.draw(st.integers(1, filters + channels - 1))
    positions = st.sets(st.integers(0, size - 1))
    variants = data.draw(st.lists(positions, min_size=period, max_size=period))
    weight = patterned((filters, channels, *kernel), variants)
    encoded = encode(weight, kind=PERIODIC)
    assert torch.equal(encoded.decoded(), weight)
    count = int(torch.count_nonzero(weight))
    # The period's own table is one; where its bytes would not tell the period it is repeated.
    tables = [n * period * size for n in range(1, 9)]
    bits = next(bits for bits in tables if 8 * math.ceil(bits / 8) // size * size == bits)
    assert encoded.nbytes <= 4 * count + math.ceil(bits / 8)
    assert PERIODIC.stored_in(encoded.index, encoded.shape, count) == len(encoded.places())


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ([], "an index of 0 bytes, where 2 are needed"),
        ([1], "an index of 1 bytes, where 2 are needed"),
        ([1, 0, 0, 0, 0, 0, 0, 0, 0, 0], "an index of 10 bytes, where 9 are needed"),
        ([1, 2], "bits beyond the table"),
        ([1, 0], "a table of 4 values, 5 of them nonzero"),
        ([1, 2, 0], "not the shortest"),
    ],
)
def test_what_is_no_table_is_refused(index: list[int], words: str) -> None:
    nonzeros = 5 if "of them" in words else 0
    with pytest.raises(ValueError, match=words):
        PERIODIC.places(np.array(index, np.uint8), (2, 2, 3, 3), nonzeros)


def test_a_period_beyond_all_is_refused_before_it_is_looked_at() -> None:
    with pytest.raises(ValueError, match="a period of 4,096, where 2,048 is the longest"):
        PERIODIC.stored_in(np.zeros(512, np.uint8), (2**15, 2**15), 0)


def test_what_is_promised_of_a_pattern_is_no_less_than_what_it_takes() -> None:
    weight = patterned((16, 16, 3, 3), CORNERS)
    where, count = weight != 0, int(torch.count_nonzero(weight))
    promised = LayerMemory.within("conv", where, count, 16)
    counted = LayerMemory.counted("conv", weight, 16)
    assert promised.bytes["best"] == counted.bytes["best"] == counted.bytes["periodic"]
    weight[torch.rand(weight.shape, generator=torch.Generator().manual_seed(1)) < 0.3] = 0
    fewer = LayerMemory.counted("conv", weight, 16)
    promised = LayerMemory.within("conv", where, fewer.nonzeros, 16)
    assert all(promised.bytes[name] >= fewer.bytes[name] for name in fewer.bytes)
