"""Export to Caffe and back: import of export is the identity, or nothing is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from sparsenet.caffe.weights import read_weights
from sparsenet.config.load import load_net
from sparsenet.config.net import NetConfig
from sparsenet.errors import ConfigError
from sparsenet.exports.inference import ExportError, Inference
from sparsenet.workflows import caffe_net
from sparsenet.workflows.caffe_net import export_caffe
from sparsenet.workflows.import_caffe import import_caffe
from tests.exports.deployed import deployed, deployed_net
from tests.small import convolution, inner_product, net_data

CONFIGS = Path(__file__).parents[2] / "configs"
IP = inner_product("ip", 10)
# What a deployed net of Caffe's does not say: how it is trained.
TRAINING = {"weight_filler", "bias_filler", "filler", "param", "regularization", "kernel_pattern"}
TRAINING |= {"phase", "include"}


def computing(config: NetConfig, inference: Inference) -> list[dict[str, Any]]:
    """The layers of the deployed net, without what only training reads."""
    names = {node.layer.name for node in inference.nodes}
    layers = [layer for layer in config.layers if layer.name in names]
    return [_plain(layer) for layer in layers]


def _plain(layer: Any) -> dict[str, Any]:
    keys = {key: getattr(layer, key) for key in type(layer).model_fields if key not in TRAINING}
    keys["top"] = layer.top_names
    for pair in ("kernel_pair", "stride_pair", "pad_pair", "dilation_pair"):
        if hasattr(layer, pair):
            keys[pair] = getattr(layer, pair)
    for stem in ("kernel", "stride", "pad"):
        for key in (f"{stem}_size", stem, f"{stem}_h", f"{stem}_w"):
            keys.pop(key, None)
    keys.pop("dilation", None)
    keys.pop("bottom")  # left out or written; the scores tell whether it is the same
    return keys


@pytest.mark.parametrize(
    "name",
    [
        "digits/net.yaml",
        "mnist/nets/lenet-300-100.yaml",
        "cifar10/nets/quick.yaml",
        "cifar10/nets/full.yaml",
    ],
)
def test_a_shipped_net_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    config = load_net(CONFIGS / name)
    inference = deployed_net(config)
    _, files, proof = export_caffe(inference, tmp_path / "net")
    assert (proof.difference, proof.images) == (0, 5)
    assert proof.scale > 0
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "net").iterdir()}
    assert sizes == files
    import_caffe(tmp_path / "net" / "deploy.prototxt", tmp_path / "again")
    again = load_net(tmp_path / "again" / "net.yaml")
    assert computing(again, inference) == computing(config, inference)
    weights = read_weights(tmp_path / "net" / "deploy.caffemodel")
    assert weights.keys() == {blob.name for blob in inference.blobs}
    for blob in inference.blobs:
        assert torch.equal(weights[blob.name].view(torch.int32), blob.tensor.view(torch.int32))


def small(*layers: dict[str, Any], **data: Any) -> Inference:
    return deployed(net_data(*layers, **data))


def test_layers_that_are_two_in_caffe_differ_by_rounding_alone(tmp_path: Path) -> None:
    shuffle = {"name": "shuffle", "type": "ChannelShuffle", "group": 2}
    norm = {"name": "bn", "type": "BatchNormScale"}
    _, _, proof = export_caffe(small(convolution("conv", 6), shuffle, IP), tmp_path / "exact")
    assert proof.difference == 0
    _, _, proof = export_caffe(small(convolution("conv", 6), norm, IP), tmp_path / "near")
    assert proof.difference <= 1e-6 * proof.scale


def test_caffes_own_normalisation_and_a_softmax_at_the_end_come_back(tmp_path: Path) -> None:
    norm = {"name": "bn", "type": "BatchNorm", "eps": 0.001}
    scale = {"name": "scale", "type": "Scale", "bias_term": True}
    slope = {"name": "slope", "type": "PReLU", "channel_shared": True}
    net = net_data(convolution("conv", 6, bias_term=False), norm, scale, slope, IP)
    net["layers"].append({"name": "prob", "type": "Softmax", "bottom": "ip"})
    deployed_to, _, proof = export_caffe(deployed(net), tmp_path / "net")
    assert (deployed_to.output, proof.difference) == ("prob", 0)
    assert 0.1 <= proof.scale <= 1


def test_what_is_there_is_kept_unless_it_may_be_replaced(tmp_path: Path) -> None:
    mean = {"transform": {"mean": "train"}, "name": "digits"}
    folder = tmp_path / "net"
    with_mean = deployed(net_data(IP, **mean), mean_image=torch.ones(1, 8, 8))
    export_caffe(with_mean, folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert before.keys() == {"deploy.prototxt", "deploy.caffemodel", "mean.binaryproto"}
    with pytest.raises(ConfigError) as raised:
        export_caffe(small(IP), folder)
    names = "deploy.prototxt, deploy.caffemodel, mean.binaryproto"
    words = f"{folder} has {names} already: give --overwrite, or another folder"
    assert str(raised.value) == words
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    export_caffe(small(IP), folder, overwrite=True)
    assert {path.name for path in folder.iterdir()} == {"deploy.prototxt", "deploy.caffemodel"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda weights: weights["ip.bias"].add_(1e-7), "ip.bias in the file has not the net's"),
        (lambda weights: weights.pop("ip.bias"), "it has not the layers of the net: ip.bias"),
    ],
)
def test_what_is_not_the_net_is_not_written(
    change: Any, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changed(path: Path) -> dict[str, torch.Tensor]:
        weights = read_weights(path)
        change(weights)
        return weights

    monkeypatch.setattr(caffe_net, "read_weights", changed)
    with pytest.raises(ExportError, match=words):
        export_caffe(small(IP), tmp_path / "net")
    assert not (tmp_path / "net").exists()


def test_other_scores_are_not_the_net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encode = caffe_net.encode_caffe

    def other(inference: Inference) -> Any:
        made = encode(inference)
        text = made.prototxt.replace("scale: 0.25", "scale: 0.5")
        assert text != made.prototxt
        return type(made)(text, made.caffemodel, made.mean, made.output, made.preparing)

    monkeypatch.setattr(caffe_net, "encode_caffe", other)
    power = {"name": "power", "type": "Power", "scale": 0.25}
    with pytest.raises(ExportError, match=r"imported again its scores differ by .* from the net's"):
        export_caffe(small(IP, power), tmp_path / "net")
    assert not (tmp_path / "net").exists()
