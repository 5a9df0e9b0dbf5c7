import json
from pathlib import Path

import jsonschema
import pytest

from sparsenet.cli.main import run
from sparsenet.config.load import Configuration
from sparsenet.config.net import NetConfig
from sparsenet.config.read import read_yaml
from sparsenet.config.schema import net_schema, solver_schema, sweep_schema
from sparsenet.config.solver import SolverConfig
from sparsenet.config.sweep import SweepConfig
from sparsenet.record import check_record

CONFIGS = sorted((Path(__file__).parents[2] / "configs").rglob("*.yaml"))
MALFORMED = Path(__file__).parent / "malformed"
NET = jsonschema.Draft202012Validator(net_schema())
SOLVER = jsonschema.Draft202012Validator(solver_schema())
SWEEP = jsonschema.Draft202012Validator(sweep_schema())
DATA = {"name": "in", "type": "Data", "source": "digits", "batch_size": 2}
RAMP = {"from": "50%", "to": 5, "over": 10}


def wrong(data) -> list[str]:
    validator = SWEEP if "solver" in data else NET if "layers" in data else SOLVER
    return ["/".join(map(str, error.absolute_path)) for error in validator.iter_errors(data)]


SCHEMAS = {"net": net_schema(), "solver": solver_schema(), "sweep": sweep_schema()}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_they_are_schemas(schema):
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_shipped_configurations_are_valid(path):
    assert wrong(read_yaml(path).data) == []


@pytest.mark.parametrize(("kind", "schema"), SCHEMAS.items())
def test_the_command_prints_them(kind, schema, capsys):
    assert run(["schema", kind]) == 0
    assert json.loads(capsys.readouterr().out) == schema


def test_solver_is_what_the_command_prints_by_default(capsys):
    assert run(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "sparsenet solver file"


LAYERS = [
    {"bottom": "data"},
    {"bottom": ["data"], "top": ["x"]},
    {"kernel_size": [3, 5], "stride": 2, "pad": [0, 1]},
    {"phase": "TRAIN"},
    {"phase": ["TRAIN", "TEST"]},
    {"include": {"phase": "TRAIN"}},
    {"include": [{"phase": "TRAIN"}, {"phase": "TEST"}]},
    {"param": [{"lr_mult": 1}, {"lr_mult": 2, "decay_mult": 0}]},
    {"weight_filler": {"type": "xavier", "variance_norm": "AVERAGE"}},
    {"regularization": {"type": "l0", "t": 5, "interval": 10, "group": "g"}},
    {"regularization": {"type": "l0", "t": "2.5%"}},
    {"regularization": {"type": "shrink", "strength": 0.1}},
    {"regularization": {"type": "l1"}, "bias_term": False},
]
KEYS = [
    {"stepvalue": 5, "lr_policy": "multistep", "gamma": 0.1},
    {"stepvalue": [5, 6], "lr_policy": "multistep", "gamma": 0.1},
    {"solver_mode": "GPU"},
    {"clip_gradients": -1},
    {"test_iter": None, "regularization": None},
    {"regularization": {"conv": {"t": 5}, "ip": {"type": "shrink", "delta": 1e-3}}},
    {"stages": [{"name": "a", "t": {"conv": 5}, "until": {"iters": 5}}, {"t": {"conv": RAMP}}]},
    {"stages": [{"t": {"conv": "5%"}, "until": {"accuracy": {"within": "0.5%", "of": "dense"}}}]},
    {"stages": [{"t": {"conv": {**RAMP, "shape": "linear"}}, "interval": 3}]},
    {"stages": [{"until": {"accuracy": {"within": 0.005, "of": 0.9}, "patience": 2}}]},
    {"stages": [{"until": {"accuracy": {"within": 0, "of": "98%"}}, "on_miss": "continue"}]},
]


def with_layer(**keys):
    layer = {"name": "conv", "type": "Convolution", "num_output": 4, "kernel_size": 3, **keys}
    return {"layers": [{**DATA, "split": 5}, layer, {"name": "loss", "type": "SoftmaxWithLoss"}]}


@pytest.mark.parametrize("keys", LAYERS, ids=str)
def test_every_way_to_write_a_layers_key_is_in_it(keys):
    data = with_layer(**keys)
    NetConfig.model_validate(data)
    assert wrong(data) == []


@pytest.mark.parametrize("keys", KEYS, ids=str)
def test_every_way_to_write_a_solvers_key_is_in_it(keys):
    data = {"net": with_layer(), "max_iter": 5, "base_lr": 0.1, **keys}
    SolverConfig.model_validate(data)
    assert wrong(data) == []
    assert wrong({**data, "net": "net.yaml"}) == []


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        ({"momentumm": 0.9}, ""),
        ({"momentum": 1}, "momentum"),
        ({"lr_policy": "inverse"}, "lr_policy"),
        ({"max_iter": "many"}, "max_iter"),
        ({"stepvalue": []}, "stepvalue"),
        ({"net": 5}, "net"),
        ({"regularization": {"conv": {"tt": 5}}}, "regularization"),
        ({"regularization": {"conv": {"t": 0}}}, "regularization"),
        ({"stages": {"t": {}}}, "stages"),
        ({"stages": [{"t": {"conv": {**RAMP, "form": 5}}}]}, "stages/0/t/conv"),
        ({"stages": [{"t": {"conv": "half"}}]}, "stages/0/t/conv"),
        ({"stages": [{"until": {"accuracy": {"within": 5}}}]}, "stages/0/until"),
    ],
    ids=str,
)
def test_mistakes_in_a_solver_are_marked_where_they_are(keys, place):
    assert wrong({"net": "net.yaml", "max_iter": 5, "base_lr": 0.1, **keys}) == [place]


@pytest.mark.parametrize(
    "keys",
    [
        {"type": "Convolutoin"},
        {"num_outputs": 5},
        {"kernel_size": 0},
        {"kernel_size": "big"},
        {"phase": "TRIAN"},
        {"bottom": []},
        {"param": {"lr_mult": 1}},
        {"weight_filler": {"std": 1}},
        {"weight_filler": "xavier"},
        {"regularization": {"type": "l0", "strength": 5}},
        {"regularization": {"t": 5}},
        {"regularization": {"type": "l0", "t": "5"}},
    ],
    ids=str,
)
def test_mistakes_in_a_layer_are_marked_there(keys):
    assert wrong(with_layer(**keys)) == ["layers/1"]


BLOCK = {
    "keys": ["width", {"filler": {"type": "xavier"}}],
    "layers": [
        {"name": "ip", "type": "InnerProduct", "num_output": "$width", "weight_filler": "$filler"},
        {"block": "other", "name": "o", "bottom": "$bottom", "width": "$width"},
    ],
}


@pytest.mark.parametrize(
    ("keys", "mistakes"),
    [
        ({"blocks": {"b": BLOCK}}, []),
        ({"blocks": {"b": {"layers": BLOCK["layers"]}}}, []),
        ({"defaults": {"InnerProduct": {"bias_term": False}, "ReLU": {}}}, []),
        ({"blocks": {"b": {**BLOCK, "key": []}}}, ["blocks/b"]),
        ({"blocks": {"b": {**BLOCK, "layers": [{"type": "ReLU"}]}}}, ["blocks/b/layers/0"]),
        ({"blocks": {"b": {**BLOCK, "keys": [5]}}}, ["blocks/b/keys/0"]),
        ({"defaults": {"InnerProduct": {"name": "x"}}}, ["defaults/InnerProduct"]),
        ({"defaults": {"InnerProduct": {"bias_term": 5}}}, ["defaults/InnerProduct/bias_term"]),
        ({"defaults": {"Inner": {}}}, ["defaults"]),
    ],
    ids=str,
)
def test_blocks_and_defaults_are_in_it(keys, mistakes):
    layers = [
        DATA,
        {"name": "a", "block": "b", "repeat": "0..2", "width": 5},
        *with_layer()["layers"],
    ]
    assert wrong({**keys, "layers": layers}) == mistakes
    net = {**keys, "layers": [DATA, {"block": "b", "repeat": 3}]}
    assert wrong(net) == [*mistakes, "layers/1"]


def test_a_record_without_its_type_is_not_taken_for_another():
    layers = [DATA, {"name": "x"}, {"name": "y", "type": "ReLU"}]
    assert wrong({"layers": layers}) == ["layers/1"]


RECORD_MISTAKES = [
    *(
        f"{folder}/{name}"
        for folder in ("solver", "net")
        for name in ("unknown-keys", "wrong-types")
    ),
    *(f"{folder}/{name}" for folder in ("solver", "net") for name in ("out-of-range", "words")),
    *("net/missing-keys", "net/no-layers", "net/empty-layers", "solver/missing-keys"),
    *("net/blocks-that-are-none", "net/blocks-that-are-a-list", "net/defaults", "net/block-uses"),
    *("stages/unknown-keys", "stages/wrong-types", "stages/accuracy-values"),
    *("regularization/keys-of-another-type", "regularization/not-mappings"),
]


@pytest.mark.parametrize("name", RECORD_MISTAKES)
def test_what_a_record_refuses_its_schema_refuses(name):
    data = read_yaml(MALFORMED / f"{name}.yaml").data
    validator = NET if name.startswith("net/") else SOLVER
    assert not validator.is_valid(data)


def test_merged_configurations_are_valid(solver, load):
    config = load(solver({"conv1": {"regularization": {"type": "l0", "t": 5}}}))
    assert isinstance(config, Configuration)
    assert wrong(config.data) == []


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        ({}, None),
        ({"seeds": 3, "figure": "sweep", "training_accuracy": True}, None),
        ({"seeds": [1, 2], "layers": {"a": "ip", "b": ["ip", "conv"]}}, None),
        ({"set": {"a.b": [1, 2]}, "methods": {"m": {"set": {"c": "x"}}}}, None),
        ({"methods": {"m": {"regularization": {"t": [5, "5%"]}, "threshold": 0}}}, None),
        ({"methods": {"m": {"prune": ["5%", 7]}, "n": {"prune": "5%"}}}, None),
        ({"seed": 1}, ""),
        ({"seeds": []}, "seeds"),
        ({"seeds": -1}, "seeds"),
        ({"figure": "fig6"}, "figure"),
        ({"layers": {"a": 5}}, "layers/a"),
        ({"methods": {"m": {"points": 1}}}, "methods/m/points"),
        ({"methods": {"m": {"prune": 0}}}, "methods/m/prune"),
        ({"methods": {"m": {"sett": {}}}}, "methods/m"),
    ],
    ids=str,
)
def test_a_sweep_is_checked_as_its_record_checks_it(keys, place):
    data = {"solver": "s.yaml", **keys}
    wrong_at = ["/".join(map(str, error.absolute_path)) for error in SWEEP.iter_errors(data)]
    assert wrong_at == ([] if place is None else [place])
    sweep, problems = check_record(SweepConfig, data)
    assert (sweep is None) == bool(problems) == (place is not None)
