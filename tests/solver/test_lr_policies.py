"""Each policy against what Caffe's documentation says of it, and at the steps where it changes."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsenet.solver.lr_policies import LR_POLICIES, learning_rate

STEPS = np.arange(0, 400)
MAX_ITER = 400


def solver(lr_policy, base_lr=0.5, max_iter=MAX_ITER, **keys):
    absent = dict.fromkeys(("gamma", "power", "stepsize", "stepvalue"))
    return SimpleNamespace(
        base_lr=base_lr, lr_policy=lr_policy, max_iter=max_iter, **{**absent, **keys}
    )


def decays(gamma, at):
    """0.5 multiplied by gamma once at each of the steps `at`: step and multistep, by counting."""
    rates, rate = [], 0.5
    for step in STEPS:
        rate *= gamma ** at.count(step)
        rates.append(rate)
    return np.array(rates)


CLOSED_FORMS = {
    "fixed": ({}, np.full(400, 0.5)),
    "step": ({"gamma": 0.1, "stepsize": 100}, decays(0.1, [100, 200, 300])),
    "exp": ({"gamma": 0.99}, 0.5 * np.exp(STEPS * np.log(0.99))),
    "inv": ({"gamma": 0.01, "power": 0.75}, 0.5 / (1 + STEPS / 100) ** 0.75),
    "multistep": ({"gamma": 0.5, "stepvalue": (7, 8, 350)}, decays(0.5, [7, 8, 350])),
    "poly": ({"power": 2.0}, 0.5 * ((400 - STEPS) / 400) ** 2),
    "sigmoid": (
        {"gamma": -0.05, "stepsize": 200},
        0.25 * (1 - np.tanh((STEPS - 200) / 40)),
    ),
}


def test_every_policy_has_its_closed_form_here():
    assert set(CLOSED_FORMS) == set(LR_POLICIES)


@pytest.mark.parametrize("name", LR_POLICIES)
def test_agrees_with_its_closed_form_at_every_step(name):
    keys, expected = CLOSED_FORMS[name]
    rates = [learning_rate(solver(name, **keys), int(step)) for step in STEPS]
    np.testing.assert_allclose(rates, expected, rtol=1e-12)


@pytest.mark.parametrize("name", LR_POLICIES)
def test_requires_just_the_keys_it_uses(name):
    keys, _ = CLOSED_FORMS[name]
    assert set(LR_POLICIES[name].keys) == set(keys)


@pytest.mark.parametrize(
    ("step", "rate"),
    [(0, 0.5), (99, 0.5), (100, 0.05), (101, 0.05), (199, 0.05), (200, 0.005), (201, 0.005)],
)
def test_step_falls_at_the_multiples_of_stepsize(step, rate):
    assert learning_rate(solver("step", gamma=0.1, stepsize=100), step) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("step", "rate"),
    [(59, 0.5), (60, 0.25), (61, 0.25), (64, 0.25), (65, 0.125), (66, 0.125), (10**9, 0.125)],
)
def test_multistep_falls_at_each_stepvalue(step, rate):
    assert learning_rate(solver("multistep", gamma=0.5, stepvalue=(60, 65)), step) == rate


@pytest.mark.parametrize(
    ("step", "printed"), [(0, "0.01"), (100, "0.00992565"), (10000, "0.00594604")]
)
def test_inv_prints_what_caffe_prints_for_lenet(step, printed):
    lenet = solver("inv", base_lr=0.01, gamma=1e-4, power=0.75)
    assert f"{learning_rate(lenet, step):.6g}" == printed


def test_poly_ends_at_zero_at_max_iter():
    linear = solver("poly", power=1.0)
    assert learning_rate(linear, 399) == pytest.approx(0.5 / 400)
    assert learning_rate(linear, 400) == 0
    assert learning_rate(solver("poly", power=0.0), 400) == 0.5


def test_sigmoid_is_half_at_stepsize_and_mirrored_about_it():
    rising = solver("sigmoid", gamma=0.3, stepsize=50)
    before, at, after = (learning_rate(rising, step) for step in (49, 50, 51))
    assert at == 0.25
    assert before + after == pytest.approx(0.5)
    assert before < at < after


@pytest.mark.parametrize(
    ("name", "keys", "step", "expected"),
    [
        ("sigmoid", {"gamma": -9.0, "stepsize": 10}, 10**6, 0.0),
        ("sigmoid", {"gamma": 9.0, "stepsize": 10**6}, 0, 0.0),
        ("exp", {"gamma": 10.0}, 400, math.inf),
        ("exp", {"gamma": 0.1}, 10**6, 0.0),
        ("inv", {"gamma": -1.0, "power": 0.5}, 2, math.nan),
        ("poly", {"power": -1.0}, MAX_ITER, math.inf),
    ],
)
def test_extremes_give_what_c_gives_and_never_raise(name, keys, step, expected):
    rate = learning_rate(solver(name, **keys), step)
    assert rate == pytest.approx(expected, nan_ok=True)


@given(
    name=st.sampled_from(sorted(LR_POLICIES)),
    step=st.integers(0, 10**7),
    base_lr=st.floats(1e-6, 10),
    gamma=st.floats(0.01, 1),
)
@settings(deadline=None, max_examples=200)
def test_is_proportional_to_base_lr_and_has_no_memory(name, step, base_lr, gamma):
    keys = {"gamma": gamma, "power": 0.75, "stepsize": 1000, "stepvalue": (3, 4000)}
    one, many = (solver(name, b, max_iter=10**7, **keys) for b in (1.0, base_lr))
    rate = learning_rate(many, step)
    assert rate == pytest.approx(base_lr * learning_rate(one, step), rel=1e-12)
    learning_rate(many, step + 1)
    assert learning_rate(many, step) == rate
