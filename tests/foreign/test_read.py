"""State dicts and safetensors files: taken whole under our names, or refused in one line."""

from __future__ import annotations

import argparse
import os
import random
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from sparsenet.foreign.read import ForeignError, read_foreign
from tests.caffe.files import blob, layer, write_hdf5, write_net
from tests.foreign.files import EVERY, TORCH, Save, refusal, save_legacy, save_zip


def example() -> nn.Module:
    torch.manual_seed(1)
    parts = OrderedDict(conv=nn.Conv2d(2, 3, 3), bn=nn.BatchNorm2d(3), fc=nn.Linear(5, 4))
    net = nn.Sequential(OrderedDict(block=nn.Sequential(parts)))
    net(torch.rand(4, 2, 7, 7).requires_grad_())
    return net


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weights"


@EVERY
def test_a_state_dict_is_taken_under_our_names(save: Save, path: Path) -> None:
    state = example().state_dict()
    save(state, path)
    found = read_foreign(path)
    assert found.net is None
    assert found.weights.keys() == NAMES.keys()
    for ours, theirs in NAMES.items():
        assert torch.equal(found.weights[ours], state[theirs])


NAMES = {
    "block/conv.weight": "block.conv.weight",
    "block/conv.bias": "block.conv.bias",
    "block/bn.weight": "block.bn.weight",
    "block/bn.bias": "block.bn.bias",
    "block/bn.mean": "block.bn.running_mean",
    "block/bn.variance": "block.bn.running_var",
    "block/fc.weight": "block.fc.weight",
    "block/fc.bias": "block.fc.bias",
}


@EVERY
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32(save: Save, dtype: torch.dtype, path: Path) -> None:
    weight = torch.randn(4, 3).to(dtype)
    save({"a.weight": weight}, path)
    assert torch.equal(read_foreign(path).weights["a.weight"], weight.float())


@TORCH
def test_parameters_views_and_layouts_come_back_plain(save: Save, path: Path) -> None:
    large = torch.rand(6, 4, 3, 3)
    given = {
        "parameter": nn.Parameter(torch.rand(3)),
        "view": large[2],
        "last": large.contiguous(memory_format=torch.channels_last),
        "transposed": torch.rand(5, 4).t(),
    }
    save({f"a.{name}": tensor for name, tensor in given.items()}, path)
    for name, tensor in read_foreign(path).weights.items():
        assert torch.equal(tensor, given[name.removeprefix("a.")])
        assert type(tensor) is Tensor
        assert tensor.is_contiguous()
        assert not tensor.requires_grad


@TORCH
def test_what_training_scripts_put_around_is_taken_off(save: Save, path: Path) -> None:
    state = example().state_dict()
    save(state, path)
    plain = read_foreign(path).weights
    for around, prefix in (
        ("state_dict", "module."),
        ("model", "_orig_mod."),
        ("model_state_dict", "_orig_mod.module."),
    ):
        inner = {f"{prefix}{name}": tensor for name, tensor in state.items()}
        save({"epoch": 3, around: inner, "optimizer": {"state": {0: torch.ones(2)}}}, path)
        found = read_foreign(path).weights
        assert list(found) == list(plain)
        assert all(torch.equal(found[name], plain[name]) for name in plain)


def test_it_has_memory_of_its_own(path: Path) -> None:
    for save in (save_zip, save_legacy, save_file):
        save({"a.weight": torch.ones(50)}, path)
        weight = read_foreign(path).weights["a.weight"]
        path.write_bytes(b"")
        assert torch.equal(weight, torch.ones(50))


def test_a_caffemodel_is_known_by_its_content(path: Path) -> None:
    weight = torch.randn(4, 2, 3, 3)
    write_net(path, layer("a.b/conv", "Convolution", blob(weight)))
    write_hdf5(path.with_name("h5"), {"a.b/conv": [weight]})
    for file in (path, path.with_name("h5")):
        found = read_foreign(file)
        assert found.net is None
        assert found.weights.keys() == {"a.b/conv.weight"}
        assert torch.equal(found.weights["a.b/conv.weight"], weight)


def test_a_caffemodel_that_begins_as_a_safetensors_file_would_is_read(path: Path) -> None:
    """A net of four letters whose first layer takes 123 bytes: the ninth byte is `{`."""
    data = layer("d" * 115, "Data")
    write_net(path, data, layer("ip", "InnerProduct", blob(torch.ones(2, 3))), name="lene")
    assert path.read_bytes()[8:9] == b"{"
    assert read_foreign(path).weights["ip.weight"].tolist() == [[1] * 3] * 2


@pytest.mark.parametrize("length", [0x0A, 0x12, 0x1A, 0x20, 0x42])
def test_a_safetensors_file_that_begins_as_a_caffemodel_would_is_read(
    length: int, path: Path
) -> None:
    header = b'{"a.w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    header = header.ljust(0x100 + length)
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0\x80?")
    assert read_foreign(path).weights["a.w"].tolist() == [1]


# What is refused


@EVERY
def test_cut_off_anywhere_it_is_refused(save: Save, path: Path) -> None:
    save(dict(example().state_dict()), path)
    whole, generator = path.read_bytes(), random.Random(1)
    for length in {0, 1, 2, len(whole) - 1, *(generator.randrange(len(whole)) for _ in range(25))}:
        path.write_bytes(whole[:length])
        refusal(path)


@EVERY
def test_damaged_anywhere_it_ends_in_one_line_or_well(save: Save, path: Path) -> None:
    save(dict(example().state_dict()), path)
    whole, generator = path.read_bytes(), random.Random(2)
    for _ in range(60):
        damaged = bytearray(whole)
        damaged[generator.randrange(len(whole))] ^= 1 << generator.randrange(8)
        path.write_bytes(damaged)
        try:
            read_foreign(path)
        except ForeignError as error:
            assert len(str(error).splitlines()) == 1  # noqa: PT017


def test_what_is_no_file_of_weights_says_what_is_needed(path: Path) -> None:
    kinds = "not a sparsenet checkpoint, a torch state dict, a safetensors file or a caffemodel"
    for start, words in (
        (b"", "the file is empty"),
        (b"\x89PNG\r\n\x1a\n\0", kinds),
        (b"x", kinds),
    ):
        path.write_bytes(start)
        assert refusal(path) == words
    path.unlink()
    assert refusal(path) == "cannot be read: No such file or directory"


REMEDY = "; torch.save(model.state_dict(), ...) makes a file of tensors alone"


@TORCH
def test_what_holds_no_state_dict_says_what_it_holds(save: Save, path: Path) -> None:
    mixed = "holds not only tensors by name: "
    for content, words in (
        (torch.ones(2), "holds no tensors by name, but a Tensor"),
        ([torch.ones(2)], "holds no tensors by name, but a list"),
        ({}, "holds no tensor"),
        ({"a": torch.ones(2), "epoch": 3}, f"{mixed}'epoch' is of type int"),
        ({1: torch.ones(2)}, f"{mixed}1 is of type Tensor"),
        ({"model": torch.ones(1), "a": {}}, f"{mixed}'a' is of type dict"),
        ({"a.b": torch.tensor(1j)}, "a.b is not a dense tensor of plain numbers"),
        ({"a.w": torch.tensor([1.0, float("nan")])}, "a.w has values that are not finite"),
        ({"a.w": torch.tensor(1e39, dtype=torch.float64)}, "a.w has values that are not finite"),
        ({"a/b.w": torch.ones(1), "a.b.w": torch.ones(1)}, "holds two tensors that would be a/b.w"),
    ):  # fmt: skip
        save(content, path)
        assert refusal(path) == words


def test_tensors_that_are_not_dense_are_refused(path: Path) -> None:
    for tensor in (torch.zeros(3).to_sparse(), torch.zeros(3, device="meta")):
        save_zip({"a.weight": tensor}, path)
        assert refusal(path) == "a.weight is not a dense tensor of plain numbers"


class Evil:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.file}",)


@TORCH
def test_code_is_not_run_and_a_whole_model_gets_the_remedy(save: Save, path: Path) -> None:
    evil = Evil(path.with_name("hacked"))
    for content in ({"a.weight": torch.ones(2), "b": evil}, {"state_dict": {}, "b": evil}, evil):
        save(content, path)
        assert refusal(path).startswith("refused, it holds more than plain data: posix.system")
        assert not evil.file.exists()
    save({"model": {"w": torch.ones(1)}, "args": argparse.Namespace(lr=1)}, path)
    assert refusal(path) == f"refused, it holds more than plain data: argparse.Namespace{REMEDY}"
    save(nn.Linear(2, 2), path)
    message = refusal(path)
    assert message.startswith("refused, it holds more than plain data")
    assert message.endswith(REMEDY)


@TORCH
def test_tied_weights_are_one_tensor_by_two_names(save: Save, path: Path) -> None:
    tied = torch.rand(5000)
    save({f"{name}.weight": tied for name in ("encoder", "decoder", "head")}, path)
    found = read_foreign(path).weights
    assert all(torch.equal(tensor, tied) for tensor in found.values())
    assert len(found) == 3
    assert len({tensor.data_ptr() for tensor in found.values()}) == 1
