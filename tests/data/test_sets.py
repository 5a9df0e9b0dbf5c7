"""Image folders as the parts of phases, held in memory or streamed."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
import torch

from sparsenet.data import phases, sets
from sparsenet.data.folders import list_images
from sparsenet.data.memory import InMemory
from sparsenet.data.options import DataOptions
from sparsenet.data.phases import open_phase, open_phases
from sparsenet.data.raw import DataError
from sparsenet.data.sets import Sets
from sparsenet.data.stream import Stream
from tests.data.image_folder import make_folder

PHASES = ("TRAIN", "VAL", "TEST")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("root") / "set").parent


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.fixture
def layer(root):
    def made(**given) -> DataOptions:
        keys = {"source": "ImageFolder", "root": str(root), "folder": "set", "batch_size": 5}
        return DataOptions.model_validate(keys | {"transform": {"resize": [12, 10]}} | given)

    return made


def opened(layer: DataOptions, **options):
    phases = {phase: layer for phase in PHASES if phase != "VAL" or layer.split}
    return open_phases(phases, 7, **options)


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"split": 6, "subset": "50%", "bootstrap": 3},
        {"bootstrap": 0, "transform": {"resize": [12, 10], "mean": "train", "crop_size": 7}},
        {"split": "25%", "is_color": False, "transform": {"resize": [9, 9], "mean": "train"}},
    ],
)
def test_every_phase_is_the_same_in_memory_and_streamed(layer, keys):
    held = opened(layer(**keys))
    streamed = opened(layer(memory="no", workers=0, **keys))
    assert held.keys() == streamed.keys()
    for phase, one in held.items():
        other = streamed[phase]
        assert isinstance(one, InMemory)
        assert isinstance(other, Stream)
        assert len(one) == len(other)
        for step in (0, 9):
            for a, b in zip(one.batch(step), other.batch(step), strict=True):
                assert torch.equal(a, b)
        if one.mean_image is not None:
            assert torch.equal(one.mean_image, other.mean_image)


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"split": 8, "subset": "75%", "bootstrap": 3, "shuffle": False},
        {"transform": {"resize": [12, 10], "mean": "train", "crop_size": 7, "mirror": True}},
    ],
)
def test_bad_images_are_skipped_alike_in_memory_and_streamed(layer, tmp_path, keys):
    folder = make_folder(tmp_path / "bad", val=4)
    train, test = (list_images(folder, train=part).paths for part in (True, False))
    for path in (*train[6:9], train[23], test[0], *test[5:10]):
        path.write_bytes(b"no image")
    keys = {"root": str(folder.parent), "folder": "bad", "on_bad_image": "skip", **keys}
    told = []
    held, streamed = (
        opened(layer(**keys, **more), warn=told.append)
        for more in ({}, {"memory": "no", "workers": 0})
    )
    assert isinstance(held["TRAIN"], InMemory)
    for phase, one in held.items():
        for step in range(6):
            assert_same(one.batch(step), streamed[phase].batch(step))
        for batches in (None, 2):
            both = zip(one.sweep(batches), streamed[phase].sweep(batches), strict=True)
            sizes = [assert_same(a, b) for a, b in both]
            if phase == "TEST":  # of the second batch nothing is left
                assert sizes == ([4, 2] if batches is None else [4])
        if one.mean_image is not None:
            assert torch.equal(one.mean_image, streamed[phase].mean_image)
        streamed[phase].close()
    assert any(line.startswith("Skipped (bad image 1): ") for line in told)


def assert_same(one, other) -> int:
    """Two batches are the same, of as many samples as it returns."""
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    return len(one[1])


@pytest.mark.parametrize(
    ("available", "held"),
    [(2 * 24 * 360, [True, False]), (2 * 33 * 360, [True, True]), (9, [0, 0])],
)
def test_auto_holds_what_fits_in_half_of_the_free_memory(layer, monkeypatch, available, held):
    monkeypatch.setattr(sets, "free_memory", lambda device: available)
    both = opened(layer())
    assert [isinstance(both[phase], InMemory) for phase in ("TRAIN", "TEST")] == held
    among = Sets(processes=2)  # each of which would hold as much
    assert isinstance(open_phase(layer(), "TRAIN", 0, sets=among), Stream)
    assert isinstance(open_phase(layer(memory="yes"), "TRAIN", 0), InMemory)


@pytest.mark.parametrize("rank", [0, 1])
def test_phases_are_opened_for_their_device_and_process(layer, monkeypatch, rank):
    asked = []
    monkeypatch.setattr(phases, "Sets", lambda *given, **keys: asked.append((given, keys)))
    layers = {"VAL": layer()}  # of which there is nothing without a split
    open_phases(layers, 0, "meta", share=(rank, 2), processes=3, watch="w", warn="n")
    assert asked == [(("w", "n", 3, None, "meta"), {"leading": rank == 0})]


@pytest.mark.parametrize("memory", [{}, {"memory": "no", "workers": 0}])
def test_blue_first_turns_the_channels_round_and_touches_nothing_else(layer, memory):
    transform = {"resize": [12, 10], "mean": "train", "crop_size": 7, "mirror": True}
    red, blue = (
        opened(layer(transform=transform, color_order=order, **memory)) for order in ("RGB", "BGR")
    )
    for phase, batches in red.items():
        for step in (0, 3):
            (one, labels), (other, same) = batches.batch(step), blue[phase].batch(step)
            assert torch.equal(one.flip(1), other)
            assert not torch.equal(one, other)
            assert torch.equal(labels, same)
        assert torch.equal(batches.mean_image.flip(0), blue[phase].mean_image)


def test_mean_values_are_in_the_order_that_the_net_sees(layer):
    plain = opened(layer(color_order="BGR"))
    given = opened(
        layer(color_order="BGR", transform={"resize": [12, 10], "mean_value": [1, 2, 3]})
    )
    values = torch.tensor([1.0, 2, 3]).reshape(3, 1, 1)
    assert torch.equal(plain["TEST"].batch(0)[0] - values, given["TEST"].batch(0)[0])


def test_auto_streams_what_has_no_one_size(layer):
    transform = {"resize": 12, "crop_size": 10}
    assert isinstance(open_phase(layer(transform=transform), "TRAIN", 0), Stream)


def test_sets_are_read_once_and_watched(layer):
    watched = []

    @contextmanager
    def watch(what, total):
        counted = []
        yield counted.append
        watched.append((what, total, sum(counted)))

    shared = Sets(watch)
    for phase in ("TRAIN", "VAL", "TRAIN"):
        open_phase(layer(split=3), phase, 0, sets=shared)
    assert ("Decoding images", 24, 24) in watched
    assert len(watched) == len({what for what, _, _ in watched})
    watched.clear()
    mean = {"resize": [12, 10], "mean": "train"}
    open_phase(layer(memory="no", workers=0, transform=mean), "TEST", 0, sets=shared)
    assert watched == [("Computing the mean image", 24, 24)]


def test_bad_images_of_a_set_in_memory_are_told_in_one_line(layer, root, tmp_path):
    folder = make_folder(tmp_path / "bad", train=7)
    paths = list_images(folder, train=True).paths
    for path in paths[1:8]:
        path.write_bytes(b"")
    told = []
    keys = {"root": str(folder.parent), "folder": "bad", "on_bad_image": "skip"}
    batches = open_phase(layer(**keys), "TRAIN", 0, sets=Sets(warn=told.append))
    assert len(batches) == 21
    named = ", ".join(map(str, paths[1:6]))
    assert told == [f"ImageFolder {folder}: skipped 7 bad images: {named}, 2 more"]
    with pytest.raises(DataError, match=f"^{paths[1]}: the file is empty$"):
        open_phase(layer(**keys | {"on_bad_image": "error"}), "TRAIN", 0)


def test_beside_another_process_each_tells_of_the_bad_images_that_it_alone_reads(
    layer, root, tmp_path
):
    folder = make_folder(tmp_path / "bad")
    bad = list_images(folder, train=True).paths[1]
    bad.write_bytes(b"")
    keys = {"root": str(folder.parent), "folder": "bad", "on_bad_image": "skip", "workers": 0}
    for memory, lines in (
        ("auto", []),
        ("no", [f"Skipped (bad image 1): {bad}: the file is empty"]),
    ):
        told = []
        beside = Sets(warn=told.append, leading=False)
        list(open_phase(layer(**keys, memory=memory), "TRAIN", 0, sets=beside).sweep())
        assert told == lines


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"batch_size": 25}, "ImageFolder {}: batch_size 25 is more than the 24 samples"),
        ({"split": 24}, "ImageFolder {}: split: 24 takes all 24 samples, which leaves none to"),
        ({"subset": 30}, "ImageFolder {}: subset: 30 is more than the 24 samples there are"),
        ({"folder": "no"}, "{}/../no: no such folder"),
    ],
)
def test_what_only_the_files_tell(layer, root, keys, message):
    if "folder" in keys:
        message = message.replace("{}/..", str(root))
    with pytest.raises(DataError) as caught:
        open_phase(layer(memory="no", **keys), "TRAIN", 0)
    assert str(caught.value).startswith(message.format(root / "set"))


def test_another_folder_is_tested_on_by_the_classes_of_the_first(layer, root, tmp_path):
    other = make_folder(tmp_path / "other", classes=("bee", "cat", "dog"))
    layers = {"TRAIN": layer(), "TEST": layer(folder=str(other))}
    with pytest.raises(DataError) as caught:
        open_phases(layers, 0)
    assert str(caught.value).splitlines() == [
        f"{other}/val/dog: no such class in {root}/set/train",
        f"{other}/val: lacks the class 'ant' of {root}/set/train",
    ]


def test_the_folder_may_be_absolute_or_left_out(layer, root):
    for keys in ({"folder": str(root / "set"), "root": "/"}, {"root": str(root / "set")}):
        given = layer(**keys).model_dump(exclude_unset=True)
        if "folder" not in keys:
            del given["folder"]
        assert DataOptions.model_validate(given).path == root / "set"
