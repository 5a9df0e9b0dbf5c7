"""What a net is said to be: counts as published, and the same as torch's of the net as built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from sparsenet.config.load import load_net
from sparsenet.config.read import write_yaml
from sparsenet.errors import ConfigError
from sparsenet.layers.base import LAYERS
from sparsenet.record import check_record
from sparsenet.workflows.build import build_net
from sparsenet.workflows.describe import (
    DescribedLayer,
    DescribedNet,
    describe,
    net_document,
    net_table,
    net_totals,
)
from tests.small import convolution, inner_product, net_data

CONFIGS = Path(__file__).parents[2] / "configs"


def written(path: Path, net: dict[str, Any]) -> Path:
    path.write_text(write_yaml(net))
    return path


def test_lenet_to_the_letter() -> None:
    assert net_table(describe(CONFIGS / "mnist" / "nets" / "lenet.yaml", "TEST")).splitlines() == [
        "layer     type             output      parameters  multiply-accumulates",
        "-----------------------------------------------------------------------",
        "mnist     Data             1x28x28, 1",
        "conv1     Convolution      20x24x24           520               288,000",
        "pool1     Pooling          20x12x12",
        "conv2     Convolution      50x8x8          25,050             1,600,000",
        "pool2     Pooling          50x4x4",
        "ip1       InnerProduct     500            400,500               400,000",
        "relu1     ReLU             500",
        "ip2       InnerProduct     10               5,010                 5,000",
        "accuracy  Accuracy         1",
        "loss      SoftmaxWithLoss  1",
        "-----------------------------------------------------------------------",
        "total                                     431,080             2,293,000",
        "",
        "LeNet, TEST: 431,080 parameters, 2.293 M multiply-accumulates of one example.",
    ]


@pytest.mark.parametrize(
    ("path", "details"),
    [
        ("imagenet/nets/alexnet.yaml", {
            "conv1": "11x11 /4", "conv2": "5x5, 2 groups", "pool1": "MAX 3x3 /2", "fc6": "",
        }),
        ("cifar10/nets/quick.yaml", {"pool1": "MAX 3x3 /2", "pool2": "AVE 3x3 /2", "relu1": ""}),
        ("cifar10/nets/resnet18.yaml", {"layer1/0/sum": "SUM"}),
    ],
)  # fmt: skip
def test_what_the_keys_say_stands_beside_the_type(path: str, details: dict[str, str]) -> None:
    found = {layer.name: layer.detail for layer in describe(CONFIGS / path).layers}
    assert details.items() <= found.items()


@pytest.mark.parametrize(
    ("kind", "keys", "detail"),
    [
        ("Convolution", {"kernel_size": [3, 5], "stride": [2, 1]}, "3x5 /2x1"),
        (
            "Convolution",
            {"kernel_size": 3, "dilation": 2, "group": 4},
            "3x3, 4 groups, dilation 2x2",
        ),
        ("Pooling", {"pool": "AVE", "global_pooling": True}, "AVE, global"),
    ],
)
def test_a_window_is_told_by_what_is_not_usual(
    kind: str, keys: dict[str, Any], detail: str
) -> None:
    own = {"num_output": 8} if kind == "Convolution" else {}
    layer, problems = check_record(LAYERS[kind], {"name": "x", "type": kind, **own, **keys})
    assert problems == []
    assert layer.detail == detail


@pytest.mark.parametrize("path", ["digits/net.yaml", "cifar10/nets/quick.yaml"])
def test_the_parameters_are_those_of_the_net_as_built(path: str) -> None:
    net = build_net(load_net(CONFIGS / path), 1, torch.device("cpu"))
    described = describe(CONFIGS / path)
    assert described.parameters == sum(blob.tensor.numel() for blob in net.blobs)
    shapes = {layer.name: layer.parameter_shapes for layer in described.layers}
    for blob in net.blobs:
        assert shapes[blob.layer.name][blob.index] == tuple(blob.tensor.shape)


def test_phases_have_their_own_layers(tmp_path: Path) -> None:
    net = net_data(inner_product("ip", 10))
    path = written(tmp_path / "net.yaml", net)
    names = {p: [layer.name for layer in describe(path, p).layers] for p in ("TRAIN", "TEST")}  # type: ignore[arg-type]
    assert names["TEST"] == ["digits", "ip", "accuracy", "loss"]
    assert names["TRAIN"] == ["digits", "ip", "loss"]
    net["layers"][0]["phase"] = "TRAIN"
    with pytest.raises(ConfigError) as error:
        describe(written(path, net), "TEST")
    assert str(error.value) == f"{path}: there is no Data layer for phase TEST"


def test_blobs_are_named_as_they_are_wired(tmp_path: Path) -> None:
    path = written(tmp_path / "net.yaml", net_data(convolution("conv", 4), inner_product("ip", 10)))
    document = net_document(describe(path))
    assert [layer["bottom"] for layer in document["layers"]] == [
        *((), ("data",), ("conv",), ("ip", "label"))
    ]
    assert document["layers"][0]["top"] == ("data", "label")
    assert document["layers"][1] == {
        "name": "conv",
        "type": "Convolution",
        "detail": "3x3",
        "bottom": ("data",),
        "top": ("conv",),
        "output_shapes": ((4, 6, 6),),
        "parameter_shapes": ((4, 1, 3, 3), (4,)),
        "multiply_accumulates": 36 * 36,
        "parameters": 40,
        "index_bits": 0,
    }
    assert document["total"] == {
        "parameters": 40 + 1450,
        "multiply_accumulates": 1296 + 1440,
        "index_bits": 0,
    }


def layer(name: str, macs: int = 0) -> DescribedLayer:
    return DescribedLayer(name, "Power", "", ("a",), ("b",), ((3, 4), ()), (), 0, macs)


def test_blocks_stand_apart() -> None:
    names = ["conv", "a/0/conv", "a/0/sum", "a/1/conv", "fc"]
    table = net_table(DescribedNet("net", "TRAIN", tuple(map(layer, names))))
    body = table.splitlines()[2:-4]
    assert [line.split()[0] if line else "" for line in body] == [
        *("conv", "", "a/0/conv", "a/0/sum", "", "a/1/conv", "", "fc")
    ]
    assert "3x4, 1" in body[0]


def test_names_cannot_steer_a_terminal() -> None:
    table = net_table(DescribedNet("\x1b[2J", "TRAIN", (layer("a\nb\x1b"),)))
    assert r"a\nb\x1b" in table
    assert "\x1b" not in table


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0"), (99_999, "99,999"), (100_000, "0.100 M"), (12_354_176, "12.354 M"),
     (724_406_816, "0.724 G"), (4_089_184_256, "4.089 G")],
)  # fmt: skip
def test_totals_in_words(count: int, words: str) -> None:
    totals = net_totals(DescribedNet("net", "TRAIN", (layer("a", count),)))
    assert totals == f"0 parameters, {words} multiply-accumulates of one example"
