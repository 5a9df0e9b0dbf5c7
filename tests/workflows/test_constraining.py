"""What an l0 keeps of the regularization that it stands in for."""

from __future__ import annotations

import pytest

from sparsenet.config.solver import SolverConfig
from sparsenet.regularization.regularizers import L0, L1, L2, Regularizer, Shrink
from sparsenet.workflows.constraining import l0_beside


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
