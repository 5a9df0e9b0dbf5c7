"""The trainings that are compared with Batch Bridgeout differ from it in the noise alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sparsenet.config.constraints import weight_shapes
from sparsenet.config.graph import build_graph
from sparsenet.config.load import Configuration, load_solver
from sparsenet.regularization.regularizers import Bridgeout

CONFIGS = Path(__file__).parents[2] / "configs"
DENSE = {
    "cifar10/bridgeout/vgg16": "cifar10/bridgeout/vgg16-weight-decay",
    "cifar10/bridgeout/vgg16-quarter": "cifar10/vgg16-quarter",
    "cifar10/bridgeout/resnet34": "cifar10/resnet34",
    "cifar10/bridgeout/wrn-28-10": "cifar10/wrn-28-10",
    "mnist/bridgeout/narrow": "mnist/narrow",
}
DROPOUTS = dict(zip(DENSE, (13, 13, 32, 12, 5), strict=True))
"""One behind each rectifier of both VGG16 and of the narrow net, two in 16 blocks, one in 12."""


def solver_of(name: str) -> Configuration:
    return load_solver(CONFIGS / f"{name}.yaml")


def recipe(configuration: Configuration) -> dict[str, Any]:
    """All that is said of the training but of the net."""
    return {key: value for key, value in configuration.data.items() if key != "net"}


def layers(configuration: Configuration) -> list[tuple[Any, Any]]:
    """Each layer's shape and options, without those of the noise and of the wiring."""
    graph, _ = build_graph(configuration.solver.net, "TRAIN")
    assert graph is not None
    hidden = {"regularization", "bottom", "top"}
    return [
        (node.in_shapes, node.layer.model_dump(exclude=hidden))
        for node in graph.nodes
        if node.layer.type != "Dropout"
    ]


@pytest.mark.parametrize("name", DENSE)
def test_the_twins_are_the_same_training_but_for_the_noise(name: str) -> None:
    noisy, dense, dropout = map(solver_of, (name, DENSE[name], f"{name}-dropout"))
    assert recipe(noisy) == recipe(dense) == recipe(dropout)
    assert layers(noisy) == layers(dense) == layers(dropout)
    for twin, count in ((noisy, 0), (dense, 0), (dropout, DROPOUTS[name])):
        ratios = [
            layer.dropout_ratio for layer in twin.solver.net.layers if layer.type == "Dropout"
        ]
        assert ratios == [0.3] * count
    for twin in (dense, dropout):
        rules = [layer.regularization for layer, _ in weight_shapes(twin.solver.net).values()]
        assert rules == [None] * len(rules)


@pytest.mark.parametrize("name", DENSE)
def test_the_3x3_convolutions_are_perturbed_and_nothing_else(name: str) -> None:
    for layer, shape in weight_shapes(solver_of(name).solver.net).values():
        rule = Bridgeout(q=1.5, p=0.3, target_fraction=0.75) if shape[2:] == (3, 3) else None
        assert layer.regularization == rule
