import hashlib
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import scipy.io
import torch
import torchvision.datasets as published

from sparsenet.data import sources
from sparsenet.data.options import DataOptions
from sparsenet.data.raw import DataError
from sparsenet.data.sources import SOURCES, Source, data_folder, load_source
from sparsenet.data.splits import hold_out
from sparsenet.data.transforms import Transform
from sparsenet.errors import ConfigError

rng = np.random.default_rng(0)


def write_idx(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    path.write_bytes(header + array.tobytes())


def write_mnist(root: Path, name: str = "MNIST") -> dict[str, np.ndarray]:
    arrays = {}
    for part, samples in (("train", 12), ("t10k", 5)):
        arrays[part] = rng.integers(0, 256, (samples, 28, 28), dtype=np.uint8)
        labels = (np.arange(samples) % 10).astype(np.uint8)
        write_idx(root / name / "raw" / f"{part}-images-idx3-ubyte", arrays[part])
        write_idx(root / name / "raw" / f"{part}-labels-idx1-ubyte", labels)
    return arrays


class OldDtype:
    """Pickled with a dtype like those of the original CIFAR files, of which NumPy 2.4.0 warns."""

    def __reduce__(self):
        return np.dtype, ("u1", 0, True)


def write_cifar(root: Path, monkeypatch, kind, key: str) -> dict[bool, np.ndarray]:
    arrays = {}
    folder = root / kind.base_folder
    folder.mkdir()
    lists = {True: [name for name, _ in kind.train_list], False: [kind.test_list[0][0]]}
    for train, names in lists.items():
        arrays[train] = rng.integers(0, 256, (2 * len(names), 3072), dtype=np.uint8)
        for i, name in enumerate(names):
            content = {"data": arrays[train][2 * i : 2 * i + 2], key: [i, 9], "dtype": OldDtype()}
            (folder / name).write_bytes(pickle.dumps(content))
    (folder / kind.meta["filename"]).write_bytes(pickle.dumps({kind.meta["key"]: ["a"] * 10}))
    for attribute, train in (("train_list", True), ("test_list", False)):
        monkeypatch.setattr(kind, attribute, [[name, None] for name in lists[train]])
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": None})
    return arrays


def test_digits_are_scikit_learns_in_a_fixed_stratified_split():
    from sklearn.datasets import load_digits

    train, test = (load_source("digits", None, part, False) for part in (True, False))
    assert (len(train), len(test)) == (1437, 360)
    assert (train.name, train.classes) == ("digits", 10)
    for part in (train, test):
        assert part.images.dtype == torch.uint8
        assert part.images.shape == (len(part), 1, 8, 8)
        assert part.labels.dtype == torch.int64
    digits = load_digits()
    # round(v * 255 / 16) with halves up, in whole numbers.
    expected = (digits.images.astype(int) * 255 * 2 + 16) // 32
    both = torch.cat([train.images, test.images]).reshape(-1, 64).tolist()
    assert sorted(both) == sorted(expected.reshape(-1, 64).tolist())
    by_image = {tuple(i.reshape(-1)): t for i, t in zip(expected, digits.target, strict=True)}
    assert [by_image[tuple(row)] for row in both[:1437]] == train.labels.tolist()
    share = 360 * np.bincount(digits.target) / 1797
    assert (np.abs(np.bincount(test.labels) - share) < 1).all()


def test_the_digits_test_set_never_changes():
    test = load_source("digits", None, train=False, download=False)
    digest = hashlib.sha256(test.images.numpy().tobytes() + test.labels.numpy().tobytes())
    assert digest.hexdigest()[:16] == "571bfada2d315066"


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST", "KMNIST"])
def test_idx_files_are_read_as_they_are(tmp_path, name):
    arrays = write_mnist(tmp_path, name)
    for train, part in ((True, "train"), (False, "t10k")):
        raw = load_source(name, tmp_path, train, download=False)
        assert np.array_equal(raw.images[:, 0].numpy(), arrays[part])
        assert raw.labels.tolist() == [i % 10 for i in range(len(raw))]
        assert raw.images.is_contiguous()


@pytest.mark.parametrize(("name", "key"), [("CIFAR10", "labels"), ("CIFAR100", "fine_labels")])
def test_cifar_files_are_read_in_channel_order(tmp_path, monkeypatch, name, key):
    arrays = write_cifar(tmp_path, monkeypatch, getattr(published, name), key)
    for train in (True, False):
        raw = load_source(name, tmp_path, train, download=False)
        assert np.array_equal(raw.images.reshape(len(raw), -1).numpy(), arrays[train])
        assert raw.labels.tolist() == [v for i in range(len(raw) // 2) for v in (i, 9)]
        assert raw.images.is_contiguous()
        assert raw.classes == SOURCES[name].classes


def test_svhn_files_are_read_with_ten_as_zero(tmp_path, monkeypatch):
    pixels = rng.integers(0, 256, (32, 32, 3, 4), dtype=np.uint8)
    matrix = {"X": pixels, "y": np.array([[10], [1], [9], [10]], np.uint8)}
    scipy.io.savemat(tmp_path / "test_32x32.mat", matrix)
    names = {"test": ["unused", "test_32x32.mat", None]}
    monkeypatch.setattr(published.SVHN, "split_list", names)
    raw = load_source("SVHN", tmp_path, train=False, download=False)
    assert np.array_equal(raw.images.numpy(), pixels.transpose(3, 2, 0, 1))
    assert raw.labels.tolist() == [0, 1, 9, 0]


def refuse(*_args, **_options):
    print("Downloading ...")
    raise URLError("no route\nto host")


def test_absent_files_that_are_not_to_be_downloaded(tmp_path):
    for name, folder in (
        ("MNIST", "/MNIST/raw"),
        ("CIFAR10", "/cifar-10-batches-py"),
        ("SVHN", ""),
    ):
        with pytest.raises(DataError) as caught:
            load_source(name, tmp_path, train=True, download=False)
        assert str(caught.value) == (
            f"{name} is not in {tmp_path}{folder}, and download is false: put its files there, or"
            " say with root or SPARSENET_DATA where they are"
        )
        assert caught.value.exit_code == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["MNIST", "CIFAR10", "SVHN"])
def test_a_failing_download_is_one_line_and_prints_nothing(tmp_path, monkeypatch, capsys, name):
    for module in ("mnist", "cifar"):
        monkeypatch.setattr(f"torchvision.datasets.{module}.download_and_extract_archive", refuse)
    monkeypatch.setattr("torchvision.datasets.svhn.download_url", refuse)
    with pytest.raises(DataError) as caught:
        load_source(name, tmp_path, train=True, download=True)
    message = str(caught.value)
    assert message.startswith(f"{name} is not in {tmp_path}")
    assert " and cannot be downloaded (" in message
    assert "no route to host" in message
    assert message.endswith("where they are")
    assert "\n" not in message
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Downloading" in printed.err


def test_the_message_of_a_failing_download(tmp_path, monkeypatch):
    monkeypatch.setattr("torchvision.datasets.cifar.download_and_extract_archive", refuse)
    with pytest.raises(DataError) as caught:
        load_source("CIFAR100", tmp_path, train=True, download=True)
    assert str(caught.value) == (
        f"CIFAR100 is not in {tmp_path}/cifar-100-python and cannot be downloaded (<urlopen error"
        " no route to host>): put its files there, or say with root or SPARSENET_DATA where they"
        " are"
    )


def test_a_download_fills_an_empty_folder(tmp_path, monkeypatch):
    root = tmp_path / "new" / "folder"
    monkeypatch.setattr(
        "torchvision.datasets.mnist.download_and_extract_archive",
        lambda *_, **__: write_mnist(root),
    )
    assert len(load_source("MNIST", root, train=False, download=True)) == 5
    monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", refuse)
    assert len(load_source("MNIST", root, train=False, download=True)) == 5


def test_a_cut_off_file_is_named_with_its_remedy(tmp_path):
    write_mnist(tmp_path)
    file = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(DataError) as caught:
        load_source("MNIST", tmp_path, train=True, download=True)
    message = str(caught.value)
    assert message.startswith(f"MNIST in {tmp_path}/MNIST/raw cannot be read (")
    assert message.endswith("): delete its files there to have them downloaded again")


@pytest.mark.parametrize(
    ("images", "labels", "fault"),
    [
        ((4, 1, 8, 7), [0, 1, 2, 3], "images are (1, 8, 7) torch.uint8, not (1, 8, 8) uint8"),
        ((4, 1, 8, 8), [0, 1, 2], "4 images, 3 labels"),
        ((4, 1, 8, 8), [0, 1, 2, 10], "labels from 0 to 10, not 0 to 9"),
        ((4, 1, 8, 8), [0, -1, 2, 3], "labels from -1 to 3, not 0 to 9"),
        ((0, 1, 8, 8), [], "no images"),
    ],
)
def test_what_a_reader_returns_is_checked(tmp_path, monkeypatch, images, labels, fault):
    part = torch.zeros(images, dtype=torch.uint8), torch.tensor(labels, dtype=torch.int64)
    source = Source((1, 8, 8), 10, 4, 4, lambda *_: part)
    monkeypatch.setitem(sources.SOURCES, "odd", source)
    with pytest.raises(DataError) as caught:
        load_source("odd", tmp_path, train=True, download=False)
    remedy = "delete its files there to have them downloaded again"
    assert str(caught.value) == f"odd in {tmp_path} is damaged ({fault}): {remedy}"


def test_an_unknown_source_names_the_nearest():
    with pytest.raises(DataError) as caught:
        load_source("mnst", None, train=True, download=False)
    assert str(caught.value) == (
        "'mnst' is not digits, MNIST, FashionMNIST, KMNIST, CIFAR10, CIFAR100, SVHN,"
        " ImageFolder or lmdb; did you mean 'MNIST'?"
    )


def test_the_folder_of_the_data(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    for name in ("SPARSENET_DATA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert data_folder() == Path("/home/me/.cache/sparsenet")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert data_folder() == Path("/home/me/.cache/sparsenet")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache")
    assert data_folder() == Path("/var/cache/sparsenet")
    monkeypatch.setenv("SPARSENET_DATA", "~/sets")
    assert data_folder() == Path("/home/me/sets")
    assert data_folder(tmp_path) == tmp_path
    assert data_folder(Path("~/other")) == Path("/home/me/other")


def test_a_home_folder_that_is_not_there_is_one_line(monkeypatch):
    def message(**keys: Any) -> str:
        with pytest.raises(ConfigError) as caught:
            _ = DataOptions(**{"source": "digits", "batch_size": 1, **keys}).path
        return str(caught.value)

    words = "'~nouser/x': there is no home folder ~nouser"
    assert message(root="~nouser/x") == f"root: {words}"
    images = {"source": "ImageFolder", "transform": Transform(crop_size=4)}
    assert message(**images, root="/", folder="~nouser/x") == f"folder: {words}"
    monkeypatch.setenv("SPARSENET_DATA", "~nouser/x")
    assert message() == f"SPARSENET_DATA: {words}"


def test_the_registry_imports_neither_scikit_learn_nor_torchvision():
    script = (
        "import sys, sparsenet.data.phases; print({'sklearn', 'torchvision'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert result.stdout == "set()\n"


@pytest.mark.skipif("SPARSENET_DATA" not in os.environ, reason="SPARSENET_DATA names no data")
def test_real_mnist():
    for train, first, counts in (
        (True, [5, 0, 4, 1, 9], [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]),
        (False, [7, 2, 1, 0, 4], [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]),
    ):
        raw = load_source("MNIST", None, train, download=False)
        assert len(raw) == (SOURCES["MNIST"].train if train else SOURCES["MNIST"].test)
        assert raw.labels[:5].tolist() == first
        assert torch.bincount(raw.labels).tolist() == counts
        _, held = hold_out(raw.labels, "10%", 0)
        assert len(held) == len(raw) // 10
