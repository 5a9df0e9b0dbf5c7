"""Caffe's LMDBs as data sets: the images that were put in, in Caffe's order, or what is wrong."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from sparsenet.data import sets
from sparsenet.data.batches import Batches
from sparsenet.data.decoding import resized
from sparsenet.data.memory import InMemory
from sparsenet.data.options import DataOptions
from sparsenet.data.phases import open_phase, open_phases
from sparsenet.data.raw import DataError
from sparsenet.data.sets import Sets
from sparsenet.data.sources import load_source
from sparsenet.data.splits import hold_out, sample
from sparsenet.data.stream import Stream
from tests.data.lmdbs import SHAPE, encoded, pictures, raw, write_lmdb, write_records

HELD, READ, AHEAD = (
    {"memory": "yes"},
    {"memory": "no", "workers": 0},
    {"memory": "no", "workers": 2},
)
IMAGES = torch.from_numpy(pictures(10))
LABELS = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 0, 0])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    write_lmdb(root / "set", map(raw, IMAGES.numpy(), LABELS.tolist()))
    return root


def layer(root: Path, **given: Any) -> DataOptions:
    keys = {"source": "lmdb", "root": str(root), "folder": "set", "shape": list(SHAPE)}
    return DataOptions.model_validate(keys | {"batch_size": 4, "shuffle": False} | given)


def swept(batches: Batches) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = zip(*batches.sweep(), strict=True)
    batches.close()
    return torch.cat(images), torch.cat(labels)


@pytest.mark.parametrize("memory", [HELD, READ, AHEAD])
def test_batches_come_in_caffes_order_and_go_on_from_the_end_to_the_beginning(
    root: Path, memory: dict[str, Any]
) -> None:
    batches = open_phase(layer(root, **memory), "TRAIN", seed=5)
    assert isinstance(batches, InMemory if memory == HELD else Stream)
    expected = [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1], [2, 3, 4, 5], [6, 7, 8, 9], [0, 1, 2, 3]]
    for step, order in enumerate(expected):
        images, labels = batches.batch(step)
        assert torch.equal(images, IMAGES[order].float())
        assert torch.equal(labels, LABELS[order])
    batches.close()


@pytest.mark.parametrize("memory", [HELD, READ])
def test_one_layer_serves_every_phase_with_the_same_records(
    root: Path, memory: dict[str, Any]
) -> None:
    one = layer(root, split=3, subset=5, **memory)
    opened = open_phases({"TRAIN": one, "VAL": one, "TEST": one}, seed=0)
    rest, held = hold_out(LABELS, 3, 0)
    used = rest[sample(LABELS[rest], 5, 0)]
    for phase, chosen in (("TRAIN", used), ("VAL", held), ("TEST", torch.arange(10))):
        images, labels = swept(opened[phase])
        assert torch.equal(images, IMAGES[chosen].float())
        assert torch.equal(labels, LABELS[chosen])


def test_the_phases_may_have_an_lmdb_each(root: Path, tmp_path: Path) -> None:
    tested = pictures(3, seed=1)
    write_lmdb(tmp_path / "tested", map(raw, tested))
    layers = {"TRAIN": layer(root), "TEST": layer(root, folder=str(tmp_path / "tested"))}
    opened = open_phases(layers, seed=0)
    assert len(opened["TRAIN"]) == 10
    assert torch.equal(swept(opened["TEST"])[0], torch.from_numpy(tested).float())


@pytest.mark.parametrize(
    "keys",
    [
        {"shuffle": True, "bootstrap": 3},
        {"shuffle": True, "split": 2, "transform": {"crop_size": 4, "mirror": True, "pad": 1}},
        {"transform": {"resize": [9, 8], "mean": "train", "scale": 0.5}},
        {"transform": {"resize": 10, "crop_size": 9, "std": [2, 3, 4]}},
    ],
)
def test_in_memory_and_read_each_time_they_are_the_same(root: Path, keys: dict[str, Any]) -> None:
    held, read = (open_phase(layer(root, **keys, **memory), "TRAIN", 7) for memory in (HELD, READ))
    assert held.shape == read.shape == layer(root, **keys).image_shape
    for step in (0, 1, 2, 9):
        for one, other in zip(held.batch(step), read.batch(step), strict=True):
            assert torch.equal(one, other)
    if held.mean_image is not None:
        assert torch.equal(held.mean_image, read.mean_image)


def test_images_are_resized_as_files_are(root: Path) -> None:
    images, _ = swept(open_phase(layer(root, transform={"resize": [9, 8]}), "TEST", 0))
    assert torch.equal(images, torch.stack([resized(image, (9, 8)) for image in IMAGES]).float())


def test_it_is_read_once_and_watched(root: Path) -> None:
    watched = []

    @contextmanager
    def watch(what, total):
        counted: list[int] = []
        yield counted.append
        watched.append((what, total, sum(counted)))

    one = layer(root, split=3)
    open_phases({"TRAIN": one, "VAL": one, "TEST": one}, 0, watch=watch)
    assert watched == [("Reading records", 10, 10)]


@pytest.mark.parametrize(("room", "kind"), [(2 * 900, InMemory), (2 * 900 - 1, Stream)])
def test_auto_holds_what_fits_in_half_of_the_free_memory(
    root: Path, monkeypatch: pytest.MonkeyPatch, room: int, kind: type
) -> None:
    monkeypatch.setattr(sets, "free_memory", lambda device: room)
    assert isinstance(open_phase(layer(root), "TRAIN", 0, sets=Sets()), kind)


@pytest.mark.parametrize("memory", [HELD, READ])
@pytest.mark.parametrize("order", [None, "BGR", "RGB"])
def test_encoded_images_have_blue_first_unless_another_order_is_asked_for(
    tmp_path: Path, memory: dict[str, Any], order: str | None
) -> None:
    write_lmdb(tmp_path / "set", [encoded(image.numpy(), 7) for image in IMAGES])
    opened = open_phase(layer(tmp_path, color_order=order, **memory), "TEST", 0)
    images, labels = swept(opened)
    assert torch.equal(images, (IMAGES if order == "RGB" else IMAGES.flip(1)).float())
    assert labels.tolist() == [7] * 10


def test_encoded_grey_images_have_as_many_channels_as_shape_says(tmp_path: Path) -> None:
    grey = pictures(2, (1, 6, 5))
    write_lmdb(tmp_path / "set", map(encoded, grey))
    for channels in (1, 3):
        images, _ = swept(open_phase(layer(tmp_path, shape=[channels, 6, 5]), "TEST", 0))
        assert torch.equal(images, torch.from_numpy(grey).expand(2, channels, 6, 5).float())


@pytest.mark.parametrize("memory", [HELD, READ])
def test_images_of_several_sizes_are_made_alike_by_an_exact_resize_alone(
    tmp_path: Path, memory: dict[str, Any]
) -> None:
    mixed = [pictures(1, (3, height, 5))[0] for height in (6, 4, 7)]
    records = [raw(mixed[0]), encoded(mixed[1]), raw(mixed[2])]
    write_lmdb(tmp_path / "set", records)
    keys = {"transform": {"resize": [8, 8]}, "color_order": "RGB", **memory}
    images, _ = swept(open_phase(layer(tmp_path, **keys), "TEST", 0))
    expected = [resized(torch.from_numpy(image), (8, 8)) for image in mixed]
    assert torch.equal(images, torch.stack(expected).float())
    with pytest.raises(DataError) as caught:
        swept(open_phase(layer(tmp_path, transform={"crop_size": 4}, **memory), "TEST", 0))
    alike = "resize: [height, width] makes images of all sizes alike"
    lines = [
        f"{tmp_path}/set: record '0000000{number}_{number}.jpg': its image is 3x{height}x5, and"
        f" shape says 3x6x5; {alike}"
        for number, height in ((1, 4), (2, 7))
    ]
    # What is encoded is known when it is decoded.
    assert str(caught.value).splitlines() == (lines if memory == HELD else lines[1:])


IMAGE = pictures(1)[0]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (b"\xff\xff\xff", "is no Datum of Caffe's"),
        (raw(IMAGE, -1), "label -1 is below 0"),
        (raw(IMAGE, data=b"123"), "3 bytes are no image of 3x6x5"),
        (raw(IMAGE, channels=-3, height=-6), "90 bytes are no image of -3x-6x5"),
        (raw(IMAGE, height=2**31 - 1, width=2**31 - 1), "90 bytes are no image of 3x2147483647x"),
        (b"", "0 bytes are no image of 0x0x0"),
        (raw(IMAGE, data=b"", float_data=[0.5] * 90), "holds float_data; only uint8 images are"),
        (raw(IMAGE[:1]), "its image is 1x6x5, and shape says 3x6x5"),
        (raw(IMAGE, encoded=True), "not a JPEG, PNG, BMP, PPM, TIFF or WEBP image"),
        (encoded(IMAGE)[:-30], "is no Datum of Caffe's"),
    ],
)
def test_what_is_wrong_with_a_record_names_its_key(
    tmp_path: Path, record: bytes, message: str
) -> None:
    write_records(tmp_path / "set", {"good": raw(IMAGE), "k\x1b\xe9y": record})
    with pytest.raises(DataError) as caught:
        open_phase(layer(tmp_path, batch_size=1, memory="yes"), "TRAIN", 0)
    place = f"{tmp_path}/set: record 'k\\x1b\xe9y': "
    assert str(caught.value).startswith(place + message)
    assert "\n" not in str(caught.value)


def test_all_bad_records_are_told_at_once_but_no_more_than_can_be_read(tmp_path: Path) -> None:
    write_lmdb(tmp_path / "set", [raw(IMAGE), *[raw(IMAGE, -label) for label in range(1, 31)]])
    for memory in (HELD, READ):
        with pytest.raises(DataError) as caught:
            open_phase(layer(tmp_path, **memory), "TRAIN", 0)
        lines = str(caught.value).splitlines()
        assert len(lines) == 21
        assert lines[0].endswith("record '00000001_1.jpg': label -1 is below 0")
        assert lines[-1] == "and 10 more"


def test_a_huge_label_takes_no_memory(tmp_path: Path) -> None:
    write_lmdb(tmp_path / "set", [raw(IMAGE, 2**31 - 1), raw(IMAGE), raw(IMAGE)])
    opened = open_phase(layer(tmp_path, batch_size=1, split=1), "TRAIN", 0)
    assert len(opened) == 2


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"batch_size": 11}, "batch_size 11 is more than the 10 samples"),
        ({"split": 10}, "split: 10 takes all 10 samples, which leaves none to train on"),
    ],
)
def test_what_only_the_lmdb_tells(root: Path, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        open_phase(layer(root, **keys), "TRAIN", 0)
    assert str(caught.value) == f"lmdb {root / 'set'}: {message}"


@pytest.mark.skipif(
    not {"SPARSENET_CAFFE_REFERENCE", "SPARSENET_DATA"} <= set(os.environ),
    reason="SPARSENET_CAFFE_REFERENCE or SPARSENET_DATA names no folder",
)
@pytest.mark.parametrize("memory", [HELD, READ])
def test_what_caffes_own_tool_wrote_is_mnist(memory: dict[str, Any]) -> None:
    root = Path(os.environ["SPARSENET_CAFFE_REFERENCE"])
    given = layer(root, folder="mnist_1280_lmdb", shape=[1, 28, 28], batch_size=64, **memory)
    mnist = load_source("MNIST", Path(os.environ["SPARSENET_DATA"]), train=True, download=False)
    images, labels = swept(open_phase(given, "TEST", 0))
    assert torch.equal(images, mnist.images[:1280].float())
    assert torch.equal(labels, mnist.labels[:1280])
