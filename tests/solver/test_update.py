"""Each solver type against NumPy recurrences of Caffe's formulas, and against torch.optim."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsenet.regularization.projections import keep_largest_
from sparsenet.regularization.regularizers import L0, L1, L2, Shrink
from sparsenet.solver.update import SGD, UPDATES, AdaDelta, Adam, Nesterov, RMSProp, clip_gradients_

STEPS = 50
LR_MULT, DECAY_MULT, DEFAULT_DECAY = 2.0, 0.5, 0.02
KEEP, EVERY = 20, 10
DELTA = 0.03  # large, so that it is seen where it stands: beside the root or under it


def rate_at(step):
    """A learning rate that changes at every step and falls at 25, times lr_mult."""
    return LR_MULT * 0.03 * (1 + 0.05 * step) ** -0.75 * (0.2 if step >= 25 else 1)


def sgd(h, g, rate, t):
    v = 0.9 * h.get("v", 0) + rate * g
    return {"v": v}, v


def nesterov(h, g, rate, t):
    old = h.get("v", 0)
    v = 0.9 * old + rate * g
    return {"v": v}, 1.9 * v - 0.9 * old


def adam(h, g, rate, t):
    m = 0.9 * h.get("m", 0) + 0.1 * g
    v = 0.99 * h.get("v", 0) + 0.01 * g**2
    correction = math.sqrt(1 - 0.99**t) / (1 - 0.9**t)
    return {"m": m, "v": v}, rate * correction * m / (np.sqrt(v) + DELTA)


def adagrad(h, g, rate, t):
    s = h.get("s", 0) + g**2
    return {"s": s}, rate * g / (np.sqrt(s) + DELTA)


def rmsprop(h, g, rate, t):
    s = 0.95 * h.get("s", 0) + 0.05 * g**2
    return {"s": s}, rate * g / (np.sqrt(s) + DELTA)


def adadelta(h, g, rate, t):
    s = 0.9 * h.get("s", 0) + 0.1 * g**2
    u = g * np.sqrt((h.get("p", 0) + DELTA) / (s + DELTA))
    return {"s": s, "p": 0.9 * h.get("p", 0) + 0.1 * u**2}, rate * u


CAFFE = {
    "SGD": ({"momentum": 0.9}, sgd),
    "Nesterov": ({"momentum": 0.9}, nesterov),
    "Adam": ({"momentum": 0.9, "momentum2": 0.99, "delta": DELTA}, adam),
    "AdaGrad": ({"delta": DELTA}, adagrad),
    "RMSProp": ({"rms_decay": 0.95, "delta": DELTA}, rmsprop),
    "AdaDelta": ({"momentum": 0.9, "delta": DELTA}, adadelta),
}


def keep_largest(w):
    order = np.argsort(-np.abs(w), kind="stable")
    w = w.copy()
    w[order[KEEP:]] = 0
    return w


def shrunk(w, d):
    return np.where(w > d, w - d, np.where(w < -d, w + d, 0))


def same(values, *_):
    return values


REGULARIZATION = {
    "none": (None, same, same),
    "l2": (L2(), lambda g, w: g + 0.02 * 0.5 * w, same),
    "l2 of its own": (L2(weight_decay=0.3), lambda g, w: g + 0.3 * 0.5 * w, same),
    "l1": (L1(weight_decay=0.1), lambda g, w: g + 0.1 * 0.5 * np.sign(w), same),
    "shrink": (Shrink(strength=0.1), same, lambda w, rate, step: shrunk(w, 0.1 * rate)),
    "shrink delta": (Shrink(delta=0.003), same, lambda w, rate, step: shrunk(w, 0.003)),
    "l0": (
        L0(t=KEEP, interval=EVERY, weight_decay=0.3),
        lambda g, w: g + 0.3 * 0.5 * w,
        lambda w, rate, step: w if (step + 1) % EVERY else keep_largest(w),
    ),
}


def problem():
    """A quadratic: its gradient feeds every error back; weight 7 is 0 and has no gradient."""
    generator = np.random.default_rng(11)
    matrix = generator.normal(size=(64, 64)) / 8
    curvature = matrix @ matrix.T + np.eye(64) / 2
    weight, offset = generator.normal(size=(2, 64)) / 4
    curvature[7], weight[7], offset[7] = 0, 0, 0
    return curvature, offset, weight


def numpy_run(kind, regularization):
    _, formula = CAFFE[kind]
    _, penalize, project = REGULARIZATION[regularization]
    curvature, offset, w = problem()
    history = {}
    for step in range(STEPS):
        g = penalize(curvature @ w - offset, w)
        history, change = formula(history, g, rate_at(step), step + 1)
        w = project(w - change, rate_at(step), step)
    return w


def torch_run(kind, regularization, dtype):
    regularizer = REGULARIZATION[regularization][0]
    update = UPDATES[kind](**CAFFE[kind][0])
    curvature, offset, w = (torch.from_numpy(values).to(dtype) for values in problem())
    w = w.clone()
    state = update.new_state(w)
    for step in range(STEPS):
        g = curvature @ w - offset
        if regularizer is not None:
            regularizer.add_gradient_(w, g, DECAY_MULT, DEFAULT_DECAY)
        update.step_(w, g, state, rate_at(step), step)
        if regularizer is not None:
            regularizer.after_update_(w, rate_at(step))
        if isinstance(regularizer, L0) and (step + 1) % regularizer.interval == 0:
            keep_largest_(w, regularizer.t)
    return w


def test_every_type_has_its_formula_here():
    assert set(CAFFE) == set(UPDATES)


@pytest.mark.parametrize("regularization", REGULARIZATION)
@pytest.mark.parametrize("kind", UPDATES)
def test_agrees_with_caffes_formula_over_50_steps(kind, regularization):
    expected = numpy_run(kind, regularization)
    assert np.abs(expected - problem()[2]).max() > 0.1
    double = torch_run(kind, regularization, torch.float64).numpy()
    single = torch_run(kind, regularization, torch.float32).numpy()
    np.testing.assert_allclose(double, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(single, expected, rtol=0, atol=1e-6)
    if regularization.startswith(("shrink", "l0")):
        assert ((double == 0) == (expected == 0)).all()


@given(
    momentum=st.floats(0, 0.99),
    rates=st.lists(st.floats(0, 1), min_size=1, max_size=30),
    seed=st.integers(0, 2**32),
)
@settings(deadline=None, max_examples=50)
def test_sgd_is_its_unrolled_sum(momentum, rates, seed):
    # w_n = w_0 - sum over steps k <= n, j <= k of momentum^(k - j) * rate_j * g_j
    gradients = np.random.default_rng(seed).normal(size=(len(rates), 5))
    w = torch.zeros(5, dtype=torch.float64)
    update = SGD(momentum=momentum)
    state = update.new_state(w)
    for step, (rate, g) in enumerate(zip(rates, gradients, strict=True)):
        update.step_(w, torch.tensor(g), state, rate, step)
    n = len(rates)
    expected = -sum(
        momentum ** (k - j) * rates[j] * gradients[j] for k in range(n) for j in range(k + 1)
    )
    np.testing.assert_allclose(w.numpy(), expected, rtol=1e-9, atol=1e-12)


TORCH = {
    "SGD": (torch.optim.SGD, {"momentum": 0.9}),
    "Nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "AdaGrad": (torch.optim.Adagrad, {"eps": DELTA}),
    "RMSProp": (torch.optim.RMSprop, {"alpha": 0.95, "eps": DELTA}),
    "AdaDelta": (torch.optim.Adadelta, {"rho": 0.9, "eps": DELTA}),
}


@pytest.mark.parametrize("kind", TORCH)
def test_agrees_with_torch_at_a_constant_rate(kind):
    optimizer_type, options = TORCH[kind]
    curvature, offset, start = (torch.from_numpy(values) for values in problem())
    w, theirs = start.clone(), torch.nn.Parameter(start.clone())
    optimizer = optimizer_type([theirs], lr=0.05, weight_decay=0.3, **options)
    update = UPDATES[kind](**CAFFE[kind][0])
    state = update.new_state(w)
    for step in range(STEPS):
        update.step_(w, curvature @ w - offset + 0.3 * w, state, 0.05, step)
        theirs.grad = (curvature @ theirs - offset).detach()
        optimizer.step()
    torch.testing.assert_close(w, theirs.detach(), rtol=0, atol=1e-12)


def test_adam_agrees_with_torch_where_delta_does_not_count():
    # Caffe adds delta before the second moment's correction, torch after it.
    generator = torch.Generator().manual_seed(3)
    gradients = torch.randn(STEPS, 64, dtype=torch.float64, generator=generator) + 2
    w, theirs = torch.zeros(64, dtype=torch.float64), torch.nn.Parameter(torch.zeros(64).double())
    optimizer = torch.optim.Adam([theirs], lr=0.05, betas=(0.9, 0.999), eps=1e-15)
    update = Adam(momentum=0.9, delta=1e-15)
    state = update.new_state(w)
    for step, g in enumerate(gradients):
        theirs.grad = g.clone()
        update.step_(w, g, state, 0.05, step)
        optimizer.step()
    torch.testing.assert_close(w, theirs.detach(), rtol=0, atol=1e-12)


def test_a_falling_rate_parts_caffes_sgd_from_torchs():
    # The velocity holds the old rate: after a fall to 0 the weight still moves by momentum * v.
    w = torch.zeros(1)
    update = SGD(momentum=0.5)
    state = update.new_state(w)
    update.step_(w, torch.ones(1), state, 1.0, 0)
    update.step_(w, torch.ones(1), state, 0.0, 1)
    assert w.item() == -1.5


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
