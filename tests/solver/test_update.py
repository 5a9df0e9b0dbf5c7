"""Each solver type against NumPy recurrences of Caffe's formulas, and against torch.optim."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsenet.solver.update import SGD, UPDATES, Adam
from tests.solver.caffe_formulas import (
    CAFFE,
    DELTA,
    REGULARIZATION,
    STEPS,
    numpy_run,
    problem,
    torch_run,
)


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
