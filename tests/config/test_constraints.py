from pathlib import Path

from sparsenet.config.constraints import declared_balls, layer_problems, weight_shapes
from sparsenet.config.net import NetConfig
from sparsenet.config.read import read_yaml
from sparsenet.regularization.schedule import Ball

NET = Path(__file__).parent / "malformed" / "net.yaml"


def net(**rules) -> NetConfig:
    data = read_yaml(NET).data
    for layer in data["layers"]:
        if layer["name"] in rules:
            layer["regularization"] = {"type": "l0", **rules[layer["name"]]}
    return NetConfig.model_validate(data)


def test_weights_have_the_shapes_of_their_layers():
    shapes = {name: shape for name, (_, shape) in weight_shapes(net()).items()}
    assert shapes == {"conv1": (4, 1, 3, 3), "ip1": (10, 36)}


def test_a_net_without_l0_has_no_balls():
    assert declared_balls(net()) == []


def test_each_layer_has_its_own_ball():
    assert declared_balls(net(conv1={"t": 7, "interval": 3}, ip1={})) == [
        Ball("conv1", ("conv1.weight",), 36, 7, 3, "keep"),
        Ball("ip1", ("ip1.weight",), 360, None, 100, "keep"),
    ]


def test_a_group_is_one_ball_and_its_t_may_stand_in_any_of_its_layers():
    rule = {"group": "all", "velocity": "clear"}
    ball = Ball("all", ("conv1.weight", "ip1.weight"), 396, 39, 100, "clear")
    assert declared_balls(net(conv1=rule, ip1={**rule, "t": "10%"})) == [ball]
    assert declared_balls(net(conv1={**rule, "t": "10%"}, ip1=rule)) == [ball]
    assert layer_problems(net(conv1=rule, ip1={**rule, "t": "10%"})) == []


def test_a_t_is_checked_against_all_weights_of_its_ball():
    assert layer_problems(net(ip1={"t": 360})) == []
    assert layer_problems(net(conv1={"t": 396, "group": "all"}, ip1={"group": "all"})) == []
    path = ("layers", 1, "regularization", "t")
    assert layer_problems(net(conv1={"t": 37})) == [
        (path, "37 is more than the 36 weights there are")
    ]


def test_a_disagreement_is_found_where_the_first_layer_says_nothing():
    config = net(conv1={"group": "g"}, ip1={"group": "g", "t": 5, "interval": 7})
    path = ("layers", 3, "regularization", "interval")
    words = "7 differs from the 100 of conv1, which shares group 'g'"
    assert layer_problems(config) == [(path, words)]


def test_a_group_of_the_name_of_a_layer_would_be_ambiguous():
    words = "'ip1' is the name of a layer already"
    assert layer_problems(net(conv1={"group": "ip1"})) == [
        (("layers", 1, "regularization", "group"), words)
    ]
    assert layer_problems(net(conv1={"group": "pool1"})) == []
