"""Small nets and steppers that the tests of a whole update share."""

from __future__ import annotations

from typing import Any

import torch

from sparsenet.solver.step import Stepper
from sparsenet.workflows.build import Parts
from tests.small import inner_product, net_data, parts


class Doubles:
    """Batches whose images are float64."""

    def __init__(self, batches: Any) -> None:
        self.batches = batches

    def __getattr__(self, name: str) -> Any:
        return getattr(self.batches, name)

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        images, labels = self.batches.batch(step)
        return images.double(), labels


def l0(**keys):
    return {"type": "l0", **keys}


def stepper_of(run: Parts) -> Stepper:
    return Stepper(run.config, run.net, run.batches["TRAIN"], run.schedule)


def grouped(velocity="keep", **solver):
    """A ball of its own and one that two layers share."""
    rule = l0(group="g", t=40, interval=6, velocity=velocity)
    return parts(
        net_data(
            inner_product("ip1", 12, regularization=l0(t=100, interval=4, velocity=velocity)),
            {"name": "relu1", "type": "ReLU"},
            inner_product("ip2", 12, regularization=rule),
            {"name": "relu2", "type": "ReLU"},
            inner_product("ip3", 10, regularization=rule),
        ),
        **({"base_lr": 0.01} | (solver if "type" in solver else {"momentum": 0.9, **solver})),
    )
