"""What a search will do: its candidates' configurations, and the targets that cannot be met."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from sparsenet.checkpoint import Checkpoint, save_checkpoint
from sparsenet.config.load import Configuration, from_data
from sparsenet.errors import ConfigError
from sparsenet.packed.file import packed_bytes
from sparsenet.studies.plan import Plan, SearchOptions
from sparsenet.studies.strategies import STRATEGIES, Counts, Found
from sparsenet.workflows.build import build_net
from tests.small import configured, inner_product, net_data
from tests.studies.fakes import result
from tests.workflows.packing import packed_with

SIZES = {"ip1": 8 * 64, "ip": 10 * 8}
BIASES = 4 * (8 + 10)
# By hand, ceil(N/8) + 4 t or 8 t, whichever is less: 8 bytes for one weight, 320 for 80 of 80.
LEAST = (2 + 4) + (1 + 4) + BIASES


def small(
    ip1: dict[str, Any] | None = None, ip: dict[str, Any] | None = None, **keys: Any
) -> Configuration:
    layers = [inner_product("ip1", 8, **(ip1 or {})), inner_product("ip", 10, **(ip or {}))]
    return configured(net_data(*layers, split=100), **keys)


def plan(configuration: Configuration, **options: Any) -> Plan:
    flags = ("nonzeros", "density", "ratio", "budget")
    target = {flag: options.pop(flag, None) for flag in flags}
    if not any(target.values()):
        target["density"] = "50%"
    return Plan(configuration, SearchOptions(target, **options))


def refused(configuration: Configuration, **options: Any) -> str:
    with pytest.raises(ConfigError) as raised:
        plan(configuration, **options)
    return str(raised.value)


def l0(**keys: Any) -> dict[str, Any]:
    return {"regularization": {"type": "l0", **keys}}


def candidate(made: Plan, counts: Counts, *, shared: bool = False) -> dict[str, Any]:
    return made.candidate(made.first(), "round 1", counts, shared=shared).data


def rules(data: dict[str, Any]) -> dict[str, Any]:
    weighted = [layer for layer in data["net"]["layers"] if layer["name"] in SIZES]
    return {layer["name"]: layer.get("regularization") for layer in weighted}


def description(refusal: str) -> int:
    """What a packed file's description takes, as a refusal says."""
    found = re.search(r"and ([\d,]+) bytes are the file's description$", refusal)
    assert found is not None
    return int(found[1].replace(",", ""))


def test_an_infeasible_target_is_refused_with_what_is_least() -> None:
    words = f"comes to 2 nonzero weights and {LEAST} B"
    assert refused(small(), nonzeros="1") == (
        f"--nonzeros 1: cannot be met: one weight a layer {words}"
    )
    above = description(refused(small(), budget="1"))
    assert refused(small(), budget=str(LEAST + above - 1)) == (
        f"--budget {LEAST + above - 1}: cannot be met: one weight a layer {words}, {BIASES} B of "
        f"them for biases and the like, and {above:,} bytes are the file's description"
    )
    assert plan(small(), nonzeros="2").target.met(plan(small()).size({"ip1": 1, "ip": 1}))
    plan(small(), budget=str(LEAST + above))
    dense = 4 * sum(SIZES.values()) + BIASES
    plan(small(), ratio=f"{math.floor(100 * dense / LEAST) / 100}")
    assert "cannot be met" in refused(small(), ratio=f"{math.ceil(100 * dense / LEAST) / 100}")


def test_the_description_of_no_candidate_is_larger_than_a_budget_counts() -> None:
    # Of many layers, each with a rule of its own that the configuration does not have yet.
    layers = [inner_product(f"layer{place}", 30 + place) for place in range(30)]
    made = plan(configured(net_data(*layers, inner_product("ip", 10), split=100)), budget="10MiB")
    counts = {name: size - 3 * place - 1 for place, (name, size) in enumerate(made.sizes.items())}
    packed = packed_with(from_data(candidate(made, counts), "candidate"), counts)
    described = len(packed_bytes(packed)) - packed.payload_bytes
    assert described <= made.target.description < described + 768


def test_layers_left_out_of_the_search_count_as_they_are() -> None:
    words = "one weight a layer, with ip as they are, comes to 81 nonzero weights and "
    least = 6 + 320 + BIASES
    said = refused(small(), layers="ip1", budget=str(least))
    assert f"{words}{least} B" in said
    plan(small(), layers="ip1", budget=str(least + description(said)))
    plan(small(), layers="ip1", nonzeros="81")
    assert "cannot be met" in refused(small(), layers="ip1", nonzeros="80")


def test_a_layer_left_out_counts_by_its_own_l0() -> None:
    constrained = small(ip=l0(t=5))
    made = plan(constrained, layers="ip1", nonzeros="6")
    assert made.size({"ip1": 512}).nonzeros == 517
    assert made.dense.weights == 592
    # ip: 5 places of a byte, or 5 gaps and 5 skips at most of half a byte; and 4 * 5.
    least = 6 + 25 + BIASES
    assert f"6 nonzero weights and {least} B" in refused(
        constrained, layers="ip1", budget=str(least)
    )


def test_scales_and_statistics_count_in_bytes() -> None:
    layers = [inner_product("ip1", 8), {"name": "bn", "type": "BatchNormScale"}]
    net = net_data(*layers, inner_product("ip", 10), split=100)
    least = LEAST + 4 * 4 * 8  # scale, shift, mean and variance of eight
    words = f"{BIASES + 128} B of them for biases and the like"
    said = refused(configured(net), budget=str(least))
    assert words in said
    plan(configured(net), budget=str(least + description(said)))


def test_the_target_is_one_of_four() -> None:
    with pytest.raises(ConfigError, match=r"^give one of --nonzeros, --density"):
        Plan(small(), SearchOptions({"nonzeros": None, "density": None}))
    assert refused(small(), nonzeros="3", density="5%").endswith("exclude each other")


POLICIES: list[tuple[dict[str, Any], float]] = [
    ({}, 0.5),
    ({"lr_policy": "step", "gamma": 0.5, "stepsize": 4}, 0.5 * 0.5**2),  # 9 // 4
    ({"lr_policy": "step", "gamma": 0.5, "stepsize": 10}, 0.5),
    ({"lr_policy": "exp", "gamma": 0.9}, 0.5 * 0.9**9),
    ({"lr_policy": "inv", "gamma": 0.1, "power": 2.0}, 0.5 / 1.9**2),
    ({"lr_policy": "multistep", "gamma": 0.1, "stepvalue": [3, 9]}, 0.5 * 0.01),
    ({"lr_policy": "multistep", "gamma": 0.1, "stepvalue": [3, 10]}, 0.5 * 0.1),
    ({"lr_policy": "poly", "power": 2.0}, 0.5 * 0.1**2),
    (
        {"lr_policy": "sigmoid", "gamma": -0.5, "stepsize": 5},
        0.5 / (1 + math.exp(0.5 * 4)),
    ),
]


@pytest.mark.parametrize(("keys", "last"), POLICIES, ids=lambda it: str(it)[:60])
def test_a_candidate_learns_at_the_rate_of_the_solvers_last_update(
    keys: dict[str, Any], last: float
) -> None:
    made = plan(small(base_lr=0.5, max_iter=10, **keys), iters=7)
    data = candidate(made, {"ip1": 400, "ip": 80})
    assert data["base_lr"] == pytest.approx(last, rel=1e-12)
    assert (data["lr_policy"], data["max_iter"], data["test_interval"]) == ("fixed", 7, 0)
    assert not {"gamma", "power", "stepsize", "stepvalue", "stages"} & data.keys()
    assert plan(small(**keys), base_lr=0.125).settings()["base_lr"] == 0.125


def test_a_last_rate_that_teaches_nothing_is_refused() -> None:
    falling = {"lr_policy": "step", "gamma": 0.1, "stepsize": 2, "base_lr": 0.5, "max_iter": 10}
    words = "--base-lr: is missing: the last of SOLVER is 5e-05, too small to train candidates with"
    assert refused(small(**falling)) == words
    assert plan(small(**falling), base_lr=0.1).base_lr == 0.1
    assert plan(small(**falling | {"stepsize": 3})).base_lr == pytest.approx(5e-4)


def test_only_what_is_cut_is_constrained() -> None:
    data = candidate(plan(small(weight_decay=0.01)), {"ip1": 300, "ip": 80})
    assert rules(data) == {"ip1": {"type": "l0", "weight_decay": 0.01, "t": 300}, "ip": None}
    assert from_data(data, "again").data == data


def test_the_solvers_own_l0_is_replaced_and_its_decay_and_interval_kept() -> None:
    own = l0(t=50, interval=5, velocity="clear", weight_decay=0.02, group="g")
    made = plan(small(ip1=own, ip={"regularization": {"type": "l1", "weight_decay": 0.1}}))
    first = made.first()
    assert first.start is None
    assert rules(first.data)["ip1"] == {"type": "l2", "weight_decay": 0.02}
    found = rules(candidate(made, {"ip1": 400, "ip": 40}))
    kept = {"interval": 5, "velocity": "clear", "weight_decay": 0.02}
    assert found == {"ip1": {"type": "l0", "t": 400, **kept}, "ip": {"type": "l0", "t": 40}}


def test_stages_are_left_out() -> None:
    stages = [{"t": {"ip1": 100}, "until": {"iters": 5}}]
    assert "stages" not in plan(small(ip1=l0(), stages=stages)).first().data


def test_layers_that_are_not_searched_stay_as_they_are() -> None:
    made = plan(small(ip=l0(t=7, interval=3)), layers="ip1")
    assert list(made.shapes) == ["ip1"]
    kept = {"type": "l0", "t": 7, "interval": 3}
    assert rules(made.first().data) == {"ip1": None, "ip": kept}
    assert rules(candidate(made, {"ip1": 10}))["ip"] == kept


def test_one_ball_for_all_layers_takes_their_counts_together() -> None:
    own = l0(interval=5, t=9)
    data = candidate(plan(small(ip1=own, ip=l0(t=3))), {"ip1": 512, "ip": 40}, shared=True)
    rule = {"type": "l0", "interval": 5, "velocity": "keep", "group": "all", "t": 552}
    assert rules(data) == {"ip1": rule, "ip": rule}
    assert rules(candidate(plan(small()), SIZES, shared=True))["ip"]["t"] == 592


def test_a_given_net_is_measured_and_not_trained(tmp_path: Path) -> None:
    path, configuration = tmp_path / "net.pt", small()
    weights = build_net(configuration.solver.net, 0, torch.device("cpu")).weights()
    save_checkpoint(path, Checkpoint(config=configuration.data, iter=1, weights=weights))
    trial = plan(configuration, weights=path).first()
    assert (trial.start, trial.trains, trial.updates) == (path, False, 0)
    wider = configured(net_data(inner_product("ip", 12), split=100))
    assert refused(wider, weights=path).startswith(f"--weights {path}: ")


def test_a_candidate_starts_from_the_network_before_it() -> None:
    made = plan(small(), iters=9)
    one = made.candidate(made.first(), "one", {"ip1": 400, "ip": 80}, shared=False)
    assert one.start == made.first()
    assert (one.label, one.updates) == ("one", 9)


def test_validation_data_and_an_accuracy_are_needed() -> None:
    net = net_data(inner_product("ip", 10))
    assert refused(configured(net)) == (
        "small: a search chooses by validation accuracy: give the Data layer of phase TRAIN a split"
    )
    net = net_data(inner_product("ip", 10), split=100)
    net["layers"] = [layer for layer in net["layers"] if layer["type"] != "Accuracy"]
    assert refused(configured(net)) == (
        "small: a search chooses by validation accuracy: the net has no Accuracy for TEST or VAL"
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cut": "0%"}, "--cut 0%: is not a percentage above 0% and below 100%, such as 20%"),
        ({"cut": "100%"}, "--cut 100%: is not a percentage above 0% and below 100%, such as 20%"),
        ({"cut": "0.2"}, "--cut 0.2: is not a percentage above 0% and below 100%, such as 20%"),
        ({"strategy": "greedi"}, "--strategy greedi: there is none such; did you mean 'greedy'?"),
        ({"layers": "ip1,ip2"}, "--layers ip1,ip2: the net has no layer 'ip2' with weights"),
        ({"layers": ""}, "--layers : the net has no layer '' with weights; it may be ip1 or ip"),
        ({"layers": "relu"}, "--layers relu: the net has no layer 'relu' with weights"),
    ],
)
def test_other_flags_are_refused_by_name(options: dict[str, str], words: str) -> None:
    assert refused(small(), **options).startswith(words)


def test_what_remains_is_a_round_of_all_layers_till_the_target() -> None:
    made = plan(small(), nonzeros="500", iters=7)
    greedy = STRATEGIES["greedy"](made.cut)
    dense = Found(made.first(), dict(SIZES), "", result(SIZES, SIZES))
    # ip1: 512 and 409, and 409 + 80 <= 500.
    assert made.remaining(greedy, dense) == (2, 14)
    few = plan(small(), nonzeros="2")
    trials, updates = few.remaining(STRATEGIES["uniform"](few.cut), dense)
    assert (trials, updates) == (23, 23 * 500)  # 512, 409, 327, ... to 1
