"""What a solver type keeps from step to step and takes as keys, and clipping."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsenet.solver.update import UPDATES, AdaDelta, Adam, Nesterov, RMSProp, clip_gradients_
from tests.solver.caffe_formulas import CAFFE, rate_at


@pytest.mark.parametrize("kind", UPDATES)
def test_rate_0_of_a_fresh_state_moves_nothing(kind):
    update, w = UPDATES[kind](), torch.randn(9, generator=torch.Generator().manual_seed(0))
    before = w.clone()
    update.step_(w, torch.ones(9), update.new_state(w), 0.0, 0)
    assert torch.equal(w, before)


@pytest.mark.parametrize("kind", UPDATES)
def test_a_weight_that_never_had_a_gradient_stays_finite_and_still(kind):
    update, w = UPDATES[kind](), torch.ones(3)
    state = update.new_state(w)
    for step in range(3):
        update.step_(w, torch.zeros(3), state, 0.1, step)
    assert torch.equal(w, torch.ones(3))


@pytest.mark.parametrize("kind", UPDATES)
def test_state_has_the_weights_shape_and_is_changed_in_place(kind):
    update = UPDATES[kind]()
    w = torch.nn.Parameter(torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last))
    state = update.new_state(w)
    addresses = {name: blob.data_ptr() for name, blob in state.items()} | {"w": w.data_ptr()}
    with torch.no_grad():
        update.step_(w, torch.ones_like(w), state, 0.1, 0)
    assert tuple(state) == update.blobs
    for blob in state.values():
        assert (blob.shape, blob.stride(), blob.dtype) == (w.shape, w.stride(), w.dtype)
        assert not blob.requires_grad
        assert blob.abs().min() > 0
    assert addresses == {name: blob.data_ptr() for name, blob in state.items()} | {
        "w": w.data_ptr()
    }


@pytest.mark.parametrize("kind", UPDATES)
def test_going_on_from_a_copied_state_is_bit_identical(kind):
    def advance(w, state, steps):
        for step in steps:
            g = torch.sin(w * (step + 1)) + 0.1
            update.step_(w, g, state, rate_at(step), step)

    update = UPDATES[kind](**CAFFE[kind][0])
    through = torch.linspace(-1, 1, 33)
    halfway = through.clone()
    state, first = update.new_state(through), update.new_state(halfway)
    advance(through, state, range(40))
    advance(halfway, first, range(20))
    restored = {name: blob.clone() for name, blob in first.items()}
    advance(halfway, restored, range(20, 40))
    assert torch.equal(through, halfway)
    assert all(torch.equal(state[name], restored[name]) for name in state)


def test_hyperparameters_left_out_are_caffes_defaults():
    keys = ("momentum", "momentum2", "delta", "rms_decay")
    nothing = SimpleNamespace(**dict.fromkeys(keys))
    assert Adam.from_solver(nothing) == Adam(momentum=0.0, momentum2=0.999, delta=1e-8)
    assert RMSProp.from_solver(nothing) == RMSProp(rms_decay=0.99, delta=1e-8)
    assert Nesterov.from_solver(nothing) == Nesterov(momentum=0.0)
    given_ = SimpleNamespace(momentum=0.95, momentum2=0.9, delta=1e-6, rms_decay=0.5)
    assert AdaDelta.from_solver(given_) == AdaDelta(momentum=0.95, delta=1e-6)


def test_keys_are_those_of_caffes_documentation():
    assert {kind: update.keys for kind, update in UPDATES.items()} == {
        "SGD": ("momentum",),
        "Nesterov": ("momentum",),
        "Adam": ("momentum", "momentum2", "delta"),
        "AdaGrad": ("delta",),
        "RMSProp": ("rms_decay", "delta"),
        "AdaDelta": ("momentum", "delta"),
    }


@given(scale=st.floats(1e-3, 1e3), limit=st.floats(1e-2, 1e2), seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=100)
def test_clipping_keeps_the_direction_and_bounds_the_norm(scale, limit, seed):
    generator = np.random.default_rng(seed)
    values = [scale * generator.normal(size=shape) for shape in ((3, 4), (5,), ())]
    gradients = [torch.tensor(value) for value in values]
    norm = math.sqrt(sum((value**2).sum() for value in values))
    assert clip_gradients_(gradients, limit).item() == pytest.approx(norm, rel=1e-12)
    factor = limit / norm if norm > limit else 1
    for gradient, value in zip(gradients, values, strict=True):
        np.testing.assert_allclose(gradient.numpy(), value * factor, rtol=1e-12)


def test_clipping_at_just_the_limit_or_off_changes_nothing():
    for limit in (5.0, -1.0):
        gradients = [torch.tensor([3.0]), torch.tensor([4.0])]
        assert clip_gradients_(gradients, limit) == 5
        assert gradients == [torch.tensor([3.0]), torch.tensor([4.0])]


def test_clipping_leaves_a_nan_where_it_is_and_zeros_as_they_are():
    gradients = [torch.tensor([math.nan]), torch.tensor([4.0])]
    assert clip_gradients_(gradients, 1.0).isnan()
    assert gradients[1].item() == 4
    assert clip_gradients_([zeros := torch.zeros(3)], 1.0) == 0
    assert torch.equal(zeros, torch.zeros(3))
