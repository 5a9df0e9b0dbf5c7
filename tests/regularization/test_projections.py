"""Section 3 of Collins & Kohli 2014 against independent NumPy closed forms, and its properties."""

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sparsenet.regularization import projections
from sparsenet.regularization.projections import keep_largest_, soft_threshold_

DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
LARGE = 150_000  # above the size that is selected from directly, with some to spare

# Ties, both zeros, infinities and each dtype's subnormals come up often; anything else sometimes.
awkward = [0.0, -0.0, 1.0, -1.0, 1.5, float("inf"), -float("inf"), 1e-40, -6e-8, 5e-324, -1e-323]
values = st.sampled_from(awkward) | st.floats(allow_nan=False)
dtypes = st.sampled_from(DTYPES)


@st.composite
def groups(draw: st.DrawFn) -> list[Tensor]:
    """One to three tensors of one dtype, of 0 to 4 dimensions and any of torch's layouts."""
    dtype = draw(dtypes)
    shapes = draw(st.lists(st.lists(st.integers(0, 4), max_size=4), min_size=1, max_size=3))
    group = []
    for shape in shapes:
        count = int(np.prod(shape))
        elements = draw(st.lists(values, min_size=count, max_size=count))
        weight = torch.tensor(elements, dtype=torch.float64).to(dtype).view(shape)
        order = draw(st.permutations(range(len(shape))))
        group.append(in_memory_order(weight, order))
    return group


def in_memory_order(weight: Tensor, order: list[int]) -> Tensor:
    """The same weight, its memory laid out as that of its transpose by `order`."""
    back = [order.index(d) for d in range(len(order))]
    return weight.permute(order).contiguous().permute(back)


def flat(group: list[Tensor]) -> np.ndarray:
    """All elements in the order that decides ties; float64 holds each dtype exactly."""
    return np.concatenate([w.detach().double().numpy().ravel(order="C") for w in group])


def projected_by_sorting(group: list[Tensor], t: int) -> np.ndarray:
    elements = flat(group)
    kept = np.argsort(-np.abs(elements), kind="stable")[:t]
    projected = np.zeros_like(elements)
    projected[kept] = elements[kept]
    return projected


def assert_same(actual: np.ndarray, expected: np.ndarray) -> None:
    """Equal, the signs of zeros too: they tell a zero that was kept from one that was written."""
    np.testing.assert_array_equal(actual, expected)
    np.testing.assert_array_equal(np.signbit(actual), np.signbit(expected))


def large_weights() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    normal = torch.randn(LARGE, generator=generator)
    index = torch.arange(LARGE)
    return {
        "normal": normal,
        "sorted": normal.sort().values,
        "constant": torch.full((LARGE,), -0.5),
        "zero": torch.zeros(LARGE),
        "negative zero": torch.full((LARGE,), -0.0),
        "two values": 0.5 + 0.5 * (index % 2),
        "seven values": torch.randint(-3, 4, (LARGE,), generator=generator).float(),
        "sparse": normal * (normal.abs() > 1.75),
        "ten nonzero": torch.zeros(LARGE).index_fill_(0, index[:: LARGE // 10], 1.0),
        "periodic": normal + 100.0 * (index % 53 == 0),
        "one outlier": torch.ones(LARGE).index_fill_(0, index[-1:], 2.0),
        "infinite": torch.where(index % 3 == 0, float("inf"), normal),
        "subnormal": normal * 1e-39,
        "adjacent floats": torch.ones(LARGE).view(torch.int32).add(index % 97).view(torch.float32),
    }


@given(groups(), st.data())
def test_keeps_what_a_stable_sort_puts_first(group: list[Tensor], data: st.DataObject) -> None:
    t = data.draw(st.integers(0, sum(w.numel() for w in group) + 1))
    expected = projected_by_sorting(group, t)
    strides = [w.stride() for w in group]
    assert keep_largest_(group, t) is group
    assert_same(flat(group), expected)
    assert [w.stride() for w in group] == strides


@given(groups(), st.data())
def test_satisfies_the_constraint_and_is_idempotent(
    group: list[Tensor], data: st.DataObject
) -> None:
    total = sum(w.numel() for w in group)
    t = data.draw(st.integers(0, total))
    nonzeros = int(np.count_nonzero(flat(group)))
    once = flat(keep_largest_(group, t))
    assert np.count_nonzero(once) == min(t, nonzeros)
    assert_same(flat(keep_largest_(group, t)), once)


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=9), st.data())
def test_no_other_support_of_size_t_is_nearer(elements: list[int], data: st.DataObject) -> None:
    t = data.draw(st.integers(0, len(elements)))
    weight = torch.tensor(elements, dtype=torch.float64)
    distance = float((weight - keep_largest_(weight.clone(), t)).square().sum())
    every = sum(e**2 for e in elements)
    assert distance == min(every - sum(e**2 for e in kept) for kept in combinations(elements, t))


@given(groups(), st.data())
def test_a_group_is_projected_like_its_concatenation(
    group: list[Tensor], data: st.DataObject
) -> None:
    t = data.draw(st.integers(0, sum(w.numel() for w in group)))
    joined = torch.cat([w.reshape(-1) for w in group])
    assert_same(flat(keep_largest_(group, t)), flat([keep_largest_(joined, t)]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_counts_as_largest_and_stays(dtype: torch.dtype) -> None:
    weight = torch.tensor([1.0, float("inf"), float("nan"), -2.0, -float("nan")], dtype=dtype)
    kept = keep_largest_(weight.clone(), 3)
    assert kept.isnan().tolist() == [False, False, True, False, True]
    assert kept.nan_to_num(7.0, posinf=8.0).tolist() == [0.0, 8.0, 7.0, 0.0, 7.0]
    assert keep_largest_(weight.clone(), 1).nan_to_num(7.0).tolist() == [0.0, 0.0, 7.0, 0.0, 0.0]


def test_ties_follow_row_major_order_in_channels_last_memory() -> None:
    weight = torch.ones(2, 3, 2, 2).to(memory_format=torch.channels_last)
    keep_largest_(weight, 5)
    assert weight.contiguous().view(-1).tolist() == [1.0] * 5 + [0.0] * 19
    assert weight.is_contiguous(memory_format=torch.channels_last)


def test_what_lies_between_the_elements_of_a_slice_is_untouched() -> None:
    memory = torch.arange(1.0, 13.0).view(3, 4)
    keep_largest_(memory[:, ::2], 2)
    assert memory.tolist() == [[0, 2, 0, 4], [0, 6, 0, 8], [9, 10, 11, 12]]
    soft_threshold_(memory[:, 1::2], 3.0)
    assert memory.tolist() == [[0, 0, 0, 1], [0, 3, 0, 5], [9, 7, 11, 9]]


@pytest.mark.parametrize("name", large_weights())
@pytest.mark.parametrize("chunk", [projections._CPU_CHUNK, 40_003])
def test_large_weights(name: str, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projections, "_CPU_CHUNK", chunk)
    weight = large_weights()[name]
    for t in (1, 9, LARGE * 8 // 100, LARGE // 2, LARGE - 1):
        projected = keep_largest_(weight.clone(), t)
        assert_same(flat([projected]), projected_by_sorting([weight], t))
        assert_same(flat([keep_largest_(projected.clone(), t)]), flat([projected]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_large_group(dtype: torch.dtype) -> None:
    normal = large_weights()["normal"].to(dtype)
    group = [w.clone() for w in normal.tensor_split([7, 100_007, 100_507])]
    group[1] = in_memory_order(group[1].view(50, 20, 10, 10), [0, 2, 3, 1])
    for t in (5000, 1000, 1):
        expected = projected_by_sorting(group, t)
        assert_same(flat(keep_largest_(group, t)), expected)


@pytest.mark.parametrize("name", ["normal", "seven values", "sparse", "adjacent floats"])
@pytest.mark.parametrize("sampled", ["least", "most", "one", "upper half", "lower half"])
def test_a_misleading_sample_changes_no_result(
    name: str, sampled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    weight = large_weights()[name]
    ordered = weight.abs().view(torch.int32).sort().values
    sample = {
        "least": ordered[:1],
        "most": ordered[-9:],
        "one": ordered[LARGE // 2 :][:1],
        "upper half": ordered[LARGE // 2 :: 50],
        "lower half": ordered[: LARGE // 2 : 50],
    }[sampled]
    monkeypatch.setattr(projections, "_sample", lambda chunks, size: sample)
    for t in (1, LARGE * 8 // 100, LARGE * 6 // 10, LARGE - 1):
        projected = keep_largest_(weight.clone(), t)
        assert_same(flat([projected]), projected_by_sorting([weight], t))


@pytest.mark.parametrize("name", large_weights())
def test_few_elements_are_selected_from(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bracket's purpose: what is gathered and searched is a small part of the weights."""
    selected = [0]

    def gather(chunks: list[Tensor], low: int, high: int) -> Tensor:
        candidates = gather_all(chunks, low, high)
        selected.append(len(candidates))
        return candidates

    gather_all = projections._gather
    monkeypatch.setattr(projections, "_gather", gather)
    for t in (1, 9, LARGE * 8 // 100, LARGE // 2, LARGE - 1):
        keep_largest_(large_weights()[name], t)
    assert max(selected) <= projections._FEW


def test_the_global_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    keep_largest_(torch.ones(LARGE), 10)
    assert torch.equal(torch.get_rng_state(), before)


def test_projections_apply_to_parameters_outside_autograd() -> None:
    parameter = torch.nn.Parameter(torch.tensor([[3.0, -1.0], [0.5, -2.0]]))
    assert keep_largest_(parameter, 3) is parameter
    assert soft_threshold_(parameter, 1.0) is parameter
    assert parameter.tolist() == [[2.0, 0.0], [0.0, -1.0]]
    transposed = torch.nn.Parameter(torch.tensor([[3.0, -1.0], [0.5, -2.0]]).T)
    assert keep_largest_(transposed, 1).tolist() == [[3.0, 0.0], [0.0, 0.0]]
    assert keep_largest_(transposed, 0).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert parameter.is_leaf
    assert parameter.requires_grad


def test_keeping_all_or_none() -> None:
    weight = torch.tensor([-0.0, float("nan"), -1.0])
    assert_same(flat([keep_largest_(weight.clone(), 3)]), flat([weight]))
    assert_same(flat([keep_largest_(weight.clone(), 4)]), flat([weight]))
    assert_same(flat([keep_largest_(weight.clone(), 0)]), np.zeros(3))
    assert keep_largest_([], 2) == []


def test_keep_largest_refuses_what_it_cannot_compare() -> None:
    weight = torch.ones(3)
    with pytest.raises(ValueError, match="t is -1"):
        keep_largest_(weight, -1)
    with pytest.raises(ValueError, match="agree in dtype"):
        keep_largest_([weight, weight.double()], 1)
    with pytest.raises(ValueError, match="agree in dtype and device"):
        keep_largest_([weight, torch.ones(3, device="meta")], 1)
    with pytest.raises(ValueError, match=r"torch\.int64"):
        keep_largest_(weight.long(), 1)


@given(groups(), st.floats(0.0, 65504.0))
def test_soft_threshold_is_its_closed_form(group: list[Tensor], delta: float) -> None:
    for weight in group:
        rounded = float(torch.tensor(delta, dtype=weight.dtype))
        before = flat([weight])
        # Rounding a float64 difference once more gives the nearest value of the narrower dtypes.
        shrunk = np.sign(before) * np.maximum(np.abs(before) - rounded, 0.0)
        expected = torch.from_numpy(shrunk).to(weight.dtype).double().numpy()
        assert soft_threshold_(weight, delta) is weight
        after = flat([weight])
        np.testing.assert_array_equal(after, expected)
        assert np.all(np.signbit(after) <= np.signbit(before))
        assert not np.any(np.signbit(after[after == 0]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_soft_threshold_of_many_elements_and_of_nan(dtype: torch.dtype) -> None:
    weight = torch.tensor([0.5, -0.5, 0.25, -0.25, -0.75, float("nan"), 0.0], dtype=dtype)
    shrunk = soft_threshold_(weight.repeat(9), 0.5).view(9, 7)
    assert shrunk[:, 5].isnan().all()
    assert shrunk.nan_to_num(7.0).tolist() == [[0.0, 0.0, 0.0, 0.0, -0.25, 7.0, 0.0]] * 9
    assert not shrunk[shrunk == 0].signbit().any()


@pytest.mark.parametrize("delta", [-1e-9, float("nan"), float("inf"), 1e39])
def test_soft_threshold_refuses_a_bad_delta(delta: float) -> None:
    with pytest.raises(ValueError, match="delta is"):
        soft_threshold_(torch.ones(3), delta)


def test_soft_threshold_refuses_integers() -> None:
    with pytest.raises(ValueError, match=r"torch\.int64"):
        soft_threshold_(torch.ones(3, dtype=torch.int64), 0.5)
