"""Patterns against Kundu et al.'s definition written out, their counts, and their messages."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsenet.layers.base import ShapeError
from sparsenet.layers.convolution import Convolution
from sparsenet.layers.kernel_pattern import NAMED, KernelPattern, read_pattern

CORNERS = [{0, 1, 3, 4}, {1, 2, 4, 5}, {3, 4, 6, 7}, {4, 5, 7, 8}]
PAIRS = [{0, 1}, {1, 2}, {3, 4}, {4, 5}, {6, 7}, {7, 8}]
SINGLES = [{position} for position in range(9)]
FULL = set(range(9))
VARIANTS = {
    "dense": [FULL],
    "PS4_P4": CORNERS,
    "PSD4_P8": [FULL, *CORNERS, *CORNERS[:3]],
    "PSD4_P16": [FULL, *CORNERS, *CORNERS, *CORNERS, *CORNERS[:3]],
    "PS2_P6": PAIRS,
    "PSD2_P8": [FULL, *PAIRS, PAIRS[0]],
    "PSD2_P16": [FULL, *PAIRS, *PAIRS, *PAIRS[:3]],
    "PS1_P9": SINGLES,
    "PSD1_P8": [FULL, *SINGLES[:7]],
    "PSD1_P16": [FULL, *SINGLES, *SINGLES[:6]],
}
DRAWN = {"pSC4": 4, "pSC2": 2, "pSC1": 1}


def pattern_of(given: object) -> KernelPattern:
    pattern, problems = read_pattern(given)
    assert pattern is not None, problems
    return pattern


def positions(mask: torch.Tensor) -> list[list[set[int]]]:
    """The learnt positions of kernel (i, j)."""
    return [[set(kernel.flatten().nonzero().flatten().tolist()) for kernel in row] for row in mask]


def test_every_name_is_tried() -> None:
    assert NAMED.keys() == VARIANTS.keys() | DRAWN.keys()


@pytest.mark.parametrize("name", VARIANTS)
def test_a_named_set_is_the_papers(name: str) -> None:
    variants = VARIANTS[name]
    found = positions(pattern_of(name).mask((5, 21, 3, 3)))
    for i, j in itertools.product(range(5), range(21)):
        assert found[i][j] == variants[(i + j + 1) % len(variants)], (i, j)


@pytest.mark.parametrize("name", [name for name in VARIANTS if name.startswith("PSD")])
def test_the_density_is_the_papers(name: str) -> None:
    """((P - 1) n + 9) / (9 P) of a layer whose channels are whole periods."""
    n, period = (int(part.strip("PSD")) for part in name.split("_"))
    learnt = pattern_of(name).count((32, 48, 3, 3))
    assert learnt * 9 * period == ((period - 1) * n + 9) * 32 * 48 * 9


@pytest.mark.parametrize("name", DRAWN)
def test_drawn_kernels_have_as_many_positions_each_alike(name: str) -> None:
    pattern, shape = pattern_of(name), (60, 70, 3, 3)
    mask = pattern.mask(shape)
    assert (mask.sum((2, 3)) == DRAWN[name]).all()
    assert pattern.count(shape) == int(mask.sum())
    # Each position by chance: 4200 kernels, five standard deviations.
    share = DRAWN[name] / 9
    spread = 5 * math.sqrt(share * (1 - share) / 4200)
    assert (mask.float().mean((0, 1)) - share).abs().max() < spread
    state = torch.get_rng_state()
    assert torch.equal(mask, pattern_of(name).mask(shape))
    assert torch.equal(state, torch.get_rng_state())
    other = KernelPattern(kss=DRAWN[name], seed=2).mask(shape)
    assert not torch.equal(mask, other)


def test_blocks_of_larger_kernels_are_in_rows() -> None:
    found = positions(KernelPattern(kss=4, period=6).mask((1, 6, 3, 4)))
    blocks = [{c, c + 1, c + 4, c + 5} for c in (0, 1, 2, 4, 5, 6)]
    assert found[0] == blocks[1:] + blocks[:1]


def test_positions_of_ones_own_are_the_variants() -> None:
    own = pattern_of({"positions": [[0, 4, 8], [1, 2, 3, 5, 6, 7]]})
    found = positions(own.mask((2, 2, 3, 3)))
    assert found == [
        [{1, 2, 3, 5, 6, 7}, {0, 4, 8}],
        [{0, 4, 8}, {1, 2, 3, 5, 6, 7}],
    ]
    assert own.index_bits((64, 64, 3, 3)) == 2 * 9


KERNELS = st.tuples(st.integers(1, 4), st.integers(2, 4))
SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 9))


@given(
    keys=st.fixed_dictionaries(
        {"kss": st.sampled_from([1, 2, 4])},
        optional={"dense": st.booleans()},
    ),
    period=st.integers(1, 12) | st.none(),
    kernel=KERNELS,
    shape=SHAPES,
)
@settings(max_examples=200, deadline=None)
def test_what_is_said_of_a_shape_is_what_the_mask_says(keys, period, kernel, shape):
    if period is None:
        keys = {"kss": keys["kss"], "seed": 3}
    pattern = KernelPattern(**keys, **({} if period is None else {"period": period}))
    weight = (*shape, *kernel)
    if pattern.kernel_problem(kernel) is not None:
        return
    mask = pattern.mask(weight)
    assert pattern.count(weight) == int(mask.sum())
    covered = bool(mask.any(0).any(0).all())
    assert (pattern.shape_problem(weight) is None) == covered


def test_a_convolution_starts_with_zeros_outside_its_pattern() -> None:
    def weight(**keys):
        filler = {"type": "gaussian", "mean": 5}
        layer = Convolution(name="c", num_output=9, kernel_size=3, weight_filler=filler, **keys)
        return layer.build(((8, 5, 5),), torch.Generator().manual_seed(1)).weight.detach()

    full, sparse = weight(), weight(kernel_pattern="PSD2_P8")
    mask = pattern_of("PSD2_P8").mask((9, 8, 3, 3))
    assert torch.equal(sparse, torch.where(mask, full, 0.0))
    assert not sparse.signbit()[~mask].any()
    assert torch.equal(full, weight(kernel_pattern="dense"))


def test_counts_of_a_layer_are_of_what_is_learnt() -> None:
    layer = Convolution(name="c", num_output=16, kernel_size=3, kernel_pattern="PSD1_P8")
    bottom = ((8, 10, 10),)
    learnt = 16 * 9 + 7 * 16  # each filter has one full kernel of its eight
    assert layer.learnt((16, 8, 3, 3)) == learnt
    assert layer.multiply_accumulates(bottom) == learnt * 64
    assert layer.index_bits((16, 8, 3, 3)) == 72
    dense = Convolution(name="c", num_output=16, kernel_size=3, kernel_pattern="dense")
    assert dense.learnt((16, 8, 3, 3)) == 16 * 8 * 9
    assert dense.learnt_where((16, 8, 3, 3)) is None
    assert dense.index_bits((16, 8, 3, 3)) == 0


@pytest.mark.parametrize(
    ("given", "key", "message"),
    [
        ("PSD4_P12", (), "there is no pattern 'PSD4_P12'; did you mean 'PSD4_P16'?"),
        (7, (), "7 is not a mapping of keys to values"),
        ({}, ("kss",), "is missing: give kss with period or seed, or positions"),
        ({"kss": 4}, ("period",), "is missing: give it, or seed for kernels without one"),
        (
            {"kss": 3, "period": 9},
            ("kss",),
            "3: with a period it may be 1, 2 or 4; any number goes with seed or positions",
        ),
        (
            {"kss": 3, "period": 9, "seed": 1},
            ("period",),
            "cannot stand beside seed, which is without a period",
        ),
        (
            {"kss": 3, "dense": True, "seed": 1},
            ("dense",),
            "cannot stand beside seed, which is without a period",
        ),
        ({"positions": [[0]], "kss": 1}, ("kss",), "cannot stand beside positions"),
        (
            {"positions": [[0], []]},
            ("positions",),
            "must be lists of at least one position each",
        ),
        ({"positions": [[0, -1]]}, ("positions",), "[0, -1] must be different positions from 0"),
        ({"positions": [[2, 2]]}, ("positions",), "[2, 2] must be different positions from 0"),
        ({"kss": 1, "period": 5000}, ("period",), "5000 must be at most 4096"),
        ({"kss": 1, "perid": 9}, ("perid",), "unknown key; did you mean 'period'?"),
    ],
)
def test_what_is_no_pattern(given, key, message):
    assert read_pattern(given) == (None, [(key, message)])


@pytest.mark.parametrize(
    ("given", "kernel", "message"),
    [
        ("PS4_P4", (1, 1), "a 1x1 kernel has one position: leave the pattern out"),
        ("PS4_P4", (1, 3), "kss 4 has no block in a 1x3 kernel"),
        ({"kss": 9, "seed": 0}, (3, 3), "kss 9 must be less than the 9 positions of a 3x3 kernel"),
        (
            {"positions": [[0, 9]]},
            (3, 3),
            "position 9 is beyond the 0 to 8 of a 3x3 kernel",
        ),
        (
            {"kss": 4, "period": 3},
            (3, 3),
            "no kernel has position 8 of 3x3: a period of at least 4 has all, and so has "
            "dense: true",
        ),
        (
            {"kss": 2, "period": 6},
            (2, 5),
            "no kernel has positions 8, 9 of 2x5: a period of at least 8 has all, and so has "
            "dense: true",
        ),
        (
            {"positions": [[0, 1], [3]]},
            (2, 2),
            "no kernel has position 2 of 2x2: add a list with what is missing",
        ),
    ],
)
def test_kernels_that_a_pattern_does_not_fit(given, kernel, message):
    assert pattern_of(given).kernel_problem(kernel) == message


@pytest.mark.parametrize(
    ("keys", "bottom", "message"),
    [
        (
            {"kernel_pattern": "PS1_P9"},
            (1, 9, 9),
            "kernel_pattern: no kernel has positions 0, 5, 6, 7, 8 of 3x3: the 4 kernels of this "
            "layer are too few; it may be dense",
        ),
        (
            {"kernel_pattern": "pSC1"},
            (2, 9, 9),
            "kernel_pattern: no kernel has positions 1, 2, 3 of 3x3: the 8 kernels of this layer "
            "are too few; it may be dense",
        ),
        (
            {"kernel_pattern": "PS4_P4", "group": 4},
            (4, 9, 9),
            "kernel_pattern: a depthwise convolution stays dense; leave it out",
        ),
    ],
)
def test_layers_that_a_pattern_does_not_fit(keys, bottom, message):
    layer = Convolution(name="c", num_output=4, kernel_size=3, **keys)
    with pytest.raises(ShapeError) as error:
        layer.output_shapes((bottom,))
    assert str(error.value) == message


def test_groups_of_several_channels_may_have_a_pattern() -> None:
    keys = {"num_output": 8, "kernel_size": 3, "kernel_pattern": "PS4_P4"}
    layer = Convolution(name="c", group=2, **keys)
    weight = layer.build(((8, 5, 5),), torch.Generator()).weight
    assert weight.shape == (8, 4, 3, 3)
    assert layer.multiply_accumulates(((8, 5, 5),)) == 8 * 4 * 4 * 9
