"""A file that is not the net is found out, whatever it differs in."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
import torch

from sparsenet.exports.inference import ExportError
from sparsenet.exports.onnx.check import check
from sparsenet.exports.onnx.model import model_of
from tests.exports.deployed import deployed
from tests.small import convolution, inner_product, net_data

NET = net_data(
    convolution("conv", 4),
    {"name": "relu", "type": "ReLU"},
    {"name": "pool", "type": "Pooling", "pool": "AVE", "kernel_size": 3, "stride": 2},
    inner_product("ip", 10),
)


def checked_after(change: Callable[[onnx.ModelProto], None]) -> None:
    inference = deployed(NET)
    model = model_of(inference)
    change(model)
    check(model.SerializeToString(), inference)


def initializer(model: onnx.ModelProto, name: str) -> onnx.TensorProto:
    return next(item for item in model.graph.initializer if item.name == name)


def operator(model: onnx.ModelProto, name: str) -> onnx.NodeProto:
    return next(node for node in model.graph.node if node.name == name)


def test_a_net_agrees_with_its_own_file() -> None:
    inference = deployed(NET)
    found = check(model_of(inference).SerializeToString(), inference)
    assert found.images == 5
    assert 0 <= found.difference <= 1e-5 * found.scale
    assert found.scale > 1


def test_a_zero_weight_that_is_minus_zero_or_not_zero_is_found() -> None:
    for value in (-0.0, 1e-30):

        def change(model: onnx.ModelProto, value: float = value) -> None:
            weight = initializer(model, "ip.weight")
            values = onnx.numpy_helper.to_array(weight).copy()
            values.flat[np.flatnonzero(values == 0)[0]] = value
            weight.CopyFrom(onnx.numpy_helper.from_array(values, "ip.weight"))

        with pytest.raises(ExportError, match=r"ip\.weight in the file has not the net's values"):
            checked_after(change)


def test_a_tensor_under_another_name_is_missed() -> None:
    def change(model: onnx.ModelProto) -> None:
        initializer(model, "conv.bias").name = "other"
        operator(model, "conv").input[2] = "other"

    with pytest.raises(ExportError, match=r"conv\.bias is not in the file"):
        checked_after(change)


def test_another_operator_is_found_by_its_scores() -> None:
    def change(model: onnx.ModelProto) -> None:
        operator(model, "relu").op_type = "Sigmoid"

    with pytest.raises(ExportError, match=r"scores differ by .* more than 0.0001 of them"):
        checked_after(change)


def test_a_difference_just_beyond_the_tolerance_is_found() -> None:
    """Of all scores the same part, so that it is that of the largest too."""

    def scaled(factor: float) -> Callable[[onnx.ModelProto], None]:
        def change(model: onnx.ModelProto) -> None:
            operator(model, "ip").output[0] = "before"
            value = onnx.numpy_helper.from_array(np.float32(factor), "factor")
            model.graph.initializer.append(value)
            model.graph.node.append(onnx.helper.make_node("Mul", ["before", "factor"], ["ip"]))

        return change

    checked_after(scaled(1 + 0.9e-4))
    with pytest.raises(ExportError, match="scores differ"):
        checked_after(scaled(1 + 1.1e-4))


def test_scores_that_are_not_numbers_are_told() -> None:
    inference = deployed(NET)
    content = model_of(inference).SerializeToString()
    with torch.no_grad():
        inference.tensors["ip.bias"][3] = float("nan")
    with pytest.raises(ExportError, match=r"ip\.bias in the file has not the net's values"):
        check(content, inference)
    with pytest.raises(ExportError, match="are not all finite numbers"):
        check(model_of(inference).SerializeToString(), inference)


def test_scores_of_another_shape_are_told() -> None:
    def change(model: onnx.ModelProto) -> None:
        operator(model, "ip").output[0] = "before"
        axes = onnx.numpy_helper.from_array(np.array([1]), "axes")
        model.graph.initializer.append(axes)
        model.graph.node.append(onnx.helper.make_node("Unsqueeze", ["before", "axes"], ["ip"]))
        model.graph.output[0].CopyFrom(
            onnx.helper.make_tensor_value_info("ip", onnx.TensorProto.FLOAT, ["N", 1, 10])
        )

    with pytest.raises(ExportError, match=r"scores are \(1, 1, 10\), the net's \(1, 10\)"):
        checked_after(change)


def test_what_the_checker_or_the_runtime_refuses_is_one_line() -> None:
    def unknown(model: onnx.ModelProto) -> None:
        operator(model, "relu").op_type = "Rectify"

    def shaped(model: onnx.ModelProto) -> None:
        model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 11

    def fixed(model: onnx.ModelProto) -> None:
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.shape.dim[0].dim_value = 1

    refused = "onnx's checker refuses it: "
    for change, words in (
        (unknown, refused),
        (shaped, refused),
        (fixed, "ONNX Runtime cannot run it: "),
    ):
        with pytest.raises(ExportError, match=words) as raised:
            checked_after(change)
        assert "\n" not in str(raised.value)
