"""What an l0 keeps of the regularization that it stands in for."""

from __future__ import annotations

import pytest

from sparsenet.config.load import from_data
from sparsenet.config.solver import SolverConfig
from sparsenet.regularization.regularizers import L0, L1, L2, Bridgeout, Regularizer, Shrink
from sparsenet.workflows.constraining import l0_beside, without_constraints
from tests.small import configured, convolution, inner_product, net_data


def _solver(decay: float, kind: str) -> SolverConfig:
    known = {"weight_decay": decay, "regularization_type": kind}
    return SolverConfig.model_construct(**known)


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        (None, {"weight_decay": 0.004}),
        (L2(), {"weight_decay": 0.004}),
        (L2(weight_decay=0.1), {"weight_decay": 0.1}),
        (L2(weight_decay=0.0), {}),
        (L1(weight_decay=0.1), {}),
        (Shrink(strength=1.0), {}),
        (Bridgeout(), {"weight_decay": 0.004}),
        (Bridgeout(weight_decay=0.1), {"weight_decay": 0.1}),
        (L0(t=3, interval=7, group="all"), {"interval": 7}),
        (L0(t=3, velocity="clear", weight_decay=0.1), {"velocity": "clear", "weight_decay": 0.1}),
    ],
)
def test_the_decay_and_an_l0s_own_keys_are_kept(
    rule: Regularizer | None, kept: dict[str, object]
) -> None:
    assert l0_beside(rule, _solver(0.004, "L2")) == {"type": "l0", **kept}


def test_decay_of_the_whole_net_that_is_l1_is_not_kept() -> None:
    assert l0_beside(None, _solver(0.004, "L1")) == {"type": "l0"}


def test_without_constraints_a_net_trains_as_before_but_for_the_projection() -> None:
    net = net_data(
        convolution("conv", 4, regularization={"type": "shrink", "strength": 0.1}),
        inner_product("ip1", 16, regularization={"type": "l0", "weight_decay": 0.1}),
        inner_product("ip2", 10, regularization={"type": "l0", "t": 9}),
    )
    stages = [{"name": "tight", "t": {"ip1": "5%"}}]
    configuration = configured(net, stages=stages, weight_decay=0.004)
    data = without_constraints(configuration)
    loose = from_data(data, "loose").solver
    assert loose.stages == ()
    assert {layer["name"]: layer.get("regularization") for layer in data["net"]["layers"][1:4]} == {
        "conv": {"type": "shrink", "strength": 0.1},
        "ip1": {"type": "l2", "weight_decay": 0.1},
        "ip2": {"type": "l2", "weight_decay": 0.0},
    }
    assert configuration.data["stages"] == stages, "the one that was given is as it was"
