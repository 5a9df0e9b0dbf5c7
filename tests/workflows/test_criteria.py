"""The filters and weights that are pruned, counted and compared in NumPy."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import floor

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sparsenet.workflows.criteria import Rule, choose


def weights(*shapes: tuple[int, ...], seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {f"l{i}": torch.randn(shape, generator=generator) for i, shape in enumerate(shapes)}


NET = weights((6, 3, 3, 3), (10, 6, 3, 3), (4, 40))
TENTHS = [Decimal(n) / 10 for n in range(10)]


def norms(weight: torch.Tensor) -> np.ndarray:
    return np.sqrt((weight.numpy().astype(float) ** 2).reshape(len(weight), -1).sum(1))


@pytest.mark.parametrize("fraction", TENTHS)
def test_the_smallest_filters_of_each_layer(fraction: Decimal) -> None:
    chosen = choose(NET, Rule("filter-norm"), fraction)
    for name, weight in NET.items():
        count = floor(Fraction(fraction) * len(weight))
        lowest = set(np.argsort(norms(weight))[:count].tolist())
        assert chosen.filters[name] == lowest
        assert int(chosen.masks[name].sum()) == count * weight[0].numel()
    assert chosen.units == 20
    assert chosen.pruned == sum(map(len, chosen.filters.values()))


@pytest.mark.parametrize("fraction", TENTHS)
def test_the_smallest_weights_of_each_filter(fraction: Decimal) -> None:
    chosen = choose(NET, Rule("magnitude"), fraction)
    for name, weight in NET.items():
        for row, mask in zip(weight.flatten(1), chosen.masks[name].flatten(1), strict=True):
            count = floor(Fraction(fraction) * row.numel())
            lowest = np.zeros(row.numel(), dtype=bool)
            lowest[np.argsort(np.abs(row.numpy()))[:count]] = True
            assert mask.numpy().tolist() == lowest.tolist()


def test_the_smallest_weights_of_the_net() -> None:
    chosen = choose(NET, Rule("magnitude", "net"), Decimal("0.3"))
    magnitudes = torch.cat([weight.abs().flatten() for weight in NET.values()])
    bound = magnitudes.sort().values[floor(0.3 * len(magnitudes)) - 1]
    for name, weight in NET.items():
        assert torch.equal(chosen.masks[name], weight.abs() <= bound)
    assert (chosen.units, chosen.pruned) == (len(magnitudes), floor(0.3 * len(magnitudes)))


def test_the_smallest_filters_of_the_net_but_the_best_of_each_layer() -> None:
    net = {
        name: weight * scale for scale, (name, weight) in zip((9, 1, 3), NET.items(), strict=True)
    }
    chosen = choose(net, Rule("filter-norm", "net"), Decimal("0.9"))
    assert chosen.pruned == 17, "of 20 each of three layers keeps one"
    for name, weight in net.items():
        assert chosen.filters[name] == set(range(len(weight))) - {int(norms(weight).argmax())}
    few = choose(net, Rule("filter-norm", "net"), Decimal("0.25")).filters
    assert set(map(len, few.values())) == {0, 5}, "they are the smallest, wherever these are"


def test_random_filters_are_a_function_of_the_seed_and_nested() -> None:
    found = [choose(NET, Rule("random", seed=3), fraction).filters for fraction in TENTHS]
    for fewer, more in pairwise(found):
        assert all(fewer[name] <= more[name] for name in NET)
    assert found[5] == choose(NET, Rule("random", seed=3), TENTHS[5]).filters
    assert found[5] != choose(NET, Rule("random", seed=4), TENTHS[5]).filters
    assert {name: len(filters) for name, filters in found[5].items()} == {"l0": 3, "l1": 5, "l2": 2}


def test_of_equal_ones_the_first_goes_first() -> None:
    chosen = choose({"l": torch.ones(8, 2)}, Rule("filter-norm"), Decimal("0.5"))
    assert chosen.filters == {"l": {0, 1, 2, 3}}


@given(st.decimals(0, 1, places=6).filter(lambda f: f < 1), st.integers(1, 40))
def test_exactly_the_floor_of_the_decimals(fraction: Decimal, filters: int) -> None:
    for criterion in ("filter-norm", "random"):
        chosen = choose({"l": torch.randn(filters, 3)}, Rule(criterion), fraction)  # type: ignore[arg-type]
        assert chosen.pruned == floor(Fraction(fraction) * filters) < filters
