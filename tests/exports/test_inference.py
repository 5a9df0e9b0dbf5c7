"""Which layers are deployed, and which blob is the scores."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sparsenet.exports.inference import ExportError, Inference
from tests.exports.deployed import deployed
from tests.small import inner_product, net_data

IP = inner_product("ip", 10)
SOFTMAX = {"name": "prob", "type": "Softmax", "bottom": "ip"}


def names(inference: Inference) -> list[str]:
    return [node.layer.name for node in inference.nodes]


def with_layers(net: dict[str, Any], *layers: dict[str, Any]) -> dict[str, Any]:
    return {**net, "layers": [*net["layers"], *layers]}


def test_scores_are_what_the_accuracy_reads_and_layers_beside_are_left_out() -> None:
    head = inner_product("head", 10, bottom="hidden")
    aside = {"name": "aside", "type": "SoftmaxWithLoss", "bottom": ["head", "label"]}
    net = net_data(inner_product("hidden", 8), head, {**IP, "bottom": "hidden"})
    inference = deployed(with_layers(net, aside))
    assert (inference.images, inference.scores) == ("data", "ip")
    assert names(inference) == ["hidden", "ip"]
    assert [blob.name for blob in inference.blobs] == [
        "hidden.weight",
        "hidden.bias",
        "ip.weight",
        "ip.bias",
    ]


def test_without_an_accuracy_the_last_loss_reads_the_scores() -> None:
    head = inner_product("head", 10, bottom="data")
    net = net_data(IP, head)
    losses = [
        {"name": f"loss_{name}", "type": "SoftmaxWithLoss", "bottom": [name, "label"]}
        for name in ("ip", "head")
    ]
    assert deployed({**net, "layers": [*net["layers"][:3], *losses]}).scores == "head"
    assert deployed({**net, "layers": [*net["layers"][:3], *losses[::-1]]}).scores == "ip"


def test_a_softmax_at_the_end_gives_the_scores() -> None:
    assert deployed(with_layers(net_data(IP), SOFTMAX)).scores == "prob"
    read = {"name": "silent", "type": "Power", "bottom": "prob"}
    assert deployed(with_layers(net_data(IP), SOFTMAX, read)).scores == "ip"
    other = inner_product("other", 10, bottom="data")
    softmax_of_other = {**SOFTMAX, "bottom": "other"}
    assert deployed(with_layers(net_data(IP), other, softmax_of_other)).scores == "ip"


def test_a_blob_rewritten_in_place_is_taken_as_it_is_at_the_end() -> None:
    relu = {"name": "relu", "type": "ReLU", "bottom": "ip", "top": "ip"}
    inference = deployed(net_data(IP, relu))
    assert names(inference) == ["ip", "relu"]
    images = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    weight, bias = inference.tensors["ip.weight"], inference.tensors["ip.bias"]
    expected = (images.flatten(1) @ weight.T + bias).clamp(min=0)
    torch.testing.assert_close(inference.compute(images), expected)


def test_a_blob_that_is_rewritten_after_it_was_judged_is_taken_as_it_was_judged() -> None:
    data, ip, accuracy, loss = net_data(IP)["layers"]
    relu = {"name": "relu", "type": "ReLU", "bottom": "ip", "top": "ip"}
    inference = deployed({"name": "small", "layers": [data, ip, accuracy, relu, loss, SOFTMAX]})
    assert (names(inference), inference.scores) == (["ip"], "ip")  # the Softmax is of another
    images = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    expected = images.flatten(1) @ inference.tensors["ip.weight"].T + inference.tensors["ip.bias"]
    torch.testing.assert_close(inference.compute(images), expected)
    assert (expected < 0).any()


@pytest.mark.parametrize("phases", [("TRAIN", "TEST"), ("TRAIN", "VAL"), ("TRAIN",)])
def test_the_phase_is_test_else_val_else_train_as_a_test_computes_it(
    phases: tuple[str, ...],
) -> None:
    drop = {"name": "drop", "type": "Dropout", "bottom": "ip", "top": "ip"}
    keys: dict[str, Any] = {} if "TEST" in phases else {"phase": "TRAIN"}
    net = net_data(IP, drop, **keys | ({"split": 100} if "VAL" in phases else {}))
    inference = deployed(net)
    assert inference.phase == phases[-1]
    inference.net.train()
    images = torch.ones(2, 1, 8, 8)
    weight, bias = inference.tensors["ip.weight"], inference.tensors["ip.bias"]
    torch.testing.assert_close(inference.compute(images), images.flatten(1) @ weight.T + bias)


def test_a_phase_without_accuracy_and_loss_has_no_scores() -> None:
    *computing, _, loss = net_data(IP)["layers"]
    with pytest.raises(ExportError, match="TEST has neither an accuracy nor a loss"):
        deployed({"name": "small", "layers": [*computing, {**loss, "phase": "TRAIN"}]})
    layers = [computing[0], *({**layer, "phase": "TRAIN"} for layer in [*computing[1:], loss])]
    with pytest.raises(ExportError, match="TEST has neither an accuracy nor a loss"):
        deployed({"name": "small", "layers": layers})


def test_images_are_no_scores() -> None:
    data, *_ = net_data(IP)["layers"]
    loss = {"name": "loss", "type": "EuclideanLoss", "bottom": ["data", "pixels"]}
    with pytest.raises(ExportError, match="its scores, 'data', are its images"):
        deployed({"name": "small", "layers": [data, inner_product("pixels", 64), loss]})
