"""A small configuration that is right, to be changed by each test."""

import copy
from pathlib import Path

import pytest

from sparsenet.config.load import Configuration, from_data
from sparsenet.config.read import read_yaml
from sparsenet.errors import ConfigError

FOLDER = Path(__file__).parent / "malformed"
NET = read_yaml(FOLDER / "net.yaml").data
SOLVER = {"net": NET, "max_iter": 100, "base_lr": 0.01}


@pytest.fixture
def solver():
    """Makes the merged data of a solver with other keys, or other keys of layers by name."""

    def make(layers=None, **keys):
        data = copy.deepcopy({**SOLVER, **keys})
        for layer in data["net"]["layers"]:
            layer.update((layers or {}).get(layer["name"], {}))
        return data

    return make


@pytest.fixture
def load():
    """Checks merged data with overrides: the configuration, or all lines of what is wrong."""

    def check(data, *overrides) -> Configuration | list[str]:
        try:
            return from_data(data, "a.pt", overrides)
        except ConfigError as error:
            return [str(problem) for problem in error.problems]

    return check
