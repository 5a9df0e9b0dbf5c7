"""Reading prototxt: its values, the line of each field, and the fields that are not known."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsenet.caffe.caffe_pb2 import NetParameter, SolverParameter
from sparsenet.caffe.text import MAX_TEXT, Unknown, parse, read_content
from sparsenet.caffe.wire import CaffeError
from sparsenet.errors import ConfigError
from tests.caffe.prototxt import net_source

NET = """name: "x"  # a comment { with: braces
layer {
  name: "a" 'b'
  type: "Convolution" bottom: ["x",
   "y"]; foo: 3 bar { z: [1,2] q < > }
  convolution_param {
    kernel_size: 3 kernel_size: 5
    weight_filler: < std: 1e-4 baz: -inf >
  }
}
layer { name: "c", loss_weight: -2.5 }
"""


def test_each_field_has_its_value_and_line() -> None:
    source = net_source(NET)
    first, second = source.message.layer
    assert (first.name, list(first.bottom)) == ("ab", ["x", "y"])
    assert list(first.convolution_param.kernel_size) == [3, 5]
    assert list(second.loss_weight) == [-2.5]
    lines = {
        ("layer", 0): 2,
        ("layer", 0, "name"): 3,
        ("layer", 0, "bottom", 1): 5,
        ("layer", 0, "convolution_param", "kernel_size", 1): 7,
        ("layer", 0, "convolution_param", "weight_filler", "std"): 8,
        ("layer", 1): 11,
    }
    assert {path: source.place(path).line for path in lines} == lines
    assert str(source.place(("layer", 0, "pooling_param", "pad"))) == "net.prototxt:2"


def test_unknown_fields_are_found_and_what_is_in_them_is_passed_over() -> None:
    source = net_source(NET)
    filler = ("layer", 0, "convolution_param", "weight_filler")
    assert source.unknown == [
        Unknown(("layer", 0), "foo"),
        Unknown(("layer", 0), "bar"),
        Unknown(filler, "baz"),
    ]
    assert source.place((*filler, "baz")).line == 8


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("layer {\n name: 3 }", "net.prototxt:2: Expected string but found: '3'"),
        ("layer {\n", 'Expected "}".'),
        ("layer {\n phase: FOO\n}", 'net.prototxt:2: Enum type "Phase" has no value named FOO.'),
        ('name: "a"\nname: "b"', "should not have multiple"),
        ("layer { loss_weight: x }", "Couldn't parse float: x"),
        ("}", "got }"),
        ("x { " * 3000, "nested too deeply"),
    ],
)
def test_broken_text_is_one_line_with_its_place(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        net_source(text)
    [problem] = caught.value.problems
    assert words in str(problem)
    assert str(problem).startswith("net.prototxt")
    assert "sparsenet.caffe" not in str(problem)


@given(st.text(max_size=200))
def test_no_text_ends_in_another_error(text: str) -> None:
    with suppress(ConfigError):
        net_source(text)


@given(st.binary(max_size=200))
def test_nor_do_bytes(content: bytes) -> None:
    for kind in (NetParameter, SolverParameter):
        with suppress(CaffeError):
            parse("x.caffemodel", content, kind)


def test_a_binary_message_is_told_from_text_and_has_its_unknown_fields(tmp_path: Path) -> None:
    net = NetParameter(name="net")
    layer = net.layer.add(name="a", type="Input")
    layer.MergeFromString(b"\xf2\x08\x02\x08\x01")  # field 142 of them, which no message is
    layer.input_param.shape.add().dim.extend([1, 3, 2, 2])
    layer.input_param.MergeFromString(b"\x38\x05")  # field 7
    path = tmp_path / "net.prototxt"
    path.write_bytes(net.SerializeToString())
    content = read_content(path)
    assert isinstance(content, bytes)
    source = parse("net.binary", content, NetParameter)
    assert Unknown(("layer", 0, "input_param"), "field 7") in source.unknown
    assert str(source.place(("layer", 0))) == "net.binary"


def test_a_text_that_is_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    with path.open("wb") as stream:
        stream.write(b" " * (MAX_TEXT + 1))
    with pytest.raises(ConfigError, match="is a text of more than 16,777,216 bytes"):
        read_content(path)
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_content(tmp_path / "none")
