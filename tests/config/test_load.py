import copy
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsenet.config.load import differing_keys, from_data, load_net, load_solver
from sparsenet.config.read import write_yaml
from sparsenet.errors import ConfigError

CONFIGS = Path(__file__).parents[2] / "configs"
SOLVERS = sorted(
    path for path in CONFIGS.glob("*/*.yaml") if "layers:" not in path.read_text(encoding="utf-8")
)

# examples/mnist/lenet_solver.prototxt of Caffe and lines of other shipped solvers, letter by letter
# but for the net, which is a YAML file.
LENET = """\
# The train/test net protocol buffer definition
net: "net.yaml"
# test_iter specifies how many forward passes the test should carry out.
test_iter: 100
# Carry out testing every 500 training iterations.
test_interval: 500
base_lr: 0.01
momentum: 0.9
weight_decay: 0.0005
# The learning rate policy
lr_policy: "inv"
gamma: 0.0001
power: 0.75
display: 100
max_iter: 10000
snapshot: 5000
snapshot_prefix: "examples/mnist/lenet"
# solver mode: CPU or GPU
solver_mode: CPU
"""
LINES = {
    'type: "Nesterov"': ("type", "Nesterov"),
    "solver_mode: GPU": ("solver_mode", "gpu"),
    'regularization_type: "L1"': ("regularization_type", "L1"),
    "clip_gradients: -1": ("clip_gradients", -1.0),
    "clip_gradients: 35": ("clip_gradients", 35.0),
    "test_initialization: false": ("test_initialization", False),
    "random_seed: 1701": ("random_seed", 1701),
    "iter_size: 2  # accumulate": ("iter_size", 2),
    "snapshot_prefix: 'a b'": ("snapshot_prefix", "a b"),
}
NET = """\
name: "tiny"
layers:
  - {name: in, type: Data, source: digits, batch_size: 2, split: 10%}
  - {name: ip1, type: InnerProduct, num_output: 10, regularization: {type: l0, t: 50, group: g}}
  - {name: ip2, type: InnerProduct, num_output: 10, regularization: {type: shrink, delta: 1}}
  - {name: accuracy, type: Accuracy, phase: [VAL, TEST]}
  - {name: loss, type: SoftmaxWithLoss, bottom: [ip2, label]}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "net.yaml").write_text(NET)
    return tmp_path


def load(folder, text, *overrides):
    path = folder / "solver.yaml"
    path.write_text(text)
    return load_solver(path, overrides)


BASE = "net: net.yaml\nmax_iter: 100\nbase_lr: 0.01\n"


def test_a_solver_of_caffe_is_taken_as_it_is(folder):
    solver = load(folder, LENET).solver
    assert (solver.lr_policy, solver.gamma, solver.power) == ("inv", 1e-4, 0.75)
    assert (solver.test_iter, solver.test_interval, solver.max_iter) == (100, 500, 10_000)
    assert (solver.momentum, solver.weight_decay, solver.base_lr) == (0.9, 5e-4, 0.01)
    assert (solver.snapshot, solver.display, solver.solver_mode) == (5_000, 100, "cpu")
    assert solver.snapshot_prefix == "examples/mnist/lenet"
    assert solver.net.name == "tiny"


@pytest.mark.parametrize("line", LINES)
def test_a_line_of_a_prototxt_is_taken_as_it_is(folder, line):
    key, value = LINES[line]
    assert getattr(load(folder, f"{BASE}{line}\n").solver, key) == value


def test_defaults_are_those_of_caffe_or_said(folder):
    solver = load(folder, BASE).solver
    assert (solver.type, solver.lr_policy, solver.regularization_type) == ("SGD", "fixed", "L2")
    assert (solver.weight_decay, solver.iter_size, solver.test_iter) == (0, 1, None)
    assert (solver.test_initialization, solver.solver_mode, solver.stages) == (True, "auto", ())


def test_stepvalue_is_one_number_or_several(folder):
    multistep = f"{BASE}lr_policy: multistep\ngamma: 0.1\n"
    assert load(folder, f"{multistep}stepvalue: 5\n").solver.stepvalue == (5,)
    assert load(folder, f"{multistep}stepvalue: [5, 9]\n").solver.stepvalue == (5, 9)


def test_gamma_below_zero_lets_the_sigmoid_fall(folder):
    solver = load(folder, f"{BASE}lr_policy: sigmoid\nstepsize: 50\ngamma: -0.1\n").solver
    assert solver.gamma == -0.1


def test_regularization_goes_over_the_layers_own(folder):
    text = f"{BASE}regularization:\n  ip1: {{t: 7}}\n  ip2: {{type: l1, weight_decay: 1e-3}}\n"
    loaded = load(folder, text)
    ip1, ip2 = loaded.solver.net.layers[1:3]
    assert (ip1.regularization.t, ip1.regularization.group) == (7, "g")
    assert ip2.regularization.model_dump() == {"type": "l1", "weight_decay": 1e-3}
    assert "regularization" not in loaded.data
    assert loaded.data["net"]["layers"][1]["regularization"] == {"type": "l0", "t": 7, "group": "g"}


def test_the_same_type_again_keeps_the_layers_other_keys(folder):
    loaded = load(folder, f"{BASE}regularization: {{ip1: {{type: l0, interval: 5}}}}\n")
    assert loaded.solver.net.layers[1].regularization.t == 50


def test_the_command_line_goes_over_the_solver_which_goes_over_the_net(folder):
    text = f"{BASE}regularization: {{ip1: {{t: 7, interval: 5}}}}\n"
    rule = load(folder, text, "regularization.ip1.t=8").solver.net.layers[1].regularization
    assert (rule.t, rule.interval, rule.group) == (8, 5, "g")
    rule = load(folder, text, "net.layers.ip1.regularization.velocity=clear").solver.net.layers[1]
    assert rule.regularization.velocity == "clear"
    assert rule.regularization.t == 7


def test_a_star_in_a_name_is_any_text(folder):
    text = BASE + "regularization: {'*': {type: l2}, 'i*2': {weight_decay: 0.5}}\n"

    def decays(*arguments):
        rules = [
            layer.regularization for layer in load(folder, text, *arguments).solver.net.layers[1:3]
        ]
        return [(rule.type, rule.weight_decay) for rule in rules]

    assert decays() == [("l2", None), ("l2", 0.5)]
    assert decays("regularization.ip1.weight_decay=1") == [("l2", 1), ("l2", 0.5)]
    # Said last, it goes over all.
    assert decays("regularization.ip*.weight_decay=2") == [("l2", 2), ("l2", 2)]
    # Said in its place, it stays under what the file says after it.
    assert decays("regularization.*.weight_decay=3") == [("l2", 3), ("l2", 0.5)]


def test_what_is_wrong_with_several_layers_alike_is_told_once(folder):
    names = "  '*':\n    type: l1\n    t: 5\n  'i[*': {type: l1}\n  ip: {}\n"
    text = f"{BASE}regularization:\n{names}"
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    place = folder / "solver.yaml"
    last = len(text.splitlines())
    assert str(caught.value).splitlines() == [
        f"{place}:{last - 2}: regularization.*.t: unknown key; it may be type or weight_decay",
        f"{place}:{last - 1}: regularization.i[*: the net has no layer 'i[*' with weights; "
        "it may be ip1 or ip2",
        f"{place}:{last}: regularization.ip: the net has no layer 'ip' with weights; "
        "did you mean 'ip2'?",
    ]


def test_the_net_is_found_beside_the_solver_file(folder, monkeypatch):
    (folder / "nets").mkdir()
    (folder / "net.yaml").rename(folder / "nets" / "a.yaml")
    monkeypatch.chdir("/")
    assert load(folder, BASE.replace("net.yaml", "nets/a.yaml")).solver.net.name == "tiny"


def test_a_net_with_l0_may_leave_its_t_to_the_solver(folder):
    net = NET.replace("t: 50, ", "")
    (folder / "net.yaml").write_text(net)
    assert load_net(folder / "net.yaml").layers[1].regularization.t is None
    stages = "stages: [{t: {g: 5}}]\n"
    assert load(folder, BASE + stages).solver.stages[0].t == {"g": 5}
    with pytest.raises(ConfigError) as caught:
        load(folder, BASE)
    line = "net.yaml:4: net.layers.ip1.regularization.t: is missing, here and in every stage"
    assert str(caught.value) == f"{folder}/{line}"


def test_load_net_takes_overrides(folder):
    net = load_net(
        folder / "net.yaml", ["layers.ip1.num_output=3", "layers.ip1.regularization.t=9"]
    )
    assert (net.layers[1].num_output, net.layers[1].regularization.t) == (3, 9)


@pytest.mark.parametrize(
    "path", SOLVERS, ids=[f"{path.parent.name}/{path.stem}" for path in SOLVERS]
)
def test_shipped_configurations_load_and_make_themselves_again(path, tmp_path):
    first = load_solver(path)
    written = tmp_path / "config.yaml"
    written.write_text(write_yaml(first.data), encoding="utf-8")
    again = load_solver(written)
    assert again == first
    assert differing_keys(first.data, again.data) == []


COUNTS = st.integers(1, 640) | st.sampled_from(["1%", "2.5%", "100%", "33.3333%"])
RAMPS = st.builds(
    lambda to, over, shape: {"from": "100%", "to": to, "over": over, "shape": shape},
    COUNTS,
    st.integers(1, 50),
    st.sampled_from(["linear", "cubic", "geometric"]),
)
GOALS = st.fixed_dictionaries(
    {"within": st.sampled_from(["0.5%", 0.25, 0, "100%"])},
    optional={"of": st.sampled_from(["dense", 0.9, "97.5%", 1])},
)
UNTILS = st.integers(1, 20).map(lambda n: {"iters": n}) | st.fixed_dictionaries(
    {"accuracy": GOALS},
    optional={"patience": st.integers(1, 3), "max_iters": st.integers(50, 60)},
)
STAGES = st.lists(
    st.fixed_dictionaries(
        {"until": UNTILS},
        optional={"name": st.text(min_size=1, max_size=5), "t": st.just({"g": "50%"})},
    ),
    max_size=3,
)
OVERRIDES = st.fixed_dictionaries(
    {},
    optional={
        "ip1": st.fixed_dictionaries({"t": COUNTS}, optional={"interval": st.integers(1, 200)}),
        "ip2": st.sampled_from([{"type": "l2"}, {"delta": 1e-7}, {"type": "l0", "t": "3%"}]),
    },
)


@given(STAGES, st.none() | RAMPS, OVERRIDES, st.lists(st.sampled_from(["a", "b", "c"])))
@settings(max_examples=40, deadline=None)
def test_the_merged_configuration_makes_itself_again(tmp_path_factory, stages, ramp, layers, sets):
    folder = tmp_path_factory.getbasetemp() / "again"
    folder.mkdir(exist_ok=True)
    (folder / "net.yaml").write_text(NET)
    if ramp is not None:
        stages = [*stages, {"t": {"g": ramp}}]
    solver = {"net": "net.yaml", "max_iter": 200, "base_lr": 1e-4, "test_interval": 1}
    solver |= {"stages": stages, "regularization": layers}
    arguments = {"a": "regularization.ip1.t=3", "b": "net.name=1e-4x", "c": "snapshot_prefix=no"}
    first = load(folder, write_yaml(solver), *[arguments[each] for each in sets])
    assert load(folder, write_yaml(first.data)) == first
    assert from_data(first.data, "a.pt") == first


def test_what_is_checked_is_not_changed(folder):
    data = load(folder, BASE).data
    before = copy.deepcopy(data)
    changed = from_data(data, "a.pt", ["regularization.ip2={type: l0, t: 5}"])
    assert data == before
    assert changed.solver.net.layers[2].regularization.t == 5


def test_a_checkpoint_with_a_foreign_configuration_is_named():
    with pytest.raises(ConfigError) as caught:
        from_data({"net": [1], "regularization": {"a": 1}, 5: 5}, "old.pt")
    assert {str(problem) for problem in caught.value.problems} >= {
        "old.pt: net: [1] is not a mapping of keys to values",
        "old.pt: max_iter: is missing",
    }


@pytest.mark.parametrize(
    ("one", "other", "keys"),
    [
        ({}, {}, []),
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2, "b": 3}, ["a", "b"]),
        ({"a": None}, {}, []),
        ({"b": {"c": 1, "d": 2}}, {"b": {"c": 1, "d": 3}}, ["b.d"]),
        ({"b": {"c": 1}}, {"b": 5}, ["b"]),
        ({"l": [1, 2]}, {"l": [1, 3]}, ["l.1"]),
        ({"l": [1, 2]}, {"l": [1]}, ["l"]),
        ({"l": [{"name": "x", "n": 1}]}, {"l": [{"name": "x", "n": 2}]}, ["l.x.n"]),
        ({"l": [{"n": 1}]}, {"l": [{"n": 2}]}, ["l.0.n"]),
        ({"l": [{"name": "x"}]}, {"l": [{"name": "y"}]}, ["l.x.name"]),
    ],
)
def test_differing_keys(one, other, keys):
    assert differing_keys(one, other) == keys
    assert len(differing_keys(other, one)) == len(keys)
