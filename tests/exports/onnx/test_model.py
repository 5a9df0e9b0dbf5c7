"""A net as an ONNX model: its names, its tensors, its input and output."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from sparsenet.exports.inference import ExportError
from sparsenet.exports.onnx import model as module
from sparsenet.exports.onnx.model import model_of
from tests.exports.deployed import deployed
from tests.small import convolution, inner_product, net_data

RICH = net_data(
    convolution("conv", 4),
    {"name": "bn", "type": "BatchNorm"},
    {"name": "scale", "type": "Scale", "bias_term": True},
    {"name": "relu", "type": "ReLU", "bottom": "scale", "top": "scale"},
    {"name": "drop", "type": "Dropout", "bottom": "scale", "top": "scale"},
    {"name": "bns", "type": "BatchNormScale", "bottom": "scale"},
    inner_product("ip", 10),
)


def arrays(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {item.name: onnx.numpy_helper.to_array(item) for item in model.graph.initializer}


def test_input_and_output_are_the_nets_blobs_for_any_number_of_images() -> None:
    graph = model_of(deployed(RICH)).graph
    [images], [scores] = graph.input, graph.output
    shapes = [
        [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (images, scores)
    ]
    assert (images.name, scores.name) == ("data", "ip")
    assert shapes == [["N", 1, 8, 8], ["N", 10]]


def test_every_tensor_has_its_name_and_its_bits() -> None:
    inference = deployed(RICH)
    found = arrays(model_of(inference))
    own = {k: v for k, v in inference.tensors.items() if not k.startswith("bn.")}
    assert own.keys() < found.keys()
    for name, tensor in own.items():
        assert found[name].tobytes() == tensor.contiguous().numpy().tobytes(), name
        assert np.count_nonzero(found[name]) == int((tensor != 0).sum())
    for name in ("conv.weight", "ip.weight"):
        assert found[name].shape == tuple(own[name].shape)
        assert 0 < np.count_nonzero(found[name]) < found[name].size
    sums = {name: inference.tensors[f"bn.{name}"] for name in ("mean", "variance", "factor")}
    for name in ("mean", "variance"):
        expected = sums[name] / sums["factor"]
        np.testing.assert_allclose(found[f"bn/{name}_by_factor"], expected.numpy(), rtol=1e-6)


def test_operators_are_named_as_layers_and_blobs_keep_their_names() -> None:
    graph = model_of(deployed(RICH)).graph
    named = {node.name: (node.op_type, list(node.output)) for node in graph.node}
    assert named == {
        "conv": ("Conv", ["conv"]),
        "bn": ("BatchNormalization", ["bn"]),
        "scale/Mul": ("Mul", ["scale/Mul"]),
        "scale": ("Add", ["scale/scale"]),
        "relu": ("Relu", ["scale/relu"]),
        "drop": ("Identity", ["scale"]),
        "bns": ("BatchNormalization", ["bns"]),
        "ip/Flatten": ("Flatten", ["ip/Flatten"]),
        "ip": ("Gemm", ["ip"]),
    }


def test_images_that_are_rewritten_are_still_the_input() -> None:
    power = {"name": "power", "type": "Power", "scale": 2.0, "bottom": "data", "top": "data"}
    graph = model_of(deployed(net_data(power, inner_product("ip", 10, bottom="data")))).graph
    assert [value.name for value in graph.input] == ["data"]
    written = [name for node in graph.node for name in node.output]
    assert len({*written, "data"}) == len(written) + 1


def test_names_that_tensors_have_are_not_given_to_blobs() -> None:
    clash = inner_product("a", 6, top="ip.weight")
    model = model_of(deployed(net_data(clash, inner_product("ip", 10, bottom="ip.weight"))))
    onnx.checker.check_model(model, full_check=True)
    written = [name for node in model.graph.node for name in node.output]
    assert not set(written) & arrays(model).keys()


def test_older_runtimes_can_read_it() -> None:
    model = model_of(deployed(RICH))
    assert (model.opset_import[0].version, model.ir_version) == (17, 8)


def test_metadata_are_the_facts() -> None:
    inference = deployed(RICH, accuracy={"TEST": 0.5})
    told = {item.key: item.value for item in model_of(inference).metadata_props}
    assert told.keys() == {"net", "iter", "test_accuracy", "weights", "nonzeros", "transform"}
    assert told["test_accuracy"] == "0.5"


def test_a_net_beyond_the_limit_of_the_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    inference = deployed(net_data(inner_product("ip", 10)))
    size = sum(tensor.nbytes for tensor in inference.tensors.values())
    assert size == 4 * 650
    monkeypatch.setattr(module, "_LIMIT", size - 1)
    with pytest.raises(ExportError, match="its 2,600 bytes are more than the 2,599"):
        model_of(inference)


def test_a_net_without_a_name_passes_the_checker() -> None:
    model = model_of(deployed({**net_data(inner_product("ip", 10)), "name": ""}))
    onnx.checker.check_model(model, full_check=True)
