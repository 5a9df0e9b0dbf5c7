"""Pruning by magnitude against NumPy, and every way to ask for it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sparsenet.checkpoint import Checkpoint, save_checkpoint
from sparsenet.errors import ConfigError
from sparsenet.workflows.pruning import Pruning, hard_threshold_
from sparsenet.workflows.pruning_options import PruningOptions
from tests.small import configured, inner_product, net_data

SHAPES = {"conv1": (4, 1, 5, 5), "ip1": (5, 64), "ip2": (10, 5)}
FLOATS = st.floats(-1, 1, width=32)


@given(hnp.arrays(np.float32, hnp.array_shapes(max_dims=4), elements=FLOATS), st.floats(0, 1))
def test_threshold_zeroes_what_is_below_delta(weight: np.ndarray, delta: float) -> None:
    # Some weights lie on the threshold itself: they stay.
    weight.reshape(-1)[::3] = np.float32(delta) * np.sign(weight.reshape(-1)[::3])
    expected = np.where(np.abs(weight) < np.float32(delta), np.float32(0), weight)
    got = torch.from_numpy(weight.copy())
    assert hard_threshold_(got, delta) is got
    np.testing.assert_array_equal(got.numpy(), expected)
    assert not np.signbit(got.numpy()[np.abs(weight) < np.float32(delta)]).any()


def test_threshold_of_zero_changes_no_bit_and_nan_stays() -> None:
    weight = torch.tensor([0.0, -0.0, 1e-45, float("nan"), -float("inf")])
    assert torch.equal(
        hard_threshold_(weight.clone(), 0.0).view(torch.int32), weight.view(torch.int32)
    )
    assert hard_threshold_(weight, 1.0).isnan().tolist() == [False, False, False, True, False]


@pytest.mark.parametrize("format_", [torch.contiguous_format, torch.channels_last])
def test_counts_are_exact_and_ties_go_by_index(format_: torch.memory_format) -> None:
    weight = torch.full((2, 3, 2, 2), 0.5).contiguous(memory_format=format_)
    weight[1, 2, 1, 1] = -0.75
    other = torch.ones(3)
    Pruning("some", counts={"conv": 4}).prune_({"conv": weight, "other": other})
    expected = np.zeros(24)
    expected[:3], expected[23] = 0.5, -0.75
    np.testing.assert_array_equal(weight.contiguous().flatten().numpy(), expected)
    assert other.tolist() == [1, 1, 1]


def test_a_count_of_zero_leaves_nothing() -> None:
    weight = torch.ones(3)
    Pruning("none", counts={"ip": 0}).prune_({"ip": weight})
    assert weight.tolist() == [0, 0, 0]


def deltas(text: str) -> list[Decimal | None]:
    return [pruning.delta for pruning in PruningOptions(delta=text).prunings(SHAPES)]


def test_a_range_reaches_its_stop_exactly() -> None:
    tenths = [Decimal(n) / 100 for n in range(11)]
    assert deltas("0:0.1:0.01") == tenths
    assert [p.delta for p in PruningOptions().prunings(SHAPES)] == tenths
    labels = [p.label for p in PruningOptions().prunings(SHAPES)]
    assert labels[:2] + labels[-1:] == ["delta 0", "delta 0.01", "delta 0.1"]
    # In binary floating point each of these would come out one short.
    for stop, step, count in (("0.3", "0.1", 4), ("0.7", "0.1", 8), ("1e-2", "1E-3", 11)):
        assert deltas(f"0:{stop}:{step}")[-1] == Decimal(stop)
        assert len(deltas(f"0:{stop}:{step}")) == count


def test_a_stop_off_the_steps_is_not_passed() -> None:
    assert deltas("0.01 : 0.1 : 0.04") == [Decimal("0.01"), Decimal("0.05"), Decimal("0.09")]
    assert deltas("0.5:0.5:1") == [Decimal("0.5")]
    assert len(deltas("0:999:1")) == 1000


def test_a_list_keeps_its_order() -> None:
    assert deltas("0.1, .02,3e-2") == [Decimal("0.1"), Decimal("0.02"), Decimal("0.03")]


def test_given_counts_and_percentages() -> None:
    [pruning] = PruningOptions(t="conv1=30, ip1=5%").prunings(SHAPES)
    assert pruning.counts == {"conv1": 30, "ip1": 16}
    assert (pruning.label, pruning.slug) == ("conv1=30,ip1=5%", "conv1=30,ip1=5pct")


def test_a_density_is_of_every_layer() -> None:
    half, tenth = PruningOptions(density="50%,10%").prunings(SHAPES)
    assert half.counts == {"conv1": 50, "ip1": 160, "ip2": 25}
    assert tenth.counts == {"conv1": 10, "ip1": 32, "ip2": 5}
    assert (tenth.label, tenth.slug) == ("density 10%", "density-10pct")


def saved(path: Path, **shapes: tuple[int, ...]) -> Path:
    weights = {f"{name}.weight": torch.ones(shape) for name, shape in shapes.items()}
    for weight in weights.values():
        weight.view(-1)[::2] = 0
    config = configured(net_data(inner_product("ip", 10))).data
    save_checkpoint(path, Checkpoint(config=config, iter=1, weights=weights))
    return path


def test_like_counts_the_nonzeros_of_a_checkpoint(tmp_path: Path) -> None:
    other = saved(tmp_path / "best.pt", **SHAPES, more=(3,))
    [pruning] = PruningOptions(like=other).prunings(SHAPES)
    assert pruning.counts == {"conv1": 50, "ip1": 160, "ip2": 25}
    assert pruning.label == f"like {tmp_path.name}/best.pt"
    assert "/" not in pruning.slug


def test_like_another_net_names_every_difference(tmp_path: Path) -> None:
    other = saved(tmp_path / "best.pt", conv1=(4, 1, 3, 3), ip1=(5, 64))
    with pytest.raises(ConfigError) as caught:
        PruningOptions(like=other).prunings(SHAPES)
    assert str(caught.value).splitlines() == [
        f"--like {other}: conv1: weights are 4x1x3x3 there and 4x1x5x5 in the net",
        f"--like {other}: ip2: has no weights there",
    ]


WRONG = {
    "delta": {
        "0:x:0.1": "'x' is not a number of 0 or more",
        "-0.1:1:0.1": "'-0.1' is not a number of 0 or more",
        "0:inf:0.1": "'inf' is not a number of 0 or more",
        "0:1:-0.1": "'-0.1' is not a number of 0 or more",
        "0:1:0": "0:1:0: the step must be above 0",
        "0.2:0.1:0.1": "0.2:0.1:0.1: the stop is below the start",
        "0:1:0.001": "0:1:0.001: 1001 values, but 1000 are the most it may have",
        "0:1e18:1e-90": "0:1e18:1e-90: 1e+108 values, but 1000 are the most it may have",
        "0:1": "'0:1' is neither start:stop:step, such as 0:0.1:0.01, nor a list",
        "0.1,,0.2": "'' is not a number of 0 or more",
        "0.1,0.10": "0.1 is given more than once",
    },
    "t": {
        "conv=3": "conv: the net has no such layer with weights; did you mean 'conv1'?",
        "fc8=3": "fc8: the net has no such layer with weights; it has conv1, ip1 or ip2",
        "ip2=51": "ip2: 51 is more than the 50 weights there are",
        "ip2=0": "ip2: 0 is not a whole number from 1 or a percentage such as 5%",
        "ip2=1%": "ip2: 1% of 50 weights is less than one weight",
        "ip2=3,ip2=4": "ip2: is given more than once",
        "300": "'300' is not LAYER=COUNT, such as conv1=300 or conv1=5%",
    },
    "density": {
        "5": "'5' is not a percentage such as 5%",
        "120%": "'120%' must be above 0% and at most 100%",
        "1%": "ip2: 1% of 50 weights is less than one weight",
        "5%,5%": "5% is given more than once",
    },
}


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [(option, *item) for option, texts in WRONG.items() for item in texts.items()],
)
def test_what_is_wrong_is_one_clear_line(option: str, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        PruningOptions(**{option: text}).prunings(SHAPES)
    assert str(caught.value) == f"--{option}: {message}"


def test_all_problems_of_t_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        PruningOptions(t="ip=3,ip2=51,x").prunings(SHAPES)
    assert len(str(caught.value).splitlines()) == 3


def test_two_choices_exclude_each_other() -> None:
    with pytest.raises(
        ConfigError, match=r"^--delta and --density exclude each other; give one of them$"
    ):
        PruningOptions(delta="0.1", density="5%").prunings(SHAPES)
