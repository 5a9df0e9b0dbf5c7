"""Networks whose sizes are published: weight shapes, nonzeros and biases."""

from __future__ import annotations

import math

import pytest

from sparsenet.storage.accounting import ModelMemory

LENET = {
    "conv1": ((20, 1, 5, 5), 20),
    "conv2": ((50, 20, 5, 5), 50),
    "ip1": ((500, 800), 500),
    "ip2": ((10, 500), 10),
}
ALEXNET = {
    "conv1": ((96, 3, 11, 11), 96),
    "conv2": ((256, 48, 5, 5), 256),
    "conv3": ((384, 256, 3, 3), 384),
    "conv4": ((384, 192, 3, 3), 384),
    "conv5": ((256, 192, 3, 3), 256),
    "fc6": ((4096, 9216), 4096),
    "fc7": ((4096, 4096), 4096),
    "fc8": ((1000, 4096), 1000),
}
PAPER_COUNTS = {"fc6": 3_000_000, "fc7": 3_000_000, "fc8": 400_000}


def memory_of(network: dict[str, tuple[tuple[int, ...], int]], **counts: int) -> ModelMemory:
    return ModelMemory.of(
        (name, shape, counts.get(name, math.prod(shape)), biases)
        for name, (shape, biases) in network.items()
    )


@pytest.fixture(scope="session")
def dense_lenet() -> ModelMemory:
    return memory_of(LENET)


@pytest.fixture(scope="session")
def lenet() -> ModelMemory:
    """LeNet with 5 % of each layer's weights."""
    return memory_of(LENET, conv1=25, conv2=1250, ip1=20_000, ip2=250)


@pytest.fixture(scope="session")
def dense_alexnet() -> ModelMemory:
    return memory_of(ALEXNET)


@pytest.fixture(scope="session")
def alexnet() -> ModelMemory:
    """AlexNet with the paper's counts."""
    return memory_of(ALEXNET, **PAPER_COUNTS)
