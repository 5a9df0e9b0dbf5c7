"""Caffe's blobs: every value in its shape, or one line that says why not."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sparsenet.caffe import caffe_pb2, weights_pb2
from sparsenet.caffe.blobs import is_caffe, read_layers, read_mean
from sparsenet.caffe.caffe_pb2 import BlobProto, NetParameter, V1LayerParameter
from sparsenet.caffe.wire import CaffeError
from sparsenet.errors import ConfigError
from tests.caffe.files import blob, drawn, layer, refusal, v1_layer, write_net

CONV, BIAS = drawn(4, 2, 3, 3), drawn(4, seed=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "net.caffemodel"


def whole_net() -> NetParameter:
    conv = layer("conv", "Convolution", blob(CONV), blob(BIAS))
    return NetParameter(name="net", layer=[layer("data", "Data"), conv, layer("relu", "ReLU")])


def same(found: tuple[Tensor, ...], *expected: Tensor) -> bool:
    pairs = list(zip(found, expected, strict=True))
    return all(a.shape == b.shape and torch.equal(a, b) for a, b in pairs)


def test_what_caffe_itself_wrote_is_what_it_held() -> None:
    folder = os.environ.get("SPARSENET_CAFFE_REFERENCE")
    if not folder:
        pytest.skip("SPARSENET_CAFFE_REFERENCE names no folder of Caffe's own files")
    held = np.load(Path(folder) / "lenet_init.npz")
    layers = read_layers(Path(folder) / "lenet_init.caffemodel")
    kinds = {"conv1": "Convolution", "conv2": "Convolution"}
    kinds |= {"ip1": "InnerProduct", "ip2": "InnerProduct"}
    assert {each.name: each.type for each in layers} == kinds
    for each in layers:
        for name, tensor in zip(("weight", "bias"), each.blobs, strict=True):
            assert np.array_equal(held[f"{each.name}.{name}"], tensor.numpy())


shapes = st.lists(st.integers(1, 4), max_size=5)
names = st.text(min_size=1, max_size=12).filter(str.strip)


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(names, st.lists(shapes, min_size=1, max_size=4), min_size=1, max_size=4))
def test_names_and_values_come_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, nets: dict[str, list[list[int]]]
) -> None:
    held = {name: [drawn(*s, seed=len(s)) for s in sizes] for name, sizes in nets.items()}
    path = tmp_path_factory.mktemp("nets") / "net"
    write_net(path, *(layer(name, "Any", *map(blob, held[name])) for name in held))
    layers = read_layers(path)
    assert [each.name for each in layers] == list(held)
    for each in layers:
        assert same(each.blobs, *held[each.name])


def test_doubles_and_the_shape_before_there_was_one_are_read(path: Path) -> None:
    write_net(path, layer("conv", "Convolution", blob(CONV, double=True), blob(BIAS, legacy=True)))
    [conv] = read_layers(path)
    assert same(conv.blobs, CONV, BIAS.reshape(1, 1, 1, 4))


def test_v1_layers_are_read_with_the_words_of_today(path: Path) -> None:
    kinds = V1LayerParameter.LayerType
    layers = [
        v1_layer("conv", kinds.CONVOLUTION, blob(CONV, legacy=True)),
        v1_layer("relu", kinds.RELU),
        v1_layer("ip", kinds.INNER_PRODUCT, blob(drawn(3, 5), legacy=True)),
    ]
    path.write_bytes(NetParameter(layers=layers).SerializeToString())
    conv, ip = read_layers(path)
    assert (conv.name, conv.type, ip.name, ip.type) == ("conv", "Convolution", "ip", "InnerProduct")
    assert same(conv.blobs, CONV)
    assert same(ip.blobs, drawn(3, 5).reshape(1, 1, 3, 5))


def test_a_transposed_inner_product_is_told(path: Path) -> None:
    ip = layer("ip", "InnerProduct", blob(drawn(5, 3)))
    ip.inner_product_param.transpose = True
    write_net(path, ip, layer("other", "InnerProduct", blob(drawn(3, 5))))
    assert [each.transposed for each in read_layers(path)] == [True, False]


def test_fields_that_are_not_needed_are_skipped(path: Path) -> None:
    conv = whole_net().layer[1]
    conv.convolution_param.num_output = 4
    conv.blobs[0].diff.extend([1.0] * 72)
    content = NetParameter(name="net", layer=[conv]).SerializeToString()
    path.write_bytes(content + b"\xfa\x3e\x03abc")  # field 1007, which nobody knows
    assert same(read_layers(path)[0].blobs, CONV, BIAS)


def test_the_fields_are_those_of_caffe_proto() -> None:
    for name, message in weights_pb2.DESCRIPTOR.message_types_by_name.items():
        whole = caffe_pb2.DESCRIPTOR.message_types_by_name[name].fields_by_name
        for field in message.fields:
            assert field.number == whole[field.name].number, f"{name}.{field.name}"


# Means


def test_a_mean_is_an_image_in_both_shapes(path: Path) -> None:
    mean = drawn(3, 4, 5)
    for each in (blob(mean), blob(mean, legacy=True), blob(mean[None]), blob(mean, double=True)):
        path.write_bytes(each.SerializeToString())
        assert same((read_mean(path),), mean)


def test_what_is_no_mean_is_one_line(path: Path) -> None:
    for content, words in (
        (b"", "the file is empty"),
        (b'name: "net"\n', "a text file, as a prototxt is, and a mean image is binary"),
        (whole_net().SerializeToString(), "not a mean image of Caffe's, but a file of weights"),
        (b"\x89PNG\r\n", "not a mean image of Caffe's"),
        (blob(drawn(2, 3, 4, 5)).SerializeToString(), "holds 2x3x4x5 numbers, and a mean image is "
         "channels x height x width"),
        (blob(drawn(3, 4)).SerializeToString(), "holds 3x4 numbers, and a mean image is "
         "channels x height x width"),
        (blob(torch.full((1, 1, 2), float("inf"))).SerializeToString(),
         "it has values that are not finite"),
        (BlobProto(num=1, channels=3, height=2, width=2).SerializeToString(),
         "it says 1x3x2x2 and holds 0 values"),
    ):  # fmt: skip
        path.write_bytes(content)
        with pytest.raises(CaffeError) as raised:
            read_mean(path)
        assert str(raised.value) == f"{path}: {words}"
    with pytest.raises(CaffeError, match="cannot be read: No such file"):
        read_mean(path.with_name("nothing"))


# What is refused


def test_cut_off_anywhere_it_is_refused_or_a_file_of_fewer_layers(path: Path) -> None:
    """A message has no end of its own: between two layers nothing can tell that it is cut off."""
    write_net(path, layer("a", "Scale", blob(drawn(2))), layer("b", "Scale", blob(drawn(3))))
    whole = path.read_bytes()
    fewer = []
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        try:
            fewer.append([each.name for each in read_layers(path)])
        except CaffeError:
            refusal(path)
    assert fewer == [["a"]]


def test_damaged_anywhere_it_ends_in_one_line_or_well(path: Path) -> None:
    whole, generator = whole_net().SerializeToString(), random.Random(2)
    for _ in range(400):
        damaged = bytearray(whole)
        damaged[generator.randrange(len(whole))] ^= 1 << generator.randrange(8)
        path.write_bytes(damaged)
        try:
            read_layers(path)
        except CaffeError:
            refusal(path)


def test_a_shape_is_believed_no_more_than_its_values(path: Path) -> None:
    for dims in ([10**12], [2**62, 2**62], [-1, -4], [0], [2, 3], [1] * 33, []):
        wrong = blob(BIAS)
        wrong.shape.dim[:] = dims
        write_net(path, layer("conv", "Convolution", wrong))
        says = "x".join(map(str, dims[:32]))
        says = f"says {says}" if says else "has no shape"
        assert refusal(path) == f"blob 0 of conv {says} and holds 4 values"
    write_net(path, layer("conv", "Convolution", BlobProto(num=2**31 - 1, channels=2**31 - 1)))
    assert refusal(path) == "blob 0 of conv says 2147483647x2147483647x0x0 and holds 0 values"


def test_many_messages_in_few_bytes_are_refused_before_they_are_made(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = b"\x3a\x00" * 100_000
    length = len(blobs)
    varint = bytes([length & 127 | 128, length >> 7 & 127 | 128, length >> 14])
    for content in (b"\xa2\x06\x00" * 100_001, b"\x12\x00" * 100_001, b"\xa2\x06" + varint + blobs):
        path.write_bytes(content)
        with monkeypatch.context() as patch:
            patch.setattr(weights_pb2.NetParameter, "FromString", pytest.fail)
            assert refusal(path) == "refused, it holds more than 100,000 fields"


def test_what_holds_no_weights_says_what_it_is(path: Path) -> None:
    history = blob(BIAS).SerializeToString()
    state = b"\x08\xc8\x01\x12\x14lenet_200.caffemodel\x1a" + bytes([len(history)]) + history
    needed = "not a file of weights of Caffe's"
    text = "a text file, as a prototxt is, and a file of weights is binary"
    for content, words in (
        (b"", "the file is empty"),
        (b'layer { name: "a" }\n', text),
        (b"\n\n# a net\n", text),
        (state, f"{needed}, but a solverstate"),
        (blob(drawn(3, 2, 2), legacy=True).SerializeToString(), f"{needed}, but a mean image"),
        (b"\x89PNG\r\n\x1a\n\0", needed),
        (b"\x08\x07\x12\x07pytorch", needed),  # ONNX
        (NetParameter(name="a", layer=[layer("a", "ReLU")]).SerializeToString(),
         "holds no trained blobs"),
        (b"\x12\x08\x0a\x06\x0a\x04conv", "of Caffe's V0 format, which its "
         "upgrade_net_proto_binary converts"),
        (b"\xa2\x06\x05\x0a\x01\xff\x3a\x00", "the file is damaged: b'\\xff' is no text"),
    ):  # fmt: skip
        path.write_bytes(content)
        assert refusal(path) == words
    path.unlink()
    assert refusal(path) == "cannot be read: No such file or directory"


def test_values_that_cannot_be_are_refused(path: Path) -> None:
    nan = torch.tensor([1.0, float("nan")])
    write_net(path, layer("a", "Scale", blob(drawn(2)), blob(nan)))
    assert refusal(path) == "blob 1 of a has values that are not finite"
    wide = blob(torch.tensor([1e300], dtype=torch.float64), double=True)
    write_net(path, layer("a", "Scale", wide))
    assert refusal(path) == "blob 0 of a has values that are not finite"
    write_net(path, layer("a", "Scale", blob(BIAS)), layer("a", "Scale", blob(BIAS)))
    assert refusal(path) == "holds two layers of the name 'a'"
    path.write_bytes(b"\xa2\x06\x0a\x0a\x01a\x3a\x05\x2a\x03abc")
    assert refusal(path) == "blob 0 of a is damaged: 3 bytes are no row of numbers"


def test_a_file_is_caffes_by_its_beginning(path: Path) -> None:
    for content, is_one in (
        (whole_net().SerializeToString(), True),
        (whole_net().SerializeToString()[:60], True),
        (b"\x89HDF\r\n\x1a\n", True),
        (b"\n\nname", False),
        (b"", False),
        (b"PK\x03\x04", False),
        (b"\x80\x02", False),
        (b"\x10\x00\x00\x00\x00\x00\x00\x00{", False),
    ):
        path.write_bytes(content)
        assert is_caffe(path) is is_one, content[:20]


def test_without_the_extra_it_says_how_to_have_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_bytes(whole_net().SerializeToString())
    monkeypatch.setitem(sys.modules, "google.protobuf", None)
    for read in (read_layers, read_mean):
        with pytest.raises(ConfigError, match=r"needs protobuf.*pip install 'sparsenet\[caffe\]'"):
            read(path)
