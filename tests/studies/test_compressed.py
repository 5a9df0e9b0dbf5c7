"""A compressed training has the learning rates of the whole one, earlier."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsenet.config.solver import SolverConfig
from sparsenet.solver.lr_policies import learning_rate
from sparsenet.studies.compressed import compressed

POLICIES: list[dict[str, Any]] = [
    {"lr_policy": "fixed"},
    {"lr_policy": "step", "gamma": 0.5, "stepsize": 1000},
    {"lr_policy": "exp", "gamma": 0.999},
    {"lr_policy": "inv", "gamma": 0.0001, "power": 0.75},
    {"lr_policy": "multistep", "gamma": 0.1, "stepvalue": [4000, 4800]},
    {"lr_policy": "multistep", "gamma": 0.1, "stepvalue": 4000},
    {"lr_policy": "poly", "power": 2},
    {"lr_policy": "sigmoid", "gamma": -0.002, "stepsize": 2500},
]


def _rate(data: dict[str, Any], step: int) -> float:
    solver = SolverConfig.model_construct(**{"power": 1.0, "stepvalue": ()} | data)
    if isinstance(data.get("stepvalue"), int):
        solver = solver.model_copy(update={"stepvalue": (data["stepvalue"],)})
    return learning_rate(solver, step)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy["lr_policy"])
@pytest.mark.parametrize("updates", [500, 5000, 10_000])
def test_the_rates_are_those_of_the_whole_training(policy: dict[str, Any], updates: int) -> None:
    whole = {"max_iter": 5000, "base_lr": 0.1} | policy
    short = compressed(whole, updates)
    assert short["max_iter"] == updates
    for part in range(0, 100, 3):
        expected = _rate(whole, part * 5000 // 100)
        assert _rate(short, part * updates // 100) == pytest.approx(expected, rel=1e-9)


@given(
    steps=st.lists(st.integers(1, 10_000), min_size=1, max_size=6, unique=True).map(sorted),
    updates=st.integers(1, 50),
)
def test_every_fall_of_the_rate_is_kept_however_few_updates_there_are(
    steps: list[int], updates: int
) -> None:
    data = {"max_iter": 10_000, "lr_policy": "multistep", "gamma": 0.1, "stepvalue": steps}
    short = compressed(data, updates)["stepvalue"]
    assert len(short) == len(steps)
    assert short[0] >= 1
    assert short == sorted(set(short))


def test_the_solver_given_is_left_as_it_is() -> None:
    data = {"max_iter": 100, "lr_policy": "inv", "gamma": 0.1, "power": 1}
    compressed(data, 10)
    assert data == {"max_iter": 100, "lr_policy": "inv", "gamma": 0.1, "power": 1}
