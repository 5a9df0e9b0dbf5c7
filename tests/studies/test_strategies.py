"""Each strategy against a brute force, a closed form, or what it promises, on made up networks."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate, pairwise
from math import floor, prod
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sparsenet.studies.strategies import STRATEGIES, Counts, Found, Strategy
from tests.studies.fakes import Accuracy, FakeSearch

SHAPES = {"conv": (4, 3, 3, 3), "ip1": (20, 10), "ip2": (2, 5)}
CUTS = st.fractions(Fraction(1, 12), Fraction(9, 10), max_denominator=100)
SIDES = st.integers(1, 12)
NETS = st.lists(
    st.tuples(SIDES, SIDES) | st.tuples(SIDES, SIDES, st.just(3), st.just(3)),
    min_size=1,
    max_size=5,
).map(lambda shapes: {f"layer{i}": shape for i, shape in enumerate(shapes)})


def path(name: str, search: FakeSearch, cut: Fraction) -> list[Found]:
    """All networks of a search from the dense one to where nothing is left to lose."""
    strategy: Strategy = STRATEGIES[name](cut)
    found = [search.first()]
    while (following := strategy.next(search, found[-1])) is not None:
        assert len(found) < 2000
        found.append(following)
    assert strategy.next(search, found[-1]) is None
    return found


def noise(seed: int, levels: int) -> Accuracy:
    """An accuracy at random for each distribution, of few levels, so that many are equal."""
    return lambda counts: Random(f"{seed} {sorted(counts.items())}").randint(0, levels) / levels


def diminishing(losses: dict[str, list[int]], cut: Fraction) -> Accuracy:
    """What every layer has lost, more with each of its cuts; exact in binary."""
    lost: dict[str, Counts] = {}
    for name, shape in SHAPES.items():
        chain = [prod(shape)]
        while chain[-1] > 1:
            chain.append(max(1, floor((1 - cut) * chain[-1])))
        total = [0, *accumulate(sorted(losses[name]))]
        lost[name] = dict(zip(chain, total, strict=False))
        assert len(total) >= len(chain)
    return lambda counts: 1 - sum(lost[name][count] for name, count in counts.items()) / 2**30


@settings(max_examples=30, deadline=None)
@given(NETS, CUTS, st.integers(0, 10**6), st.sampled_from([2, 1000]))
def test_greedy_keeps_the_best_of_all_layers_each_round(
    shapes: dict[str, tuple[int, ...]], cut: Fraction, seed: int, levels: int
) -> None:
    accuracy = noise(seed, levels)
    found = path("greedy", FakeSearch(shapes, accuracy), cut)
    for before, after in pairwise(found):
        best: tuple[tuple[float, int], str, Counts] | None = None
        for layer, count in before.counts.items():
            fewer = max(1, floor((1 - cut) * count))
            if fewer == count:
                continue
            counts = before.counts | {layer: fewer}
            score = (accuracy(counts), -sum(counts.values()))
            if best is None or score > best[0]:
                best = (score, layer, counts)
        assert best is not None
        assert (after.layer, after.counts) == best[1:]
    assert set(found[-1].counts.values()) == {1}


LOSSES = st.lists(st.integers(1, 2**20), min_size=180, max_size=180, unique=True).map(
    lambda all_: {name: all_[60 * i : 60 * (i + 1)] for i, name in enumerate(SHAPES)}
)


@settings(max_examples=30, deadline=None)
@given(LOSSES, st.sampled_from([Fraction(1, 5), Fraction(1, 10), Fraction(1, 2)]))
def test_lazy_finds_greedys_path_with_fewer_candidates_where_gains_diminish(
    losses: dict[str, list[int]], cut: Fraction
) -> None:
    accuracy = diminishing(losses, cut)
    searches = [FakeSearch(SHAPES, accuracy) for _ in range(2)]
    greedy, lazy = (
        [one.counts for one in path(name, search, cut)]
        for name, search in zip(("greedy", "lazy"), searches, strict=True)
    )
    assert lazy == greedy
    trained = [sum(map(len, search.trained)) for search in searches]
    assert trained[1] < trained[0]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([2, 1000]))
def test_lazy_is_greedy_in_its_first_round_ties_too(seed: int, levels: int) -> None:
    greedy, lazy = (
        path(name, FakeSearch(SHAPES, noise(seed, levels)), Fraction(1, 5))[1]
        for name in ("greedy", "lazy")
    )
    assert lazy == greedy


def test_lazy_tries_again_only_what_could_be_the_best() -> None:
    few = [1, 2, 3, 10**6, *range(2 * 10**6, 2 * 10**6 + 56)]
    losses = {"conv": few, "ip1": [1000 + i for i in range(60)], "ip2": [5000 + i for i in few]}
    search = FakeSearch(SHAPES, diminishing(losses, Fraction(1, 5)))
    found = path("lazy", search, Fraction(1, 5))
    assert [one.layer for one in found[1:6]] == ["conv", "conv", "conv", "ip1", "ip1"]
    rounds = [["conv", "ip1", "ip2"], ["conv"], ["conv"], ["conv"], ["ip1"], ["ip1"]]
    assert search.trained[:6] == rounds


def test_lazy_is_content_with_a_gain_that_equals_the_bounds() -> None:
    search = FakeSearch(SHAPES, diminishing(dict.fromkeys(SHAPES, [5] * 60), Fraction(1, 5)))
    path("lazy", search, Fraction(1, 5))
    assert [len(batch) for batch in search.trained[:4]] == [3, 1, 1, 1]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), CUTS)
def test_what_lazy_keeps_gains_no_less_than_any_bound(seed: int, cut: Fraction) -> None:
    search = FakeSearch(SHAPES, noise(seed, 1000))
    strategy, current = STRATEGIES["lazy"](cut), search.first()
    bounds: dict[str, float] = {}
    while True:
        done = len(search.trained)
        following = strategy.next(search, current)
        if following is None:
            break
        for layer in (layer for batch in search.trained[done:] for layer in batch):
            cutting = current.counts | {layer: max(1, floor((1 - cut) * current.counts[layer]))}
            bounds[layer] = search.accuracy(cutting) - current.accuracy
        able = {layer for layer, count in current.counts.items() if count > 1}
        assert bounds[following.layer] == max(bounds[layer] for layer in able)
        current = following


def test_a_network_that_diverged_is_worse_than_any_other() -> None:
    search = FakeSearch(SHAPES, lambda counts: None if counts["ip2"] < 10 else 0.0)  # type: ignore[arg-type,return-value]
    for name in ("greedy", "lazy"):
        assert [one.layer for one in path(name, search, Fraction(1, 2))[1:3]] != ["ip2", "ip2"]
    assert search.first().accuracy == 0.0
    diverged = search.train(search.first(), [("ip2", {**search.sizes, "ip2": 5})], shared=False)
    assert diverged[0].accuracy < 0.0


@pytest.mark.parametrize("name", ["global", "uniform", "erk"])
@settings(max_examples=30, deadline=None)
@given(shapes=NETS, cut=CUTS)
def test_all_layers_are_cut_at_once_and_no_weight_comes_back(
    name: str, shapes: dict[str, tuple[int, ...]], cut: Fraction
) -> None:
    search = FakeSearch(shapes, lambda counts: 0.5)
    found = path(name, search, cut)
    for before, after in pairwise(found):
        asked = max(len(shapes), floor((1 - cut) * sum(before.counts.values())))
        assert sum(after.counts.values()) <= asked
        assert min(after.counts.values()) >= 1
        assert list(after.counts) == list(shapes)
        assert after.layer == ""
        if name == "global":
            assert sum(after.counts.values()) == asked
        else:
            assert all(after.counts[layer] <= count for layer, count in before.counts.items())
    assert set(search.shared) <= {name == "global"}
    assert all(batch == [""] for batch in search.trained)
    assert sum(found[-1].counts.values()) == len(shapes)


def test_global_goes_on_from_what_the_magnitudes_left() -> None:
    search = FakeSearch({"a": (10, 10), "b": (10, 90)}, lambda counts: 0.5)
    strategy = STRATEGIES["global"](Fraction(1, 5))
    uneven = search.train(search.first(), [("", {"a": 0, "b": 500})], shared=True)[0]
    following = strategy.next(search, uneven)
    assert following is not None
    assert sum(following.counts.values()) == 400


@settings(max_examples=30, deadline=None)
@given(NETS, CUTS)
def test_uniforms_densities_are_equal_but_for_rounding(
    shapes: dict[str, tuple[int, ...]], cut: Fraction
) -> None:
    search = FakeSearch(shapes, lambda counts: 0.5)
    found = path("uniform", search, cut)
    for before, after in pairwise(found):
        asked = floor((1 - cut) * sum(before.counts.values()))
        share = Fraction(asked, sum(search.sizes.values()))
        if all(share * size >= 1 for size in search.sizes.values()):
            for layer, count in after.counts.items():
                assert abs(count - share * search.sizes[layer]) < 1


@settings(max_examples=30, deadline=None)
@given(NETS, CUTS)
def test_erks_densities_are_those_of_evci_et_al(
    shapes: dict[str, tuple[int, ...]], cut: Fraction
) -> None:
    search = FakeSearch(shapes, lambda counts: 0.5)
    following = STRATEGIES["erk"](cut).next(search, search.first())
    assume(following is not None)
    assert following is not None
    asked = max(len(shapes), floor((1 - cut) * sum(search.sizes.values())))
    # Layers get scale * sum(shape) weights, and are full in the order of size / sum(shape).
    order = sorted(shapes, key=lambda name: Fraction(search.sizes[name], sum(shapes[name])))
    for full in range(len(order)):
        left = asked - sum(search.sizes[name] for name in order[:full])
        scale = Fraction(left, sum(sum(shapes[name]) for name in order[full:]))
        if scale * sum(shapes[order[full]]) <= search.sizes[order[full]]:
            break
    expected = {
        name: min(Fraction(search.sizes[name]), scale * sum(shapes[name])) for name in order
    }
    if min(expected.values()) >= 1:
        assert following.counts == {name: floor(expected[name]) for name in shapes}


def test_erk_of_a_small_net_by_hand() -> None:
    search = FakeSearch({"conv": (4, 1, 3, 3), "ip": (10, 100)}, lambda counts: 0.5)
    # 11 s + 110 s = 518 / 2 = 259 would be 23.5 of 36 weights, and 235.5 of 1,000.
    following = STRATEGIES["erk"](Fraction(75, 100)).next(search, search.first())
    assert following is not None
    assert following.counts == {"conv": 23, "ip": 235}
    following = STRATEGIES["erk"](Fraction(1, 4)).next(search, search.first())
    assert following is not None
    assert following.counts == {"conv": 36, "ip": 777 - 36}


@pytest.mark.parametrize(
    ("name", "fewest", "usual"),
    [
        ("greedy", 2, {"a": 80, "b": 10, "c": 1}),
        ("lazy", 2, {"a": 80, "b": 10, "c": 1}),
        ("uniform", 1, {"a": 80, "b": 8, "c": 1}),
    ],
)
def test_what_a_round_is_expected_to_be(name: str, fewest: int, usual: Counts) -> None:
    strategy = STRATEGIES[name](Fraction(1, 5))
    counts = {"a": 100, "b": 10, "c": 1}
    assert strategy.fewest(counts) == fewest
    assert strategy.usual(counts) == usual
