import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sparsenet.data.seeding import seeded
from sparsenet.data.splits import held_size, hold_out, part_size, resample, sample

label_sets = st.lists(st.integers(0, 5), min_size=2, max_size=200).map(torch.tensor)
seeds = st.integers(0, 2**40)


@given(label_sets, st.data(), seeds)
def test_a_split_is_exact_disjoint_complete_and_ascending(labels, data, seed):
    size = data.draw(st.integers(1, len(labels) - 1))
    rest, held = hold_out(labels, size, seed)
    assert (len(rest), len(held)) == (len(labels) - size, size)
    assert torch.equal(torch.cat([rest, held]).sort().values, torch.arange(len(labels)))
    for indices in (rest, held):
        assert indices.dtype == torch.int64
        assert torch.equal(indices, indices.sort().values)


@given(label_sets, st.data(), seeds)
def test_every_class_gives_its_share_to_within_one_sample(labels, data, seed):
    size = data.draw(st.integers(1, len(labels)))
    chosen = sample(labels, size, seed)
    assert len(chosen.unique()) == len(chosen) == size
    for label in range(6):
        members = int((labels == label).sum())
        taken = int((labels[chosen] == label).sum())
        assert abs(taken - size * members / len(labels)) < 1
        assert taken <= members


@given(label_sets, seeds)
def test_a_part_depends_on_its_seed_and_nothing_else(labels, seed):
    torch.manual_seed(0)
    first = hold_out(labels, 1, seed)
    torch.manual_seed(1)
    second = hold_out(labels, 1, seed)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_seeds_choose_different_samples():
    labels = torch.arange(1000) % 10
    drawn = {tuple(hold_out(labels, 100, seed)[1].tolist()) for seed in range(20)}
    assert len(drawn) == 20
    held, other = hold_out(labels, 100, 0)[1], sample(labels, 100, 0)
    assert not torch.equal(held, other)


def test_a_resample_is_drawn_evenly_with_replacement_by_its_seed_alone():
    counts = torch.zeros(30)
    for seed in range(400):
        drawn = resample(30, seed)
        torch.manual_seed(seed)
        assert torch.equal(drawn, resample(30, seed))
        assert torch.equal(drawn, drawn.sort().values)
        assert len(drawn) == 30
        counts += torch.bincount(drawn, minlength=30)
    # Binomial(12000, 1/30): standard deviation 19.7.
    assert (counts - 400).abs().max() < 5 * 19.7


def test_within_a_class_all_samples_are_equally_likely():
    labels = torch.arange(40) % 2
    counts = torch.zeros(40)
    for seed in range(2000):
        counts[sample(labels, 10, seed)] += 1
    # Binomial(2000, 1/4): standard deviation 19.4, so all 40 within 5 of them but for 2e-5.
    assert (counts - 500).abs().max() < 97


@pytest.mark.parametrize(
    ("part", "samples", "size"),
    [
        (1, 1, 1),
        (360, 1437, 360),
        ("10%", 1437, 143),
        ("100%", 7, 7),
        ("0.1%", 60000, 60),
        ("29%", 100, 29),  # in floating point 0.29 * 100 is 28.999999999999996
        ("33.333333333333333333%", 300, 99),
    ],
)
def test_sizes(part, samples, size):
    assert part_size(part, samples) == size


@pytest.mark.parametrize(
    ("call", "part", "samples", "message"),
    [
        (part_size, 11, 10, "11 is more than the 10 samples there are"),
        (part_size, "5%", 10, "5% of 10 samples is less than one sample"),
        (part_size, 0, 10, "0 is not a whole number from 1 or a percentage such as 5%"),
        (part_size, True, 10, "true is not a whole number from 1 or a percentage such as 5%"),
        (part_size, 0.1, 10, "0.1 is not a whole number from 1 or a percentage such as 5%"),
        (part_size, "10", 10, "'10' is not a whole number from 1 or a percentage such as 5%"),
        (part_size, "-1%", 10, "'-1%' is not a whole number from 1 or a percentage such as 5%"),
        (part_size, "0%", 10, "'0%' must be above 0% and at most 100%"),
        (part_size, "101%", 10, "'101%' must be above 0% and at most 100%"),
        (held_size, "100%", 10, "100% takes all 10 samples, which leaves none to train on"),
        (held_size, 10, 10, "10 takes all 10 samples, which leaves none to train on"),
    ],
)
def test_sizes_that_cannot_be(call, part, samples, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call(part, samples)


def test_generators_differ_by_every_part_of_their_key():
    keys = [("a", 0, 1), ("a", 1, 0), ("a", 0), ("b", 0, 1), ("a", 0, "1"), ("a", 10)]
    draws = {torch.randint(2**60, (1,), generator=seeded(*key)).item() for key in keys}
    assert len(draws) == len(keys)
    again = torch.randint(2**60, (1,), generator=seeded("a", 0, 1)).item()
    assert again in draws
