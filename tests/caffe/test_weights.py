"""What Caffe's blobs are called here, and which axes they have."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sparsenet.caffe.caffe_pb2 import NetParameter, V1LayerParameter
from sparsenet.caffe.weights import read_weights
from sparsenet.caffe.wire import CaffeError
from tests.caffe.files import blob, drawn, layer, v1_layer, write_hdf5, write_net


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "net.caffemodel"


def assert_is(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].shape == tensor.shape, name
        assert torch.equal(found[name], tensor), name
        assert found[name].is_contiguous(), name


EXPECTED = {
    "conv.weight": drawn(4, 1, 1, 1),
    "conv.bias": drawn(4),
    "ip.weight": drawn(3, 5),
    "ip.bias": drawn(3, seed=1),
    "bn.mean": drawn(4, seed=2),
    "bn.variance": drawn(4, seed=3),
    "bn.factor": drawn(1),
    "scale.weight": drawn(4, seed=4),
    "scale.bias": drawn(4, seed=5),
    "prelu.weight": drawn(4, seed=6),
}
KINDS = {"conv": "Convolution", "ip": "InnerProduct", "bn": "BatchNorm", "scale": "Scale"}
KINDS["prelu"] = "PReLU"


def by_layer() -> dict[str, list[Tensor]]:
    return {
        name: [tensor for key, tensor in EXPECTED.items() if key.startswith(f"{name}.")]
        for name in KINDS
    }


@pytest.mark.parametrize("legacy", [False, True])
def test_every_blob_has_its_name_and_its_own_axes(legacy: bool, path: Path) -> None:
    layers = (
        layer(name, KINDS[name], *(blob(tensor, legacy=legacy) for tensor in tensors))
        for name, tensors in by_layer().items()
    )
    assert_is(read_weights(write_net(path, *layers)), EXPECTED)


def test_an_hdf5_file_tells_it_by_the_blobs_alone(path: Path) -> None:
    assert_is(read_weights(write_hdf5(path, by_layer())), EXPECTED)


def test_v1_layers_have_the_same_names(path: Path) -> None:
    kinds = V1LayerParameter.LayerType
    held = by_layer()
    layers = [
        v1_layer("conv", kinds.CONVOLUTION, *(blob(t, legacy=True) for t in held["conv"])),
        v1_layer("ip", kinds.INNER_PRODUCT, *(blob(t, legacy=True) for t in held["ip"])),
    ]
    path.write_bytes(NetParameter(layers=layers).SerializeToString())
    assert_is(read_weights(path), {k: v for k, v in EXPECTED.items() if k[0] in "ci"})


def test_a_slope_that_all_channels_share_has_one_axis(path: Path) -> None:
    shared = torch.tensor(0.25)
    write_net(path, layer("prelu", "PReLU", blob(shared)))
    assert_is(read_weights(path), {"prelu.weight": shared.reshape(1)})
    write_hdf5(path, {"prelu": [shared]})
    assert_is(read_weights(path), {"prelu.weight": shared.reshape(1)})


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 5), st.integers(1, 5))
def test_a_transposed_weight_is_outputs_by_inputs(
    tmp_path_factory: pytest.TempPathFactory, outputs: int, inputs: int
) -> None:
    path = tmp_path_factory.mktemp("nets") / "net"
    stored = drawn(inputs, outputs)
    ip = layer("ip", "InnerProduct", blob(stored))
    ip.inner_product_param.transpose = True
    write_net(path, ip)
    for found in (read_weights(path), read_weights(path, ["ip"])):
        assert_is(found, {"ip.weight": stored.t()})
    write_hdf5(path, {"ip": [stored]})
    assert_is(read_weights(path, {"ip"}), {"ip.weight": stored.t()})
    assert_is(read_weights(path), {"ip.weight": stored})


def test_blobs_that_no_layer_has_here_are_told_apart(path: Path) -> None:
    write_net(path, layer("lstm", "LSTM", *(blob(drawn(2, 3)) for _ in range(4))))
    assert list(read_weights(path)) == ["lstm.weight", "lstm.bias", "lstm.blob2", "lstm.blob3"]


def test_a_batch_norm_has_three_blobs(path: Path) -> None:
    write_net(path, layer("bn", "BatchNorm", blob(drawn(4)), blob(drawn(4))))
    with pytest.raises(CaffeError) as raised:
        read_weights(path)
    assert str(raised.value) == f"{path}: bn is a BatchNorm of 2 blobs, and it has 3"
