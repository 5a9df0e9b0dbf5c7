"""What every registered regularizer keeps, whoever wrote it."""

from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from sparsenet.regularization.regularizers import REGULARIZERS, AnyRegularizer

SETTINGS = [(kind, key) for kind, cls in REGULARIZERS.items() for key in cls.strengths]
ADAPTER = TypeAdapter(AnyRegularizer)

weights = st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=40).map(torch.tensor)


def made(kind, key, strength):
    return ADAPTER.validate_python({"type": kind, key: strength})


def test_the_union_of_the_configuration_is_the_registry():
    assert set(get_args(get_args(AnyRegularizer)[0])) == set(REGULARIZERS.values())


@pytest.mark.parametrize("kind", REGULARIZERS)
def test_has_a_strength_and_describes_every_key(kind):
    fields = REGULARIZERS[kind].model_fields
    assert REGULARIZERS[kind].strengths
    assert set(REGULARIZERS[kind].strengths) <= set(fields)
    assert all(field.description for field in fields.values())


@pytest.mark.parametrize(("kind", "key"), SETTINGS)
def test_is_read_by_its_type_and_written_as_it_was_read(kind, key):
    regularizer = made(kind, key, 0.25)
    assert type(regularizer) is REGULARIZERS[kind]
    assert ADAPTER.validate_json(ADAPTER.dump_json(regularizer)) == regularizer
    assert getattr(regularizer, key) == 0.25


@pytest.mark.parametrize(("kind", "key"), SETTINGS)
@given(weight=weights, rate=st.floats(0, 10), decay_mult=st.floats(0, 10))
@settings(deadline=None, max_examples=25)
def test_strength_0_is_the_identity(kind, key, weight, rate, decay_mult):
    regularizer = made(kind, key, 0.0)
    gradient, before = torch.sin(weight), weight.clone()
    expected = gradient.clone()
    regularizer.add_gradient_(weight, gradient, decay_mult, 0.7)
    regularizer.after_update_(weight, rate)
    assert torch.equal(gradient, expected)
    assert torch.equal(weight, before)


@pytest.mark.parametrize(("kind", "key"), SETTINGS)
@given(weight=weights, strength=st.floats(0, 10), rate=st.floats(0, 10))
@settings(deadline=None, max_examples=25)
def test_changes_in_place_what_it_says_and_stays_finite(kind, key, weight, strength, rate):
    regularizer = made(kind, key, strength)
    gradient, before = torch.sin(weight), weight.clone()
    places = weight.data_ptr(), gradient.data_ptr()
    regularizer.add_gradient_(weight, gradient, 1.0, 0.1)
    assert torch.equal(weight, before)
    added = gradient.clone()
    regularizer.after_update_(weight, rate)
    assert torch.equal(gradient, added)
    assert (weight.data_ptr(), gradient.data_ptr()) == places
    assert weight.isfinite().all()
    assert gradient.isfinite().all()


@pytest.mark.parametrize(("kind", "key"), SETTINGS)
def test_decay_mult_0_adds_nothing_to_the_gradient(kind, key):
    gradient = torch.ones(5)
    made(kind, key, 3.0).add_gradient_(torch.arange(5.0), gradient, 0.0, 3.0)
    assert torch.equal(gradient, torch.ones(5))


@pytest.mark.parametrize(("kind", "key"), SETTINGS)
@pytest.mark.parametrize("shape", [(), (0,), (6, 4, 3, 3)])
def test_takes_any_shape_and_memory_format(kind, key, shape):
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    flat, gradient = weight.clone().flatten(), torch.zeros(weight.numel())
    if len(shape) == 4:
        weight = weight.to(memory_format=torch.channels_last)
    shaped = torch.zeros(shape)
    regularizer = made(kind, key, 0.3)
    for w, g in ((flat, gradient), (weight, shaped)):
        regularizer.add_gradient_(w, g, 1.0, 0.1)
        regularizer.after_update_(w, 0.5)
    assert torch.equal(weight.flatten(), flat)
    assert torch.equal(shaped.flatten(), gradient)
