"""Which layers are in which net, of one file and of two, and of older formats."""

from __future__ import annotations

import pytest

from sparsenet.caffe.caffe_pb2 import V1LayerParameter
from sparsenet.caffe.converters import CONVERTERS
from sparsenet.caffe.data_layers import DATA_LAYERS, Look
from sparsenet.caffe.nets import NetPart, layers_of_both, layers_of_two
from sparsenet.caffe.report import Report
from sparsenet.caffe.state import Rule, State, is_in
from sparsenet.caffe.upgrade import current_type
from tests.caffe.prototxt import convert_text, net_source

SMALL = Look((3, 8, 8), lambda _: None, lambda _: None, lambda _: None)


@pytest.mark.parametrize(
    ("include", "exclude", "train", "test"),
    [
        ([], [], True, True),
        ([Rule("TRAIN")], [], True, False),
        ([], [Rule("TRAIN")], False, True),
        ([Rule("TRAIN"), Rule("TEST")], [], True, True),
        ([Rule(stage=("a", "b"))], [], False, True),
        ([Rule(stage=("a", "c"))], [], False, False),
        ([Rule(not_stage=("b",))], [], True, False),
        ([Rule(min_level=1)], [], False, True),
        ([Rule(max_level=1)], [], True, False),
        ([Rule(min_level=2, max_level=2)], [], False, True),
        ([], [Rule("TEST", stage=("z",))], True, True),
    ],
)
def test_rules_are_caffes(
    include: list[Rule], exclude: list[Rule], train: bool, test: bool
) -> None:
    """The states differ in phase, level and stages; NetStateRule's comments say what is met."""
    assert is_in(include, exclude, State("TRAIN")) is train
    assert is_in(include, exclude, State("TEST", 2, frozenset("ab"))) is test


def chosen(text: str, test: State | None = None) -> dict[str, tuple[str, ...]]:
    report, source = Report(), net_source(text)
    part = NetPart(source, source.message)
    layers = layers_of_both(part, State("TRAIN"), test or State("TEST"), report)
    return {it.fields.owner: it.phases for it in layers}


def test_a_layer_knows_its_phases() -> None:
    text = """layer { name: "a" } layer { name: "b" include { phase: TRAIN } }
        layer { name: "c" exclude { phase: TRAIN } } layer { name: "d" include { stage: "s" } }"""
    assert chosen(text) == {"a": (), "b": ("TRAIN",), "c": ("TEST",)}
    assert chosen(text, State("TEST", 0, frozenset("s")))["d"] == ("TEST",)
    assert chosen(f'state {{ stage: "s" }} {text}')["d"] == ()


def test_a_layer_of_neither_net_is_a_warning_and_both_kinds_of_rules_an_error() -> None:
    result = convert_text(
        """layer { name: "a" type: "ReLU" include { stage: "never" } }
           layer { name: "b" type: "ReLU"
             include { phase: TEST } exclude { phase: TRAIN } }"""
    )
    assert result.warnings == ["net.prototxt:1: a: is in neither the net of TRAIN nor of TEST"]
    assert result.problems == [
        "net.prototxt:3: b.exclude: cannot stand beside include; Caffe takes one of them"
    ]


def test_two_files_are_one_net() -> None:
    """What computes the same is once; fillers and multipliers are for the training alone."""
    train, test = (
        f"""layer {{ name: "data" type: "Data" data_param {{ batch_size: {size} }} }}
            layer {{ name: "ip" type: "InnerProduct" {params}
              inner_product_param {{ num_output: 3 {filler} }} }} {last}
            layer {{ name: "loss" type: "SoftmaxWithLoss" }}"""
        for size, params, filler, last in (
            (64, "param { lr_mult: 2 }", 'weight_filler { type: "xavier" }', ""),
            (100, "", "", 'layer { name: "accuracy" type: "Accuracy" }'),
        )
    )
    parts = [NetPart(net_source(text), net_source(text).message) for text in (train, test)]
    both = layers_of_two((parts[0], State("TRAIN")), (parts[1], State("TEST")), Report())
    assert [(it.fields.owner, it.phases) for it in both] == [
        ("data", ("TRAIN",)),
        ("data", ("TEST",)),
        ("ip", ()),
        ("accuracy", ("TEST",)),
        ("loss", ()),
    ]
    ip = both[2].fields.message
    assert (ip.param[0].lr_mult, ip.inner_product_param.weight_filler.type) == (2, "xavier")


V1 = """layers { name: "d" type: DATA top: "data" top: "label" data_param {
    source: "x" batch_size: 5 backend: LMDB scale: 0.5 mirror: true } }
  layers { name: "c" type: CONVOLUTION bottom: "data" top: "c" blobs_lr: 1 blobs_lr: 2
    weight_decay: 1 weight_decay: 0 convolution_param { num_output: 4 kernel_size: 3 } }
  layers { name: "l" type: SOFTMAX_LOSS bottom: "c" bottom: "label" top: "l" }"""
CURRENT = """layer { name: "d" type: "Data" top: "data" top: "label"
    data_param { source: "x" batch_size: 5 backend: LMDB }
    transform_param { scale: 0.5 mirror: true } }
  layer { name: "c" type: "Convolution" bottom: "data" top: "c"
    param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
    convolution_param { num_output: 4 kernel_size: 3 } }
  layer { name: "l" type: "SoftmaxWithLoss" bottom: "c" bottom: "label" top: "l" }"""


def test_a_v1_net_is_the_current_one() -> None:
    old, new = convert_text(V1, SMALL), convert_text(CURRENT, SMALL)
    assert old.layers == new.layers
    assert (old.problems, old.warnings) == (new.problems, new.warnings) == ([], [])


def test_v1_types_have_current_names() -> None:
    names = {current_type(name) for name in V1LayerParameter.LayerType.keys()}  # noqa: SIM118
    newer = {"BatchNorm", "Scale", "PReLU", "ELU", "Input"}
    assert names >= {*CONVERTERS, *DATA_LAYERS} - newer
    assert names >= {"AbsVal", "HDF5Output", "Im2col", "MVN", "WindowData", "Silence", "BNLL"}


def test_v1_shares_blobs_by_name_too() -> None:
    [problem] = convert_text(
        'layers { name: "r" type: PRELU }'.replace("PRELU", "INNER_PRODUCT").replace(
            "}", 'param: "w" }'
        )
    ).problems
    assert problem.startswith("net.prototxt:1: r.param.name: 'w' shares the blob")


def test_v0_is_told_what_upgrades_it() -> None:
    text = 'name: "x"\nlayers { layer { name: "conv1" type: "conv" num_output: 3 } bottom: "d" }'
    [problem] = convert_text(text).problems
    assert problem.startswith("net.prototxt:2: layers: is in Caffe's format V0; upgrade")


@pytest.mark.parametrize(
    "inputs",
    [
        'input: "data" input_dim: 10 input_dim: 3 input_dim: 8 input_dim: 9',
        'input: "data" input_shape { dim: 10 dim: 3 dim: 8 dim: 9 }',
        'layer { name: "input" type: "Input" top: "data"'
        " input_param { shape { dim: 10 dim: 3 dim: 8 dim: 9 } } }",
    ],
)
def test_inputs_of_every_age_are_images(inputs: str) -> None:
    result = convert_text(inputs + ' layer { name: "r" type: "ReLU" bottom: "data" top: "r" }')
    assert result.layers[0] == {
        "name": "input",
        "type": "Data",
        "top": ["data", "label"],
        "source": "ImageFolder",
        "color_order": "BGR",
        "shuffle": False,
        "batch_size": 10,
        "transform": {"resize": [8, 9]},
    }
    assert (result.problems, result.warnings) == ([], [])


def test_names_that_are_taken_or_missing_and_silence() -> None:
    result = convert_text(
        """layer { name: "a" type: "ReLU" bottom: "x" top: "y" }
           layer { name: "a" type: "ReLU" bottom: "y" top: "z" }
           layer { name: "a_2" type: "ReLU" bottom: "z" top: "a_2" }
           layer { type: "TanH" bottom: "a_2" top: "t" }
           layer { name: "s" type: "Silence" bottom: "t" }
           layer { name: "loss" type: "EuclideanLoss" bottom: "t" bottom: "x" }"""
    )
    assert [it["name"] for it in result.layers] == ["a", "a_3", "a_2", "tanh_4", "loss"]
    assert result.layers[-1] == {"name": "loss", "type": "EuclideanLoss", "bottom": ["t", "x"]}
    assert result.warnings == [
        "net.prototxt:2: a: name: is the name of an earlier layer: it is called a_3 here",
        "net.prototxt:4: tanh_4: name: is missing: it is called tanh_4 here",
        "net.prototxt:5: s: Silence does nothing, and is left out",
    ]
