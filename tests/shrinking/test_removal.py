"""Nets without their zero channels compute the same: layer by layer, and what stays says why."""

from __future__ import annotations

from typing import Any

import pytest

from sparsenet.shrinking import channels
from sparsenet.shrinking.plan import Plan
from tests.shrinking.nets import layer, random_net, shrunk, without_filters
from tests.small import configured, convolution, inner_product, net_data

SCORES = inner_product("ip", 10)


def conv(name: str, outputs: int, **keys: Any) -> dict[str, Any]:
    return convolution(name, outputs, pad=1, **keys)


def plan_of(*layers: dict[str, Any], pruned: dict[str, set[int]]) -> Plan:
    return shrunk(configured(net_data(*layers)), pruned)[0]


def whys(plan: Plan) -> dict[str, tuple[int, str]]:
    return {kept.layer: (kept.filters, kept.why) for kept in plan.kept}


@pytest.mark.parametrize(
    "between",
    [
        [],
        [layer("ReLU", "relu", top="conv")],
        [layer("BatchNorm", "bn"), layer("Scale", "scale", bias_term=True), layer("ReLU", "relu")],
        [layer("BatchNormScale", "bn", top="conv"), layer("ReLU", "relu", negative_slope=0.1)],
        [layer("Scale", "scale")],
        [layer("PReLU", "prelu")],
        [layer("PReLU", "prelu", channel_shared=True)],
        [layer("TanH", "tanh"), layer("ELU", "elu"), layer("Power", "power", power=2.0)],
        [layer("Pooling", "pool", kernel_size=3, stride=2, pad=1)],
        [layer("Pooling", "pool", pool="AVE", kernel_size=3, stride=2, pad=1)],
        [layer("Pooling", "pool", pool="AVE", global_pooling=True)],
        [layer("LRN", "norm", norm_region="WITHIN_CHANNEL", local_size=3)],
        [layer("Dropout", "drop", top="conv")],
        [layer("Flatten", "flat"), layer("BatchNormScale", "bn")],
        [layer("Flatten", "flat"), layer("Slice", "cut", top=["l", "r"], slice_point=70),
         layer("Concat", "cat", bottom=["r", "l"])],
        [layer("Split", "split", top=["a", "b"]), layer("Concat", "cat", bottom=["b", "a"])],
        [layer("ReLU", "relu"), layer("Eltwise", "sum", bottom=["conv", "relu"])],
        [conv("next", 5)],
    ],
    ids=lambda layers: "-".join(each["type"] for each in layers) or "InnerProduct",
)  # fmt: skip
def test_a_channel_goes_up_to_the_next_weights(between: list[dict[str, Any]]) -> None:
    configuration = configured(net_data(conv("conv", 6), *between, SCORES))
    plan, net, weights = shrunk(configuration, {"conv": {0, 3, 4}})
    assert plan.filters["conv"] == 3
    assert plan.kept == ()
    assert weights["conv.weight"].shape == (3, 1, 3, 3)
    assert net.config.layers[1].num_output == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("between", "why"),
    [
        (layer("Sigmoid", "s"), "'s' (Sigmoid) makes another number of 0"),
        (layer("Power", "p", shift=1.0), "'p' (Power) makes another number of 0"),
        (layer("LRN", "n"), "'n' (LRN) takes several channels together"),
        (layer("Softmax", "s"), "'s' (Softmax) takes several channels together"),
    ],
)
def test_what_makes_something_of_nothing_keeps_its_channels(
    between: dict[str, Any], why: str
) -> None:
    plan = plan_of(conv("conv", 6), between, SCORES, pruned={"conv": {1, 2}})
    assert whys(plan) == {"conv": (2, why)}
    assert plan.removed == frozenset()


def test_scores_stay() -> None:
    plan = plan_of(inner_product("ip", 10), pruned={"ip": {1, 9}})
    why = "'loss' (SoftmaxWithLoss) takes several channels together"
    assert whys(plan) == {"ip": (2, why)}


RESIDUAL = [
    conv("a", 6),
    layer("BatchNormScale", "bn"),
    conv("b", 6, bottom="a"),
    layer("Eltwise", "sum", bottom=["bn", "b"]),
    SCORES,
]


@pytest.mark.parametrize("operation", ["SUM", "MAX"])
def test_of_a_sum_a_channel_goes_where_all_its_summands_lose_it(operation: str) -> None:
    join = RESIDUAL[3] | {"operation": operation}
    plan, _, weights = shrunk(
        # b reads a before its normalisation too, where its channel is zero as well.
        configured(net_data(*RESIDUAL[:3], join, SCORES)),
        {"a": {0, 1, 2}, "b": {1, 2, 3}},
    )
    assert plan.filters == {"a": 2, "b": 2}
    assert weights["b.weight"].shape == (4, 4, 3, 3)
    why = "'sum' (Eltwise) joins it with a channel that is not zero"
    assert whys(plan) == {"a": (1, why), "b": (1, why)}


def test_of_a_product_a_channel_goes_where_one_factor_loses_it() -> None:
    product = layer("Eltwise", "product", bottom=["a", "b"], operation="PROD")
    layers = [conv("a", 6), conv("b", 6, bottom="data"), product, SCORES]
    plan = plan_of(*layers, pruned={"a": {0}, "b": {1}})
    # Nobody else reads what the zeros are multiplied with.
    assert plan.filters == {"a": 2, "b": 2}


def test_concat_and_slice_keep_track_of_places() -> None:
    layers = [
        conv("a", 6),
        conv("b", 4, bottom="data"),
        layer("Concat", "cat", bottom=["a", "b"]),
        layer("Slice", "cut", top=["left", "right"]),
        conv("l", 3, bottom="left"),
        conv("r", 3, bottom="right"),
        layer("Concat", "end", bottom=["r", "l"]),
        SCORES,
    ]
    plan, net, weights = shrunk(
        configured(net_data(*layers)), {"a": {0, 5}, "b": {0, 3}, "r": {1}, "l": {0, 2}}
    )
    assert plan.kept == ()
    # Of ten channels left had 0..4 and right 5..9; 0, 5, 6 and 9 are gone.
    assert net.config.layers[4].slice_point == (4,)  # type: ignore[attr-defined]
    assert weights["l.weight"].shape == (1, 4, 3, 3)
    assert weights["r.weight"].shape == (2, 2, 3, 3)


def test_a_part_of_a_slice_keeps_a_channel() -> None:
    layers = [
        conv("a", 4),
        layer("Slice", "cut", top=["left", "right"]),
        conv("l", 3, bottom="left"),
        conv("r", 3, bottom="right"),
        layer("Eltwise", "end", bottom=["r", "l"]),
        SCORES,
    ]
    plan = plan_of(*layers, pruned={"a": {0, 1, 2}})
    assert plan.filters["a"] == 2
    assert whys(plan) == {"a": (1, "a channel at least must stay for 'cut'")}


@pytest.mark.parametrize("each", [1, 2])
def test_a_depthwise_convolution_loses_channels_with_the_one_before_it(each: int) -> None:
    depthwise = conv("d", 6 * each, group=6)
    pruned = {"a": {0, 2}, "d": set(range(each)) | set(range(3 * each, 4 * each))}
    plan, net, weights = shrunk(configured(net_data(conv("a", 6), depthwise, SCORES)), pruned)
    # 0 and 2 read nothing, and 3 puts out nothing, so that nobody reads what it is made of.
    assert plan.filters == {"a": 3, "d": 3 * each}
    assert net.config.layers[2].group == 3  # type: ignore[attr-defined]
    assert weights["d.weight"].shape == (3 * each, 1, 3, 3)


def test_groups_lose_equally_many() -> None:
    layers = [conv("a", 8), conv("g", 8, group=2), conv("z", 4), SCORES]
    plan, _, weights = shrunk(configured(net_data(*layers)), {"a": {0, 1, 5}, "g": {2, 4, 6, 7}})
    assert plan.filters == {"a": 2, "g": 2}
    why = "the 2 groups of 'g' must lose equally many"
    assert whys(plan) == {"a": (1, why), "g": (2, why)}
    assert weights["g.weight"].shape == (6, 3, 3, 3)


def test_a_group_without_channels_is_silent_but_keeps_one() -> None:
    plan = plan_of(conv("a", 4), conv("g", 4, group=2), SCORES, pruned={"a": {0, 1, 2}})
    # Group 0 of g reads nothing: both of its outputs are zero, and one of the others is not.
    assert plan.silent["g.bias"] == (0, 1)
    assert plan.filters == {"a": 2}


def test_a_shuffle_loses_a_channel_of_each_group_at_one_place() -> None:
    layers = [conv("a", 6), layer("ChannelShuffle", "deal", group=2), conv("b", 4), SCORES]
    plan = plan_of(*layers, pruned={"a": {0, 1, 3}})
    assert plan.filters["a"] == 2
    assert whys(plan) == {"a": (1, "'b' reads it where it is not zero")}


def test_a_head_of_training_alone_counts() -> None:
    data = net_data(conv("a", 6), layer("ReLU", "relu"), SCORES)
    head = [
        layer("Sigmoid", "s", bottom="a", phase="TRAIN"),
        inner_product("aux", 10, bottom="s", phase="TRAIN"),
        layer("SoftmaxWithLoss", "extra", bottom=["aux", "label"], phase="TRAIN"),
    ]
    data["layers"][3:3] = head
    data["layers"][6] = SCORES | {"bottom": "relu"}
    plan, *_ = shrunk(configured(data), {"a": {1}})
    assert whys(plan) == {"a": (1, "'s' (Sigmoid) makes another number of 0")}


def test_an_output_that_nobody_reads_stays() -> None:
    data = net_data(conv("a", 6), SCORES)
    data["layers"].insert(2, layer("ReLU", "seen", bottom="a"))
    data["layers"][3] = SCORES | {"bottom": "a"}
    plan, *_ = shrunk(configured(data), {"a": {1}})
    assert whys(plan) == {"a": (1, "'seen' is an output of the net")}


def test_silence_is_what_equality_needs() -> None:
    """With the bias and the shift in place the larger net computes something else."""
    configuration = configured(
        net_data(conv("conv", 6), layer("BatchNormScale", "bn"), layer("ReLU", "relu"), SCORES)
    )
    plan, *_ = shrunk(configuration, {"conv": {0, 3}})
    assert plan.silent == {"conv.bias": (0, 3), "bn.mean": (0, 3), "bn.bias": (0, 3)}
    weights = without_filters(random_net(configuration), {"conv": {0, 3}})
    assert all(float(weights[name][[0, 3]].abs().min()) > 0 for name in plan.silent)


def test_nothing_pruned_is_nothing_removed() -> None:
    plan, _, weights = shrunk(configured(net_data(conv("a", 6), SCORES)), {})
    assert (plan.removed, plan.silent, plan.kept) == (frozenset(), {}, ())
    assert weights["a.weight"].shape == (6, 1, 3, 3)


def test_under_a_key_that_goes_by_the_numbers_of_channels_they_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(channels, "_KEYS_BY_PLACE", ("dilation",))
    layers = [conv("a", 6), conv("b", 6, dilation=1), conv("c", 6), SCORES]
    plan = plan_of(*layers, pruned={"a": {1}, "b": {1}, "c": {1}})
    assert plan.filters == {"a": 0, "b": 0, "c": 1}
    why = "the dilation of 'b' goes by the numbers of its channels"
    assert whys(plan) == {"a": (1, why), "b": (1, why)}
