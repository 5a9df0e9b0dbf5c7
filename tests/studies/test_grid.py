"""A sweep's combinations: how many, in which order, what each sets and how it is called."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsenet.config.load import from_data
from sparsenet.config.read import parse_yaml
from sparsenet.config.sweep import SweepConfig
from sparsenet.errors import ConfigError
from sparsenet.studies.grid import Setting, settings_of
from tests.small import configured, inner_product, net_data

NAMES = ["ip1", "ip"]


def made(**keys: Any) -> list[Setting]:
    return settings_of(SweepConfig.model_validate({"solver": "s.yaml", **keys}), "net", NAMES)


def refused(**keys: Any) -> str:
    with pytest.raises(ConfigError) as raised:
        made(**keys)
    return str(raised.value)


def test_nothing_but_a_solver_is_one_setting_called_by_the_net() -> None:
    [setting] = made()
    assert (setting.method, setting.layers, setting.columns) == ("net", "", {})
    assert setting.overrides == setting.acts_on == setting.automatic == ()


VALUES = st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True)
AXES = st.dictionaries(st.sampled_from(["a.b", "c", "d"]), VALUES)


@settings(deadline=None)
@given(AXES, AXES, st.dictionaries(st.sampled_from(["type", "t"]), VALUES))
def test_all_combinations_in_order_the_last_axis_fastest(
    common: dict[str, list[int]], own: dict[str, list[int]], rule: dict[str, list[int]]
) -> None:
    settings = made(set=common, methods={"m": {"set": own, "regularization": rule}, "n": {}})
    axes = {**common, **own, **rule}
    expected = [dict(zip(axes, chosen, strict=True)) for chosen in product(*axes.values())]
    ours = [setting for setting in settings if setting.method == "m"]
    several = [key for key, values in axes.items() if len(values) > 1]
    assert [s.columns for s in ours] == [{k: e[k] for k in several} for e in expected]
    for setting, chosen in zip(ours, expected, strict=True):
        wanted = [f"{key}={chosen[key]}" for key in {**common, **own}]
        wanted += [f"regularization.{n}.{k}={chosen[k]}" for n in NAMES for k in rule]
        assert list(setting.overrides) == wanted
        assert (setting.layers, setting.acts_on) == ("all", ("ip1", "ip"))
    others = [setting for setting in settings if setting.method == "n"]
    assert settings == ours + others
    assert len(others) == len(list(product(*common.values())))


def test_what_acts_on_layers_acts_on_each_set_in_turn() -> None:
    sets = {"first": "ip1", "both": ["ip", "ip1"]}
    methods = {
        "dense": {},
        "l1": {"regularization": {"type": "l1", "weight_decay": [0.1, 0.2]}},
        "pruned": {"prune": "5%"},
    }
    settings = made(layers=sets, methods=methods)
    assert [(s.method, s.layers, s.acts_on, dict(s.columns)) for s in settings] == [
        ("dense", "", (), {}),
        ("l1", "first", ("ip1",), {"weight_decay": 0.1}),
        ("l1", "first", ("ip1",), {"weight_decay": 0.2}),
        ("l1", "both", ("ip", "ip1"), {"weight_decay": 0.1}),
        ("l1", "both", ("ip", "ip1"), {"weight_decay": 0.2}),
        ("pruned", "first", ("ip1",), {"prune": "5%"}),
        ("pruned", "both", ("ip", "ip1"), {"prune": "5%"}),
    ]
    assert settings[3].overrides == (
        *("regularization.ip.type=l1", "regularization.ip.weight_decay=0.1"),
        *("regularization.ip1.type=l1", "regularization.ip1.weight_decay=0.1"),
    )
    assert (settings[5].prune, settings[5].overrides) == ("5%", ())


def test_a_strength_to_be_found_has_a_value_for_each_layer_later() -> None:
    rule = {"type": ["l1", "l2"], "weight_decay": "auto"}
    one, other = made(methods={"m": {"regularization": rule}})
    assert one.automatic == ("regularization.ip1.weight_decay", "regularization.ip.weight_decay")
    assert one.overrides == ("regularization.ip1.type=l1", "regularization.ip.type=l1")
    found = one.at(1e-5)
    assert found.strength == 1e-5
    assert found.automatic == ()
    assert found.columns == {"type": "l1", "weight_decay": 1e-5}
    assert found.overrides[2:] == tuple(f"{path}=1e-05" for path in one.automatic)
    assert (found.method, found.layers, found.acts_on) == ("m", "all", ("ip1", "ip"))
    assert other.columns == {"type": "l2"}


def test_a_list_within_a_list_is_one_value() -> None:
    steps = [[10, 20], [30]]
    settings = made(set={"stepvalue": steps})
    assert [setting.overrides for setting in settings] == [
        ("stepvalue=[10, 20]",),
        ("stepvalue=[30]",),
    ]
    assert [setting.columns["stepvalue"] for setting in settings] == steps


@settings(deadline=None)
@given(
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]))
    | st.sampled_from(["1e-4", "true", "5%", "null", "010", "a/b.yaml", "x: y", "[a", "'", "#"])
)
def test_a_value_is_set_as_it_stands_in_the_file(value: Any) -> None:
    [setting] = made(set={"key": [value]})
    text = setting.overrides[0].removeprefix("key=")
    found = parse_yaml(text, "x").data
    assert found == value
    assert type(found) is type(value)


def test_overrides_are_what_a_solver_takes() -> None:
    layers = [inner_product("ip1", 8), inner_product("ip", 10)]
    data = configured(net_data(*layers)).data
    sweep = {"set": {"base_lr": [0.1, 0.2]}, "layers": {"x": "ip1"}}
    rule = {"type": "l0", "t": ["5%", 100]}
    settings = made(**sweep, methods={"l0": {"regularization": rule}})
    found = [from_data(data, "s", one.overrides).solver for one in settings]
    assert [(s.base_lr, s.net.layers[1].regularization.t) for s in found] == [
        *((0.1, "5%"), (0.1, 100), (0.2, "5%"), (0.2, 100))
    ]


def test_layers_the_net_does_not_have_are_named() -> None:
    words = "layers.mine: the net has no layer 'ip2' with weights; did you mean 'ip'?"
    assert refused(layers={"mine": ["ip", "ip2"]}) == words
    assert refused(layers={"mine": "conv"}).endswith("; it may be ip1 or ip")


TRIALS = "more than 10,000 trials"


@pytest.mark.parametrize(
    "keys",
    [
        {"set": {"a": list(range(10_001))}},
        {"set": {"a": list(range(5_001))}, "seeds": [1, 2]},
        {"set": {f"key{i}": list(range(100)) for i in range(10)}},
        {"methods": {"m": {"regularization": {"a": "auto"}, "points": 10**12}}},
        {"methods": {"m": {"prune": list(range(1, 5002))}}, "layers": {"a": "ip", "b": "ip"}},
    ],
    ids=["values", "seeds", "astronomical", "points", "sets of layers"],
)
def test_more_than_ten_thousand_are_refused_before_they_are_made(keys: dict[str, Any]) -> None:
    assert refused(**keys) == f"methods.{'m' if 'methods' in keys else 'net'}: {TRIALS}"


def test_ten_thousand_are_taken_together() -> None:
    assert len(made(set={"a": list(range(100)), "b": list(range(50))}, seeds=[1, 2])) == 5_000
    methods = {name: {"set": {"a": list(range(6_000))}} for name in ("x", "y")}
    assert refused(methods=methods) == f"methods.y: {TRIALS}"


def test_a_key_without_a_value_and_seeds_as_an_axis() -> None:
    assert refused(set={"base_lr": []}) == "base_lr: has no value"
    assert refused(set={"random_seed": [1, 2]}) == (
        "random_seed: is what seeds are for, or --seeds"
    )
