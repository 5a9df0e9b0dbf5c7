import json

import pytest

from sparsenet.data.sources import SOURCE_NAMES, SOURCES
from sparsenet.layers.base import LAYERS
from sparsenet.layers.data import Data
from sparsenet.record import check_record
from tests.layers.data_layers import FOLDER, SIZE, data, layer


def test_it_is_registered():
    assert LAYERS["Data"] is Data
    assert (Data.bottoms, Data.tops) == (0, 2)


def test_tops_are_data_and_label_where_left_out():
    assert layer().top == ("data", "label")
    assert layer(top=["x", "y"]).top == ("x", "y")


@pytest.mark.parametrize("source", SOURCES)
def test_shapes_are_known_without_the_files(source):
    assert layer(source=source).output_shapes(()) == (SOURCES[source].shape, ())


def test_shapes_are_those_after_the_transform():
    assert layer(transform={"resize": 28}).output_shapes(()) == ((1, 28, 28), ())
    assert layer(transform={"resize": [20, 24]}).output_shapes(()) == ((1, 20, 24), ())
    cropped = layer(source="CIFAR10", transform={"resize": 40, "crop_size": 28})
    assert cropped.output_shapes(()) == ((3, 28, 28), ())


@pytest.mark.parametrize(
    ("given", "phases"),
    [
        ({}, ("TRAIN", "TEST")),
        ({"split": 100}, ("TRAIN", "VAL", "TEST")),
        ({"phase": "TRAIN"}, ("TRAIN",)),
        ({"phase": "TRAIN", "split": "10%"}, ("TRAIN", "VAL")),
        ({"phase": ["TRAIN", "VAL"], "split": "10%"}, ("TRAIN", "VAL")),
        ({"phase": ["TEST", "TRAIN"], "split": "10%"}, ("TRAIN", "VAL", "TEST")),
        ({"phase": "TEST"}, ("TEST",)),
        ({"include": {"phase": "TEST"}}, ("TEST",)),
        ({"include": [{"phase": "TRAIN"}], "split": 7}, ("TRAIN", "VAL")),
    ],
)
def test_phases(given, phases):
    assert layer(**given).phases == phases


def test_defaults():
    record = layer()
    assert (record.download, record.shuffle, record.split_seed, record.subset_seed) == (
        True,
        True,
        0,
        0,
    )
    assert (record.root, record.split, record.subset) == (None, None, None)
    assert (record.transform.scale, record.transform.mirror) == (1.0, False)


KNOWN = "digits, MNIST, FashionMNIST, KMNIST, CIFAR10, CIFAR100, SVHN, ImageFolder or lmdb"


@pytest.mark.parametrize(
    ("given", "path", "message"),
    [
        ({"source": "CIFAR"}, "source", f"'CIFAR' is not {KNOWN}; did you mean 'CIFAR10'?"),
        (
            {"source": "fashonMNIST"},
            "source",
            f"'fashonMNIST' is not {KNOWN}; did you mean 'FashionMNIST'?",
        ),
        ({"source": "LSUN"}, "source", f"'LSUN' is not {KNOWN}"),
        ({"source": 3}, "source", "3 is not a text"),
        ({"batch_size": 0}, "batch_size", "0 must be at least 1"),
        ({"batch_size": "64"}, "batch_size", "'64' is not a whole number"),
        ({"split": 0.1}, "split", "0.1 is not a whole number from 1 or a percentage such as 5%"),
        ({"split": "110%"}, "split", "'110%' must be above 0% and at most 100%"),
        ({"split": 1438}, "split", "1438 is more than the 1437 samples there are"),
        (
            {"split": "100%"},
            "split",
            "100% takes all 1437 samples, which leaves none to train on",
        ),
        ({"subset": "0.01%"}, "subset", "0.01% of 1437 samples is less than one sample"),
        ({"split": 1000, "subset": 438}, "subset", "438 is more than the 437 samples there are"),
        ({"split": 10, "split_seed": -1}, "split_seed", "-1 must be at least 0"),
        ({"split_seed": 1}, "split_seed", "has no effect without split"),
        ({"subset_seed": 1}, "subset_seed", "has no effect without subset"),
        ({"shuffle": "yes"}, "shuffle", "'yes' is not true or false"),
        ({"bach_size": 1}, "bach_size", "unknown key; did you mean 'batch_size'?"),
        ({"top": "data"}, "top", "[data] is not two blobs, of the images and of the labels"),
        ({"top": ["a", "a"]}, "top", "[a, a] is not two blobs, of the images and of the labels"),
        ({"transform": {"crop_size": 9}}, "transform", "crop_size 9 is larger than the 8x8 images"),
        (
            {"transform": {"mean_value": [1, 2, 3]}},
            "transform",
            "mean_value has 3 numbers for images of 1 channel(s)",
        ),
        (
            {"phase": "VAL", "split": 10},
            "phase",
            "VAL is what the Data layer of TRAIN holds out by its split",
        ),
        (
            {"include": {"phase": "VAL"}},
            "include",
            "VAL is what the Data layer of TRAIN holds out by its split",
        ),
        (
            {"phase": ["TRAIN", "VAL"]},
            "split",
            "is missing: phase VAL is the samples it holds out",
        ),
        ({"phase": "TEST", "split": 10}, "split", "is for the Data layer of phase TRAIN"),
        ({"phase": "TEST", "subset": 10}, "subset", "is for the Data layer of phase TRAIN"),
        ({"phase": "TEST", "shuffle": True}, "shuffle", "is for the Data layer of phase TRAIN"),
        ({"root": ""}, "root", "is empty: name the folder, or leave it out"),
    ],
)
def test_malformed_layers(given, path, message):
    assert check_record(Data, data(**given)) == (None, [((path,), message)])


CROPPED = {"source": "ImageFolder", "transform": {"resize": 36, "crop_size": 32}}


@pytest.mark.parametrize(
    ("given", "shape"),
    [
        ({}, (3, 32, 32)),
        ({"is_color": False}, (1, 32, 32)),
        ({"transform": {"resize": [40, 36], "crop_size": 30}}, (3, 30, 30)),
        ({"transform": {"resize": 36, "crop_size": 30}}, (3, 30, 30)),
        ({"transform": {"crop_size": 30}}, (3, 30, 30)),
    ],
)
def test_the_shape_of_image_folders_follows_from_the_transform(given, shape):
    assert layer(**FOLDER | given).output_shapes(()) == (shape, ())


@pytest.mark.parametrize(
    ("given", "path", "message"),
    [
        ({"folder": "x"}, "folder", "is only for source ImageFolder or lmdb"),
        ({"is_color": True}, "is_color", "is only for source ImageFolder"),
        ({"workers": 2}, "workers", "is only for source ImageFolder or lmdb"),
        (FOLDER | {"folder": ""}, "folder", "is empty: name the folder, or leave it out"),
        (FOLDER | {"memory": "maybe"}, "memory", "'maybe' is not auto, yes or no"),
        (
            FOLDER | {"on_bad_image": "skp"},
            "on_bad_image",
            "'skp' is not error or skip; did you mean 'skip'?",
        ),
        (FOLDER | {"workers": -1}, "workers", "-1 must be at least 0"),
        (FOLDER | {"workers": 2, "memory": "yes"}, "workers", "has no effect with memory: yes"),
        (
            FOLDER | {"download": False},
            "download",
            "is not for source ImageFolder, which only reads",
        ),
        (FOLDER | {"bootstrap": -1}, "bootstrap", "-1 must be at least 0"),
        (
            FOLDER | {"bootstrap": 0, "phase": "TEST"},
            "bootstrap",
            "is for the Data layer of phase TRAIN",
        ),
        (CROPPED | {"memory": "yes"}, "memory", f"yes {SIZE}"),
        (
            {"source": "ImageFolder", "transform": {"crop_size": 9, "mean": "train"}},
            "transform",
            f"mean: train {SIZE}",
        ),
        (
            {"source": "ImageFolder"},
            "transform",
            "images of any size are made alike by resize: [height, width] or crop_size",
        ),
        (
            {"source": "ImageFolder", "transform": {"resize": 32}},
            "transform",
            "resize: 32 is the shorter side alone; give [height, width], or crop_size too",
        ),
        (
            {"source": "ImageFolder", "transform": {"resize": 32, "crop_size": 33}},
            "transform",
            "crop_size 33 is larger than the 32x32 images",
        ),
        (
            FOLDER | {"is_color": False, "transform": {"resize": [9, 9], "std": [1, 2, 3]}},
            "transform",
            "std has 3 numbers for images of 1 channel(s)",
        ),
    ],
)
def test_malformed_image_folders(given, path, message):
    assert check_record(Data, data(**given)) == (None, [((path,), message)])


def test_problems_inside_the_transform_have_their_path():
    record, problems = check_record(Data, data(transform={"scal": 1, "resize": "8"}))
    assert record is None
    assert sorted(problems) == [
        (("transform", "resize"), "'8' is not a side in pixels or [height, width]"),
        (("transform", "scal"), "unknown key; did you mean 'scale'?"),
    ]


def test_shuffle_false_is_allowed_in_tests():
    assert layer(phase="TEST", shuffle=False).phases == ("TEST",)


def test_the_schema_lists_the_sources_and_what_a_part_may_be():
    schema = Data.model_json_schema()["properties"]
    assert schema["source"]["enum"] == list(SOURCE_NAMES)
    assert json.dumps(schema["split"]).count("pattern") == 1
