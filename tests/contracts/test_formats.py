"""What every registered storage format promises."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sparsenet.storage.formats import FORMATS, best_format, floor_bytes

SHAPES = st.lists(st.integers(1, 7), min_size=1, max_size=4).map(tuple)
EVERY_FORMAT = pytest.mark.parametrize("name", FORMATS)
# A value of each kind whose bits a careless format would change, or take for a zero.
VALUES = st.one_of(
    st.floats(width=32),
    st.sampled_from([0.0, 0.0, 0.0, -0.0, math.inf, -math.inf, math.nan, 1e-45, -1.2e-38]),
)


@st.composite
def weights(draw: st.DrawFn) -> Tensor:
    shape = draw(SHAPES)
    size = math.prod(shape)
    return torch.tensor(draw(st.lists(VALUES, min_size=size, max_size=size))).reshape(shape)


def bits(weight: Tensor) -> Tensor:
    return weight.contiguous().view(torch.int32)


@EVERY_FORMAT
@settings(deadline=None, max_examples=60)
@given(weight=weights())
def test_round_trip_is_exact_and_costs_what_the_accounting_says(name: str, weight: Tensor) -> None:
    before = weight.clone()
    arrays = FORMATS[name].encode(weight)
    stored = sum(array.numel() * array.element_size() for array in arrays.values())
    shape = tuple(weight.shape)
    assert stored == FORMATS[name].bytes(shape, int(torch.count_nonzero(weight)))

    decoded = FORMATS[name].decode(arrays, shape)
    assert decoded.dtype == torch.float32
    assert decoded.shape == weight.shape
    expected = torch.where(before == 0, torch.zeros(()), before)
    assert torch.equal(bits(decoded), bits(expected))
    assert torch.equal(bits(weight), bits(before))


@EVERY_FORMAT
@pytest.mark.parametrize("nonzeros", [0, 1, 8, 4999, 5000])
def test_round_trip_at_a_layers_size(name: str, nonzeros: int) -> None:
    weight = torch.zeros(10 * 500)
    places = torch.randperm(5000, generator=torch.Generator().manual_seed(7))[:nonzeros]
    weight[places] = torch.randn(nonzeros, generator=torch.Generator().manual_seed(8))
    weight = weight.reshape(10, 500)
    assert int(torch.count_nonzero(weight)) == nonzeros
    kind = FORMATS[name]
    assert torch.equal(kind.decode(kind.encode(weight), (10, 500)), weight)


@EVERY_FORMAT
def test_neither_side_aliases_the_weight(name: str) -> None:
    weight = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    kind = FORMATS[name]
    arrays = kind.encode(weight)
    kind.decode(arrays, (2, 3, 4)).fill_(-1)
    weight.fill_(5)
    assert torch.equal(
        kind.decode(arrays, (2, 3, 4)), torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    )


@EVERY_FORMAT
def test_strides_and_gradients_do_not_show(name: str) -> None:
    weight = torch.randn(6, 5, 3, 3, generator=torch.Generator().manual_seed(1))
    kind = FORMATS[name]
    strided = torch.nn.Parameter(weight.to(memory_format=torch.channels_last))
    decoded = kind.decode(kind.encode(strided), (6, 5, 3, 3))
    assert torch.equal(decoded, weight)
    assert not decoded.requires_grad


@EVERY_FORMAT
@settings(max_examples=100)
@given(shape=SHAPES, data=st.data())
def test_bytes_lie_above_best_and_floor_and_grow_with_the_nonzeros(
    name: str, shape: tuple[int, ...], data: st.DataObject
) -> None:
    size = math.prod(shape)
    nonzeros = data.draw(st.integers(0, size))
    kind = FORMATS[name]
    cost = kind.bytes(shape, nonzeros)
    assert (
        floor_bytes(size, nonzeros) <= best_format(shape, nonzeros).bytes(shape, nonzeros) <= cost
    )
    if nonzeros < size:
        assert cost <= kind.bytes(shape, nonzeros + 1)


@EVERY_FORMAT
def test_impossible_weights_are_refused(name: str) -> None:
    kind = FORMATS[name]
    with pytest.raises(ValueError, match=r"^7 of 6 weights cannot be nonzero$"):
        kind.bytes((2, 3), 7)
    with pytest.raises(ValueError, match=r"^-1 of 6 weights cannot be nonzero$"):
        kind.bytes((2, 3), -1)
    for shape in [(), (0, 3), (2**16, 2**15)]:
        with pytest.raises(ValueError, match="must have 1 to 2,147,483,647 values"):
            kind.bytes(shape, 0)
    with pytest.raises(ValueError, match=r"^a weight is stored as float32, not torch.float64$"):
        kind.encode(torch.ones(2, dtype=torch.float64))
