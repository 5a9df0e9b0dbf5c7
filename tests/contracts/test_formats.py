"""What every registered storage format promises, with values of each kind."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sparsenet.storage.encoded import Encoded, can_hold, encode
from sparsenet.storage.floor import floor_bytes
from sparsenet.storage.formats import FORMATS, best_format
from sparsenet.storage.values import FLOAT32, values_of

SHAPES = st.lists(st.integers(1, 7), min_size=1, max_size=4).map(tuple)
EVERY_FORMAT = pytest.mark.parametrize("name", FORMATS)
EVERY_KIND = pytest.mark.parametrize(
    "kind", ["float32", "float16", "bfloat16", "int8", "shared:2", "shared:5", "shared:256"]
)
# A value of each kind whose bits a careless format would change, or take for a zero.
VALUES = st.one_of(
    st.floats(width=32),
    st.sampled_from([0.0, 0.0, 0.0, -0.0, math.inf, -math.inf, math.nan, 1e-45, -1.2e-38]),
)


@st.composite
def weights(draw: st.DrawFn, values: st.SearchStrategy[float] = VALUES) -> Tensor:
    shape = draw(SHAPES)
    size = math.prod(shape)
    return torch.tensor(draw(st.lists(values, min_size=size, max_size=size))).reshape(shape)


def sparse(nonzeros: int, shape: tuple[int, ...]) -> Tensor:
    """So many normal values at random places."""
    weight = torch.zeros(math.prod(shape))
    places = torch.randperm(len(weight), generator=torch.Generator().manual_seed(7))[:nonzeros]
    weight[places] = torch.randn(nonzeros, generator=torch.Generator().manual_seed(8))
    assert int(torch.count_nonzero(weight)) == nonzeros
    return weight.reshape(shape)


def bits(weight: Tensor) -> Tensor:
    return weight.contiguous().view(torch.int32)


@EVERY_FORMAT
@settings(deadline=None, max_examples=60)
@given(weight=weights())
def test_round_trip_is_exact_and_costs_what_the_accounting_says(name: str, weight: Tensor) -> None:
    before = weight.clone()
    encoded = encode(weight, kind=FORMATS[name])
    shape, places = tuple(weight.shape), np.flatnonzero(weight.reshape(-1).numpy())
    stored = FORMATS[name].stored_of(places, shape)
    assert stored == encoded.stored_count == len(encoded.places())
    assert stored <= FORMATS[name].stored(shape, len(places))
    assert encoded.nbytes == FORMATS[name].index_bytes_of(places, shape) + 4 * stored
    assert encoded.nbytes <= FORMATS[name].bytes(shape, len(places))

    decoded = encoded.decoded()
    assert decoded.dtype == torch.float32
    assert decoded.shape == weight.shape
    expected = torch.where(before == 0, torch.zeros(()), before)
    assert torch.equal(bits(decoded), bits(expected))
    assert torch.equal(bits(weight), bits(before))


@EVERY_FORMAT
@pytest.mark.parametrize("nonzeros", [0, 1, 8, 4999, 5000])
def test_round_trip_at_a_layers_size(name: str, nonzeros: int) -> None:
    weight = sparse(nonzeros, (10, 500))
    assert torch.equal(encode(weight, kind=FORMATS[name]).decoded(), weight)


@EVERY_FORMAT
@EVERY_KIND
@settings(deadline=None, max_examples=20)
@given(data=st.data())
def test_what_fewer_bits_hold_they_hold_exactly(name: str, kind: str, data: st.DataObject) -> None:
    weight = data.draw(weights(st.sampled_from([0.0]) | st.floats(-(2**10), 2**10, width=16)))
    values = values_of(kind)
    encoded = encode(weight, values)
    held = encoded.decoded()
    count = int(torch.count_nonzero(held))
    places = np.flatnonzero(held.reshape(-1).numpy())
    stored = FORMATS[name].stored_of(places, encoded.shape)
    if can_hold(stored, count, values):
        again = encode(held, values, FORMATS[name])
        assert again.codes.nbytes + again.table.nbytes == values.bytes(stored, len(weight))
        # Rounding what is rounded changes nothing, but for int8's scale by one last place.
        assert torch.allclose(again.decoded(), held, rtol=1e-6, atol=0)
        assert encoded.nbytes <= again.nbytes


@EVERY_FORMAT
def test_neither_side_aliases_the_weight(name: str) -> None:
    weight = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    encoded = encode(weight, kind=FORMATS[name])
    encoded.decoded().fill_(-1)
    weight.fill_(5)
    assert torch.equal(encoded.decoded(), torch.arange(24, dtype=torch.float32).reshape(2, 3, 4))


@EVERY_FORMAT
def test_strides_and_gradients_do_not_show(name: str) -> None:
    weight = torch.randn(6, 5, 3, 3, generator=torch.Generator().manual_seed(1))
    strided = torch.nn.Parameter(weight.to(memory_format=torch.channels_last))
    decoded = encode(strided, kind=FORMATS[name]).decoded()
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
@settings(max_examples=300)
@given(data=st.data())
def test_bytes_from_a_stranger_are_places_or_refused(name: str, data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    size = math.prod(shape)
    nonzeros = data.draw(st.integers(0, size))
    kind = FORMATS[name]
    real = kind.index(np.sort(np.random.default_rng(3).permutation(size)[:nonzeros]), shape)
    index = np.frombuffer(data.draw(st.binary(max_size=64)), np.uint8)
    if data.draw(st.booleans()):
        index = real.copy()
        for _ in range(data.draw(st.integers(0, 2)) if len(index) else 0):
            index[data.draw(st.integers(0, len(index) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        places = kind.places(index, shape, nonzeros)
    except ValueError:
        return
    assert len(places) == kind.stored_in(index, shape, nonzeros)
    assert len(places) >= nonzeros if kind.stores_zeros else len(places) == nonzeros
    assert (np.diff(places) > 0).all()
    assert not len(places) or (places[0] >= 0 and places[-1] < size)
    # One set of places has one index: nothing else can be hidden in a file.
    assert kind.index(places, shape).tobytes() == index.tobytes()


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
        encode(torch.ones(2, dtype=torch.float64), kind=kind)


def test_the_best_format_is_chosen_by_the_places_that_there_are() -> None:
    # 100 nonzeros of 8,000. Beside each other: 266 skips of 15 and 100 codes, 183 bytes; or 15
    # skips of 255 and 100 codes, 115. One in every 80: 5 skips and a code each, 300 bytes; or 100.
    together, spread = torch.zeros(1, 8000), torch.zeros(1, 8000)
    together[0, 4000:4100] = 1
    spread[0, 79::80] = 1
    for weight, sizes in [(together, (183, 115)), (spread, (300, 100))]:
        relative = [encode(weight, kind=FORMATS[name]) for name in ("relative4", "relative8")]
        assert tuple(encoded.index.nbytes for encoded in relative) == sizes
        assert encode(weight).format.name == "relative8"
    thick = torch.zeros(1, 8000)
    thick[0, ::10] = 1
    assert encode(thick).format.name == "relative4"


def test_a_count_that_is_not_that_of_the_values_is_refused() -> None:
    encoded = encode(torch.tensor([[0.0, 1.0], [2.0, 3.0]]), kind=FORMATS["bitmask"])
    zero = np.zeros_like(encoded.codes)
    broken = Encoded(FORMATS["bitmask"], FLOAT32, (2, 2), 3, encoded.index, zero, encoded.table)
    with pytest.raises(ValueError, match=r"^0 nonzeros, not 3$"):
        broken.decoded()
