"""What is packed comes back bit for bit, in the bytes that the accounting says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from sparsenet.checkpoint import Checkpoint
from sparsenet.config.load import from_data, load_solver
from sparsenet.errors import ConfigError
from sparsenet.packed.file import (
    header_limit,
    is_packed,
    packed_bytes,
    packed_model,
    read_packed,
    write_packed,
)
from sparsenet.packed.model import PackError, pack, unpack
from sparsenet.regularization.projections import keep_largest_
from sparsenet.storage.values import FLOAT32, values_of
from sparsenet.workflows.build import build_net, counted_memory, restored_net
from tests.packed.models import checkpoint

KINDS = ["float32", "float16", "bfloat16", "int8", "shared:2", "shared:16", "shared:200"]
CONFIGS = Path(__file__).parents[2] / "configs"


def same(one: Checkpoint, other: Checkpoint) -> None:
    assert one.weights.keys() == other.weights.keys()
    for name, tensor in one.weights.items():
        assert tensor.shape == other.weights[name].shape
        assert torch.equal(tensor.view(torch.int32), other.weights[name].view(torch.int32)), name
    assert one.mean_image is not None
    assert other.mean_image is not None
    assert torch.equal(one.mean_image, other.mean_image)
    kept = ("config", "iter", "constraints", "accuracy", "classes")
    assert [getattr(one, name) for name in kept] == [getattr(other, name) for name in kept]


def test_lossless_is_bit_for_bit() -> None:
    before = checkpoint()
    packed = pack(before, "x.pt")
    assert len({weight.format.name for weight in packed.weights.values()}) == 4
    read = packed_model(packed_bytes(packed), "x")
    same(unpack(read, "x"), before)
    assert read.values is FLOAT32


def test_writing_and_reading_a_file(tmp_path: Path) -> None:
    before, path = checkpoint(), tmp_path / "x.safetensors"
    write_packed(path, pack(before, "x.pt"))
    assert is_packed(path)
    same(unpack(read_packed(path), "x"), before)
    assert [item.name for item in tmp_path.iterdir()] == ["x.safetensors"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [0, 1, 60, 1500, 1920])
def test_the_payload_is_what_the_accounting_says(kind: str, count: int) -> None:
    before = replace(checkpoint(**{"ip1.weight": max(count, 1)}))
    if not count:
        before.weights["ip1.weight"].zero_()
    packed = pack(before, "x.pt", values_of(kind))
    data = packed_bytes(packed)
    after = unpack(packed_model(data, "x"), "x")
    net = restored_net(after, from_data(after.config, "x"), torch.device("cpu"))
    memory = counted_memory(net, packed.values)
    assert packed.payload_bytes == memory.total.bytes["best"]
    length = int.from_bytes(data[:8], "little")
    assert len(data) - 8 - length == packed.payload_bytes
    assert packed.nonzeros == memory.weights.nonzeros
    # What has been rounded once is packed again without loss, but for int8's scales.
    again = unpack(pack(after, "x.pt", values_of(kind)), "x")
    for name, tensor in after.weights.items():
        assert torch.allclose(again.weights[name], tensor, rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    ("kind", "bound"), [("float16", 2**-11), ("bfloat16", 2**-8), ("int8", 0.5 / 127)]
)
def test_rounding_is_to_the_nearest(kind: str, bound: float) -> None:
    before = checkpoint()
    after = unpack(pack(before, "x.pt", values_of(kind)), "x")
    for name in ("conv.weight", "ip1.weight"):
        weight, held = before.weights[name].flatten(1), after.weights[name].flatten(1)
        largest = weight.abs() if kind != "int8" else weight.abs().amax(1, keepdim=True)
        assert ((weight - held).abs() <= 1.001 * bound * largest + 1e-9).all()
        assert not torch.equal(weight, held)
    assert after.accuracy == {}


def test_shared_values_are_so_many() -> None:
    after = unpack(pack(checkpoint(), "x.pt", values_of("shared:5")), "x")
    for name in ("conv.weight", "conv2.weight", "ip1.weight", "ip2.weight"):
        weight = after.weights[name]
        assert len(weight[weight != 0].unique()) <= 5


def test_the_description_is_read_by_any_reader(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    packed = pack(checkpoint(), "x.pt", values_of("bfloat16"))
    write_packed(path, replace(packed, accuracy={"TEST": 0.5}))
    with safe_open(path, "pt") as opened:
        texts = opened.metadata()
        sizes = {name: opened.get_slice(name).get_shape() for name in opened.keys()}  # noqa: SIM118
    assert (texts["format"], texts["version"]) == ("sparsenet packed model", "1")
    assert (texts["net"], texts["values"]) == ("small", "bfloat16")
    assert json.loads(texts["accuracy"]) == {"TEST": 0.5}
    assert sum(json.loads(texts["formats"]).values()) == 4
    assert int(texts["payload"]) == packed.payload_bytes
    assert int(texts["dense"]) == packed.dense_bytes
    assert sizes["values"] == [54 + 100 + 300 + 3]


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*/*.yaml")), ids=lambda path: path.stem)
def test_the_header_of_a_shipped_network_is_small(path: Path) -> None:
    if "base_lr" not in path.read_text() or path.parent.name in ("imagenet", "tiny-imagenet"):
        pytest.skip("no solver, or a network as in another folder with larger weights")
    configuration = load_solver(path)
    net = build_net(configuration.solver.net, 1, torch.device("cpu"))
    weights = net.weights()
    for blob in net.blobs:
        if blob.is_weight:
            keep_largest_([weights[blob.name]], max(1, blob.tensor.numel() // 20))
    packed = pack(Checkpoint(configuration.data, 1, weights), "x.pt")
    data = packed_bytes(packed)
    assert len(data) - packed.payload_bytes <= header_limit(len(data))


def test_a_weight_that_cannot_be_held_is_one_line() -> None:
    before = checkpoint()
    before.weights["ip1.weight"][0, 0] = 1e6
    with pytest.raises(PackError, match=r"^x.pt: ip1.weight: 1e\+06 is beyond float16$"):
        pack(before, "x.pt", values_of("float16"))
    before.weights["ip1.weight"][0, 0] = float("inf")
    for kind in ("int8", "shared:4"):
        with pytest.raises(PackError, match=r"^x.pt: ip1.weight: values that are not finite"):
            pack(before, "x.pt", values_of(kind))
    same(unpack(pack(before, "x.pt"), "x"), before)


@pytest.mark.parametrize(
    "text", ["", "float64", "int4", "shared", "shared:1", "shared:257", "shared:-2"]
)
def test_other_kinds_of_values_are_refused(text: str) -> None:
    words = "is not float32, float16, bfloat16, int8 or shared:K with K from 2 to 256$"
    with pytest.raises(ValueError, match=words):
        values_of(text)


def test_what_is_no_packed_model(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such packed model"):
        read_packed(tmp_path / "none")
    (tmp_path / "text").write_text("{}")
    assert not is_packed(tmp_path / "text")
    assert not is_packed(tmp_path)
