"""An l0 constraint in place of what a layer's regularization was, and none in place of it."""

from __future__ import annotations

import copy
from typing import Any

from sparsenet.config.load import Configuration
from sparsenet.config.solver import SolverConfig
from sparsenet.layers.base import WeightedLayer
from sparsenet.regularization.regularizers import L0, L2, Bridgeout, Regularizer

_KEPT = ("interval", "velocity", "weight_decay")


def l0_beside(rule: Regularizer | None, solver: SolverConfig) -> dict[str, Any]:
    """The keys of an l0, but for its t, that trains a layer as before but for the projection.

    The layer keeps its weight decay, and an l0 that it has already its interval and velocity.
    """
    if isinstance(rule, L0):
        own = rule.model_dump(include=set(_KEPT), exclude_unset=True)
        return {"type": "l0", **own}
    decay = solver.weight_decay if solver.regularization_type == "L2" else 0.0
    if rule is not None:
        given = rule.weight_decay if isinstance(rule, L2 | Bridgeout) else 0.0
        decay = decay if given is None else given
    return {"type": "l0", **({"weight_decay": decay} if decay else {})}


def without_constraints(configuration: Configuration) -> dict[str, Any]:
    """The configuration's plain data without stages, and with an l2 in place of each l0.

    That is the weight decay which the l0 had: a layer trains as before but for the projection.
    """
    data = copy.deepcopy(configuration.data)
    data.pop("stages", None)
    net = configuration.solver.net
    for layer, keys in zip(net.layers, data["net"]["layers"], strict=True):
        if isinstance(layer, WeightedLayer) and isinstance(layer.regularization, L0):
            decay = layer.regularization.weight_decay
            keys["regularization"] = {"type": "l2", "weight_decay": decay}
    return data
