"""Snapshots as HDF5: Caffe's groups by layer, and no word of the file believed."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from sparsenet.caffe.blobs import read_layers
from sparsenet.caffe.wire import CaffeError
from sparsenet.errors import ConfigError
from tests.caffe.files import drawn, refusal, write_hdf5


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "net.caffemodel.h5"


def test_layers_come_back_under_their_names_also_those_with_a_slash(path: Path) -> None:
    held = {
        "conv1": [drawn(4, 2, 3, 3), drawn(4)],
        "inception/1x1": [drawn(2, 3, 1, 1)],
        "inception": [drawn(3).double(), drawn(3, seed=1), drawn(1)],
        "bn/a/b": [drawn(2), drawn(2, seed=3), drawn(1)],
    }
    write_hdf5(path, {**held, "relu": []})
    layers = read_layers(path)
    assert {each.name for each in layers} == set(held)
    for each in layers:
        assert each.type is None
        for found, tensor in zip(each.blobs, held[each.name], strict=True):
            assert found.dtype == torch.float32
            assert torch.equal(found, tensor.float())


def test_big_endian_numbers_and_a_number_alone_are_read(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["data/a/0"] = np.array([1.5, -2.0], dtype=">f4")
        file["data/a/1"] = np.float32(0.25)
    [layer] = read_layers(path)
    assert layer.blobs[0].tolist() == [1.5, -2.0]
    assert (layer.blobs[1].shape, layer.blobs[1].item()) == ((), 0.25)


def test_cut_off_anywhere_it_is_refused(path: Path) -> None:
    write_hdf5(path, {"a": [drawn(40)], "b": [drawn(3, 5)]})
    whole, generator = path.read_bytes(), random.Random(1)
    for length in {8, 9, len(whole) - 1, *(generator.randrange(8, len(whole)) for _ in range(40))}:
        path.write_bytes(whole[:length])
        refusal(path)


def test_damaged_anywhere_it_ends_in_one_line_or_well(path: Path) -> None:
    write_hdf5(path, {"a": [drawn(40)], "b": [drawn(3, 5)]})
    whole, generator = path.read_bytes(), random.Random(2)
    for _ in range(60):
        damaged = bytearray(whole)
        damaged[generator.randrange(8, len(whole))] ^= 1 << generator.randrange(8)
        path.write_bytes(damaged)
        try:
            read_layers(path)
        except CaffeError:
            refusal(path)


def written(path: Path, **datasets: Any) -> Path:
    """A file of one layer; its blobs by name, each what create_dataset takes."""
    with h5py.File(path, "w") as file:
        for name, keys in datasets.items():
            file.create_dataset(f"data/a/{name.removeprefix('_')}", **keys)
    return path


def test_what_it_says_is_not_believed(path: Path) -> None:
    chunked = {"shape": (10**9,), "dtype": "f4", "chunks": (1024,)}
    packed = {"data": np.zeros(10**6, "f4"), "compression": "gzip"}
    for datasets, words in (
        ({"_0": chunked}, "refused, it says it is larger than its file"),
        ({"_0": packed}, "refused, it says it is larger than its file"),
        ({"_0": {"data": np.arange(3)}}, "data/a/0 is of type int64, not float"),
        ({"_0": {"data": np.array([b"text"])}}, "data/a/0 is of type |S4, not float"),
        ({"_0": {"data": np.zeros((0, 3), "f4")}}, "data/a/0 holds no values"),
        ({"_0": {"data": np.full(2, np.inf, "f4")}}, "blob 0 of a has values that are not finite"),
        ({"_1": {"data": np.zeros(2, "f4")}}, "of a there are blobs [1], not from 0 on"),
        ({"w": {"data": np.zeros(2, "f4")}}, "data/a/w is no blob: its name is no number"),
        ({}, "without the group 'data' of an HDF5 file of Caffe's"),
    ):
        assert refusal(written(path, **datasets)) == words
    write_hdf5(path, {"relu": []})
    assert refusal(path) == "holds no trained blobs"


def test_no_other_file_is_looked_at(path: Path) -> None:
    """Raw values, a virtual dataset and links that lie in a file beside."""
    raw, other = path.with_name("raw"), path.with_name("other.h5")
    np.zeros(4, "f4").tofile(raw)
    write_hdf5(other, {"a": [drawn(4)]})
    outside = {"shape": (4,), "dtype": "f4", "external": [(str(raw), 0, 16)]}
    assert refusal(written(path, _0=outside)) == "data/a/0 lies in another file"
    with h5py.File(path, "w") as file:
        layout = h5py.VirtualLayout(shape=(4,), dtype="f4")
        layout[:] = h5py.VirtualSource(other, "data/a/0", shape=(4,))
        file.create_virtual_dataset("data/a/0", layout)
    assert refusal(path) == "data/a/0 lies in another file"
    with h5py.File(path, "w") as file:
        file["data"] = h5py.ExternalLink(str(other), "data")
    assert refusal(path) == "without the group 'data' of an HDF5 file of Caffe's"
    with h5py.File(path, "w") as file:
        file["data/a/0"] = h5py.ExternalLink(str(other), "data/a/0")
    assert refusal(path) == "holds no trained blobs"


def test_a_solverstate_says_that_it_is_one(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["iter"], file["learned_net"] = 200, "lenet_iter_200.caffemodel.h5"
        file["history/0"] = np.zeros(3, "f4")
    assert refusal(path) == "not a file of weights of Caffe's, but a solverstate"


def test_without_the_extra_it_says_how_to_have_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_hdf5(path, {"a": [drawn(4)]})
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ConfigError, match=r"needs h5py.*pip install 'sparsenet\[caffe\]'"):
        read_layers(path)
