"""Whole files with blocks: read, overridden, merged; and whatever else a file may hold."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsenet.config.load import load_net, load_solver
from sparsenet.config.read import read_yaml, write_yaml
from sparsenet.errors import ConfigError

NET: dict[str, Any] = {
    "defaults": {"InnerProduct": {"bias_term": False, "weight_filler": {"type": "xavier"}}},
    "blocks": {
        "unit": {
            "keys": ["width", {"slope": 0.5}],
            "layers": [
                {"name": "ip", "type": "InnerProduct", "num_output": "$width"},
                {"name": "relu", "type": "ReLU", "negative_slope": "$slope"},
            ],
        },
        "residual": {
            "keys": ["width"],
            "layers": [
                {"block": "unit", "width": "$width"},
                {"name": "sum", "type": "Concat", "bottom": ["relu", "$bottom"]},
            ],
        },
    },
    "layers": [
        {"name": "in", "type": "Data", "source": "digits", "batch_size": 2},
        {"name": "first", "block": "unit", "width": 4, "slope": 0.1},
        {"name": "body", "block": "residual", "repeat": "0..2", "width": 4},
        {"name": "ip", "type": "InnerProduct", "num_output": 10},
        {"name": "loss", "type": "SoftmaxWithLoss"},
    ],
}
SOLVER = "max_iter: 1\nbase_lr: 1\n"


@pytest.fixture
def solver(tmp_path):
    (tmp_path / "net.yaml").write_text(write_yaml(NET))
    (tmp_path / "solver.yaml").write_text(f"net: net.yaml\n{SOLVER}")
    return tmp_path / "solver.yaml"


def layer(net, name):
    return next(layer for layer in net.layers if layer.name == name)


def refused(load, *arguments) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(*arguments)
    return [str(problem) for problem in caught.value.problems]


def test_the_merged_configuration_is_plain_and_makes_itself_again(solver, tmp_path):
    config = load_solver(solver)
    assert list(config.data["net"]) == ["layers"]
    assert len(config.solver.net.layers) == 14
    (tmp_path / "merged.yaml").write_text(write_yaml(config.data))
    again = load_solver(tmp_path / "merged.yaml")
    assert again == config
    assert read_yaml(tmp_path / "merged.yaml").data == config.data


def test_a_net_in_place_or_alone_is_the_same(solver, tmp_path):
    (tmp_path / "both.yaml").write_text(write_yaml({"net": NET}) + SOLVER)
    net = load_solver(solver).solver.net
    assert load_solver(tmp_path / "both.yaml").solver.net == net
    assert load_net(tmp_path / "net.yaml") == net


@pytest.mark.parametrize(
    ("argument", "widths"),
    [
        ("first.width=8", [8, 4, 4]),
        ("first/ip.num_output=8", [8, 4, 4]),
        ("body.width=8", [4, 8, 8]),
        ("body/1/ip.num_output=8", [4, 4, 8]),
        ("6.num_output=8", [4, 4, 8]),
    ],
)
def test_an_override_is_of_a_use_or_of_one_of_its_layers(solver, argument, widths):
    net = load_solver(solver, [f"net.layers.{argument}"]).solver.net
    names = ("first/ip", "body/0/ip", "body/1/ip")
    assert [layer(net, name).num_output for name in names] == widths


def test_overrides_are_of_templates_too(solver):
    arguments = [
        "net.defaults.InnerProduct.bias_term=true",
        "net.blocks.unit.keys=[width, slope: 2]",
        "net.layers.body.repeat=0..4",
    ]
    net = load_solver(solver, arguments).solver.net
    assert layer(net, "body/4/ip").bias_term is True
    assert layer(net, "body/4/relu").negative_slope == 2
    assert load_net(solver.parent / "net.yaml", [a.removeprefix("net.") for a in arguments]) == net


def test_an_override_that_is_wrong_names_itself(solver):
    assert refused(load_solver, solver, ["net.layers.body.width=0"]) == [
        "--set net.layers.body.width=0: net.layers.body/0/ip.num_output: 0 must be at least 1"
    ]
    assert refused(load_solver, solver, ["net.layers.body/0/ipp.num_output=5"]) == [
        "--set net.layers.body/0/ipp.num_output=5: net.layers: has no item 'body/0/ipp'; "
        "did you mean 'body/0/ip'?"
    ]


def test_the_solvers_regularization_is_of_the_plain_layers(solver):
    solver.write_text(solver.read_text() + "regularization: {body/1/ip: {type: l0, t: 5}}\n")
    assert layer(load_solver(solver).solver.net, "body/1/ip").regularization.t == 5
    assert refused(load_solver, solver, ["net.layers.body.block=residuall"]) == [
        "--set net.layers.body.block=residuall: net.layers.body.block: there is no block "
        "'residuall'; did you mean 'residual'?"
    ]


def test_blocks_nested_without_end_are_refused(tmp_path):
    blocks = {f"b{i}": {"layers": [{"block": f"b{i + 1}"}]} for i in range(500)}
    blocks["b500"] = {"layers": [{"name": "r", "type": "ReLU"}]}
    (tmp_path / "net.yaml").write_text(
        write_yaml({"blocks": blocks, "layers": [NET["layers"][0], {"block": "b0"}]})
    )
    [line] = refused(load_net, tmp_path / "net.yaml")
    assert line.endswith("blocks within blocks are more than 30 deep")


SCALARS = st.one_of(
    st.none(),
    st.integers(-2, 9),
    st.sampled_from(
        ["$width", "$bottom", "$x", "0..2", "unit", "residual", "relu", "in", "", "ReLU"]
    ),
    st.text(max_size=3),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["keys", "layers", "width", "name", "x"]), inner, max_size=3
        )
    ),
    max_leaves=4,
)


def paths(node: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    keys = node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    return [p for key in keys for p in [(*above, key), *paths(node[key], (*above, key))]]


@st.composite
def changed(draw) -> dict[str, Any]:
    data = copy.deepcopy(NET)
    for _ in range(draw(st.integers(1, 3))):
        *above, last = draw(st.sampled_from(paths(data)))
        node: Any = data
        for key in above:
            node = node[key]
        if draw(st.booleans()):
            node[last] = draw(VALUES)
        elif isinstance(node, list):
            node.append(copy.deepcopy(node[last]))
        else:
            key = draw(st.sampled_from(["width", "block", "repeat", "bottom", "name", "top"]))
            node[key] = draw(VALUES)
    return data


@given(changed())
@settings(max_examples=200, deadline=None)
def test_it_loads_and_loads_again_or_every_problem_names_its_place(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("net") / "net.yaml"
    path.write_text(write_yaml({"net": data, "max_iter": 1, "base_lr": 1}), encoding="utf-8")
    try:
        config = load_solver(path)
    except ConfigError as error:
        lines = str(error).splitlines()
        assert lines
        assert len(lines) == len(set(lines))
        assert all(line.startswith(f"{path}:") and line.isprintable() for line in lines)
        assert not any("Input should" in line for line in lines)
        return
    path.write_text(write_yaml(config.data), encoding="utf-8")
    assert load_solver(path) == config
