import copy

import pytest

from sparsenet.config.load import Configuration, load_solver
from sparsenet.errors import ConfigError

L0 = {"conv1": {"regularization": {"type": "l0", "t": 20}}}


def values(data, *path):
    for part in path:
        data = data[part]
    return data


@pytest.mark.parametrize(
    ("argument", "path", "value"),
    [
        ("base_lr=1e-4", ("base_lr",), 1e-4),
        ("momentum=.5", ("momentum",), 0.5),
        ("test_initialization=false", ("test_initialization",), False),
        ("snapshot_prefix=no", ("snapshot_prefix",), "no"),
        ("snapshot_prefix=a=b", ("snapshot_prefix",), "a=b"),
        ("snapshot_prefix='007'", ("snapshot_prefix",), "007"),
        ("test_iter=", ("test_iter",), None),
        ("net.name=other", ("net", "name"), "other"),
        ("net.layers.ip1.num_output=20", ("net", "layers", 3, "num_output"), 20),
        ("net.layers.3.num_output=20", ("net", "layers", 3, "num_output"), 20),
        (
            "net.layers.conv1.weight_filler.variance_norm=FAN_OUT",
            ("net", "layers", 1, "weight_filler"),
            {"type": "xavier", "variance_norm": "FAN_OUT"},
        ),
        (
            "net.layers.conv1.weight_filler={type: msra}",
            ("net", "layers", 1, "weight_filler"),
            {"type": "msra"},
        ),
        ("stages.0.until.iters=50", ("stages", 0, "until"), {"iters": 50}),
        ("stages.first.until.iters=50", ("stages", 0, "until"), {"iters": 50}),
        ("stages.1.t.conv1=5", ("stages", 1, "t"), {"conv1": 5}),
        ("net.layers.conv1.param=[{lr_mult: 0}]", ("net", "layers", 1, "param", 0, "lr_mult"), 0),
        ("regularization.conv1.t=9", ("net", "layers", 1, "regularization", "t"), 9),
        ("regularization.conv1.t=9%", ("net", "layers", 1, "regularization", "t"), "9%"),
        (
            "regularization.conv1={type: l1}",
            ("net", "layers", 1, "regularization"),
            {"type": "l1"},
        ),
    ],
)
def test_what_they_set(solver, load, argument, path, value):
    stages = [{"name": "first", "until": {"iters": 1}}, {"t": {}}]
    # A stage may only name what has l0.
    data = solver(L0, stages=stages if not argument.endswith("l1}") else [])
    before = copy.deepcopy(data)
    config = load(data, argument)
    assert isinstance(config, Configuration), config
    assert values(config.data, *path) == value
    assert data == before


def test_the_last_one_wins_and_a_whole_goes_over_its_parts(solver, load):
    config = load(solver(), "base_lr=1", "base_lr=2", "net.layers.ip1.param=[{lr_mult: 3}]")
    config = load(config.data, "net.layers.ip1.param.0.lr_mult=4")
    assert config.solver.base_lr == 2
    assert config.solver.net.layers[3].multipliers(0).lr_mult == 4


def test_all_items_of_a_name_are_set(solver, load):
    data = solver()
    test = {**data["net"]["layers"][0], "phase": "TEST"}
    data["net"]["layers"][0]["phase"] = "TRAIN"
    data["net"]["layers"].insert(1, test)
    config = load(data, "net.layers.digits.batch_size=7")
    assert [layer.batch_size for layer in config.solver.net.layers[:2]] == [7, 7]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("base_lr", "must be KEY.PATH=VALUE"),
        ("=5", "must be KEY.PATH=VALUE"),
        ("net..name=5", "must be KEY.PATH=VALUE"),
        (".net=5", "must be KEY.PATH=VALUE"),
        ("net.layers.ip.num_output=5", "net.layers: has no item 'ip'; did you mean 'ip1'?"),
        (
            "net.layers.9.num_output=5",
            "net.layers: has no item '9'; it may be digits, conv1, pool1, ip1, accuracy or loss",
        ),
        ("net.layers.-1.num_output=5", None),
        ("stages.0.t.ip1=5", "stages: has no item '0'"),
        ("base_lr.x=5", "base_lr: 0.01 has no keys"),
        ("net.layers.ip1.num_output.x=5", "net.layers.ip1.num_output: 10 has no keys"),
        ("momentumm=0.9", "momentumm: unknown key; did you mean 'momentum'?"),
        ("regularisation.conv1.t=3", "regularisation: unknown key; did you mean 'regularization'?"),
        ("base_lr=fast", "base_lr: 'fast' is not a number"),
        ("net.layers.ip1.num_output=0", "net.layers.ip1.num_output: 0 must be at least 1"),
        ("momentum=[1", "momentum: not YAML: while parsing a flow sequence, expected ',' or ']', "),
        ("momentum={a: 1, a: 2}", "momentum.a: repeated key, first given in line 1; several "),
        ("momentum=!x 5", "momentum: the tag !x is not allowed"),
        ("regularization.conv1.t=37", "regularization.conv1.t: 37 is more than the 36 weights"),
        ("regularization.conv3.t=3", "regularization.conv3: the net has no layer 'conv3' with "),
        ("regularization.pool1.t=3", "regularization.pool1: a Pooling layer has no weights"),
        ("net=other.yaml", "net: 'other.yaml' is not a mapping of keys to values"),
        ("base_lr=-1\n", "base_lr: -1 must be greater than 0"),
    ],
)
def test_what_cannot_be_set(solver, load, argument, message):
    found = load(solver(L0, stages=[]), argument)
    assert len(found) == 1
    place = f"--set {argument}".replace("\n", r"\n")
    assert found[0].startswith(f"{place}: {message or ''}"), found


def test_all_of_their_problems_are_told_beside_those_of_the_file(solver, load):
    data = solver(momentumm=1)
    arguments = ["x", "net.layers.ipp.bias_term=true", "base_lr.y=1", "max_iter=-3", "net.nme=n"]
    assert load(data, *arguments) == [
        "a.pt: momentumm: unknown key; did you mean 'momentum'?",
        "--set x: must be KEY.PATH=VALUE",
        "--set net.layers.ipp.bias_term=true: net.layers: has no item 'ipp'; did you mean 'ip1'?",
        "--set base_lr.y=1: base_lr: 0.01 has no keys",
        "--set max_iter=-3: max_iter: -3 must be greater than 0",
        "--set net.nme=n: net.nme: unknown key; did you mean 'name'?",
    ]


def test_another_net_file_is_read_before_its_keys_are_set(tmp_path):
    (tmp_path / "small.yaml").write_text(NET_FILE.format(1))
    (tmp_path / "large.yaml").write_text(NET_FILE.format(9))
    (tmp_path / "solver.yaml").write_text("net: small.yaml\nmax_iter: 1\nbase_lr: 1\n")
    solver = tmp_path / "solver.yaml"
    net = load_solver(solver, ["net.layers.ip.bias_term=false", "net=large.yaml"]).solver.net
    assert (net.layers[1].num_output, net.layers[1].bias_term) == (9, False)
    with pytest.raises(ConfigError) as caught:
        load_solver(solver, ["net=larg.yaml", "net.layers.ip.bias_term=false"])
    assert str(caught.value) == (
        f"--set net=larg.yaml: net: no file {tmp_path}/larg.yaml; did you mean 'large.yaml'?"
    )


def test_items_set_together_are_set_apart_later(solver, load):
    data = solver()
    data["net"]["layers"][0]["phase"] = "TRAIN"
    data["net"]["layers"].insert(1, {**data["net"]["layers"][0], "phase": "TEST"})
    config = load(data, "net.layers.digits.transform={scale: 2}", "net.layers.1.transform.scale=3")
    assert [layer.transform.scale for layer in config.solver.net.layers[:2]] == [2, 3]


def test_a_name_goes_before_a_number(solver, load):
    data = solver({"pool1": {"name": "0"}})
    assert load(data, "net.layers.0.kernel_size=3").solver.net.layers[2].kernel_size == (3,)


def test_what_stood_in_the_file_is_not_named_for_what_stands_over_it(tmp_path):
    (tmp_path / "net.yaml").write_text(NET_FILE.format(4))
    (tmp_path / "solver.yaml").write_text(
        "net:\n  net.yaml\nmax_iter: 1\nbase_lr: 1\nstages: [{}]\n"
    )
    arguments = ["net.layers.in={name: in, type: Data, source: digit}", "stages=[{nam: a}]"]
    with pytest.raises(ConfigError) as caught:
        load_solver(tmp_path / "solver.yaml", arguments)
    assert [str(problem) for problem in caught.value.problems] == [
        f"--set {arguments[0]}: net.layers.in.source: 'digit' is not digits, MNIST, FashionMNIST, "
        "KMNIST, CIFAR10, CIFAR100, SVHN, ImageFolder or lmdb; did you mean 'digits'?",
        f"--set {arguments[0]}: net.layers.in.batch_size: is missing",
        f"--set {arguments[1]}: stages.0.nam: unknown key; did you mean 'name'?",
    ]


def test_a_value_set_over_a_broken_one_mends_it(tmp_path):
    (tmp_path / "net.yaml").write_text(NET_FILE.format(4))
    (tmp_path / "solver.yaml").write_text("net: net.yaml\nmax_iter: 1\nbase_lr: fast\n")
    config = load_solver(tmp_path / "solver.yaml", ["base_lr=0.5"])
    assert config.solver.base_lr == 0.5


NET_FILE = """\
layers:
  - {{name: in, type: Data, source: digits, batch_size: 2}}
  - {{name: ip, type: InnerProduct, num_output: {}}}
  - {{name: loss, type: SoftmaxWithLoss}}
"""
