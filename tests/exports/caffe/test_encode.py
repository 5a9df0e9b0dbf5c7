"""A deployed net in Caffe's words: its text, its blobs, its mean, and what its input must be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from google.protobuf import text_format

from sparsenet.caffe.blobs import read_layers, read_mean, serialized
from sparsenet.caffe.caffe_pb2 import BlobProto, NetParameter
from sparsenet.errors import ConfigError
from sparsenet.exports.caffe import encode
from sparsenet.exports.caffe.encode import Deployed, encode_caffe
from sparsenet.exports.inference import ExportError
from tests.exports.deployed import deployed
from tests.small import convolution, inner_product, net_data

IP = inner_product("ip", 10)


def text_of(made: Deployed) -> Any:
    return text_format.Parse(made.prototxt, NetParameter())


def layers_of(made: Deployed) -> list[tuple[str, str, list[str], list[str]]]:
    layers = text_of(made).layer
    return [(it.name, it.type, list(it.bottom), list(it.top)) for it in layers]


def test_the_data_become_an_input_and_the_judges_are_left_out() -> None:
    relu = {"name": "relu", "type": "ReLU", "bottom": "conv", "top": "conv"}
    made = encode_caffe(deployed(net_data(convolution("conv", 4), relu, IP)))
    assert layers_of(made) == [
        ("digits", "Input", [], ["data"]),
        ("conv", "Convolution", ["data"], ["conv"]),
        ("relu", "ReLU", ["conv"], ["conv"]),
        ("ip", "InnerProduct", ["conv"], ["ip"]),
    ]
    net = text_of(made)
    assert net.name == "small"
    assert list(net.layer[0].input_param.shape[0].dim) == [1, 1, 8, 8]
    assert all(not layer.blobs for layer in net.layer)
    assert made.output == "ip"


def test_the_caffemodel_is_the_same_net_with_every_bit_of_its_blobs(tmp_path: Path) -> None:
    inference = deployed(net_data(convolution("conv", 4), IP))
    inference.tensors["conv.bias"][:2] = torch.tensor([-0.0, 1e-42])
    made = encode_caffe(inference)
    whole = NetParameter.FromString(made.caffemodel)
    for layer in whole.layer:
        layer.ClearField("blobs")
    assert whole == text_of(made)
    (tmp_path / "net").write_bytes(made.caffemodel)
    for layer in read_layers(tmp_path / "net"):
        for name, blob in zip(("weight", "bias"), layer.blobs, strict=True):
            own = inference.tensors[f"{layer.name}.{name}"]
            assert torch.equal(own.view(torch.int32), blob.view(torch.int32))


def test_a_layer_that_cannot_write_in_place_in_caffe_gets_a_blob_of_its_own() -> None:
    hidden = inner_product("hidden", 8, bottom="data", top="x")
    again = inner_product("again", 8, bottom="x", top="x")
    last = inner_product("ip", 10, bottom="x", top="x")
    made = encode_caffe(deployed(net_data(hidden, again, last)))
    wiring = [(bottom, top) for _, _, bottom, top in layers_of(made)[1:]]
    assert wiring == [(["data"], ["x"]), (["x"], ["x/again"]), (["x/again"], ["x/ip"])]
    assert made.output == "x/ip"


def test_a_batch_norm_scale_is_a_pair_under_names_that_nobody_has() -> None:
    bn = {"name": "bn", "type": "BatchNormScale", "eps": 0.5, "moving_average_fraction": 0.75}
    other = {"name": "bn/scale", "type": "ReLU", "bottom": "bn", "top": "bn"}
    made = encode_caffe(deployed(net_data(bn, other, IP)))
    assert layers_of(made)[1:4] == [
        ("bn", "BatchNorm", ["data"], ["bn"]),
        ("bn/scale_", "Scale", ["bn"], ["bn"]),
        ("bn/scale", "ReLU", ["bn"], ["bn"]),
    ]
    norm, scale = text_of(made).layer[1:3]
    assert (norm.batch_norm_param.eps, norm.batch_norm_param.moving_average_fraction) == (0.5, 0.75)
    assert scale.scale_param.bias_term
    blobs = NetParameter.FromString(made.caffemodel).layer[1].blobs
    assert list(blobs[2].data) == [1]


def test_layers_that_caffe_has_not_are_named_together() -> None:
    clips = [{"name": f"relu{n}", "type": "ReLU", "clip": n} for n in (6, 1.5)]
    with pytest.raises(ConfigError) as raised:
        encode_caffe(deployed(net_data(*clips, IP)))
    assert str(raised.value) == (
        "relu6: clip 6: Caffe's ReLU has no largest value\n"
        "relu1.5: clip 1.5: Caffe's ReLU has no largest value"
    )


def test_a_net_larger_than_a_message_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "MAX_BYTES", 1000)
    with pytest.raises(ExportError, match=r"its 2,600 bytes are more than the 1,000 of a caffem"):
        encode_caffe(deployed(net_data(IP)))


def test_a_mean_image_lies_beside_it(tmp_path: Path) -> None:
    mean = torch.rand(1, 8, 8)
    inference = deployed(net_data(IP, transform={"mean": "train"}), mean_image=mean)
    made = encode_caffe(inference)
    assert made.mean is not None
    (tmp_path / "mean").write_bytes(made.mean)
    assert torch.equal(read_mean(tmp_path / "mean"), mean)
    blob = BlobProto.FromString(made.mean)
    assert (blob.num, blob.channels, blob.height, blob.width) == (1, 1, 8, 8)
    assert encode_caffe(deployed(net_data(IP))).mean is None


FOLDER = {"source": "ImageFolder", "folder": "nowhere"}


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        ({"transform": {}}, ["Input 'data': 1 x 8 x 8, pixels in 0..255"]),
        (
            {"transform": {"resize": 12, "crop_size": 9, "mean_value": 33.5, "scale": 0.5,
                           "std": 2}},
            ["Input 'data': 1 x 9 x 9, pixels in 0..255",
             "resized to 12, bilinear with antialiasing", "the centre cropped, 9 pixels a side",
             "less 33.5", "times 0.5", "divided by 2.0"],
        ),
        (
            {"transform": {"crop_size": 7, "mean": "train"}},
            ["Input 'data': 1 x 7 x 7, pixels in 0..255",
             "the centre cropped, 7 pixels a side, of the mean too",
             "less the mean image of mean.binaryproto"],
        ),
        (
            {**FOLDER, "transform": {"resize": [8, 6], "mean_value": [1, 2, 3]}},
            ["Input 'data': 3 x 8 x 6, pixels in 0..255, red before green before blue",
             "resized to 8, 6, bilinear with antialiasing", "less 1.0, 2.0, 3.0"],
        ),
        (
            {**FOLDER, "color_order": "BGR", "transform": {"resize": [8, 6]}},
            ["Input 'data': 3 x 8 x 6, pixels in 0..255, blue before green before red",
             "resized to 8, 6, bilinear with antialiasing"],
        ),
        (
            {"source": "lmdb", "shape": [3, 8, 8], "folder": "nowhere", "transform": {}},
            ["Input 'data': 3 x 8 x 8, pixels in 0..255, their channels as the LMDB has them"],
        ),
    ],
)  # fmt: skip
def test_what_the_input_must_be_is_told_at_the_top(data: dict[str, Any], lines: list[str]) -> None:
    made = encode_caffe(deployed(net_data(IP, **data), mean_image=torch.zeros(1, 8, 8)))
    assert made.preparing == lines
    assert made.prototxt.startswith("".join(f"# {line}\n" for line in lines) + 'name: "small"\n')


@pytest.mark.parametrize("shape", [(), (1,), (3, 2), (2, 1, 3, 4, 5)])
def test_a_blob_has_its_shape_in_caffes_own_message(shape: tuple[int, ...]) -> None:
    values = torch.randn(shape)
    blob = BlobProto.FromString(serialized(values))
    assert blob.HasField("shape")
    assert list(blob.shape.dim) == list(shape)
    assert list(blob.data) == values.flatten().tolist()
