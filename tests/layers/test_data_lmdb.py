"""A Data layer of an LMDB, and what came with it: shape, color_order, mean_file."""

import pytest

from sparsenet.layers.data import Data
from sparsenet.record import check_record
from tests.layers.data_layers import FOLDER, SIZE, data, layer

LMDB = {"source": "lmdb", "folder": "mnist_train_lmdb", "shape": [3, 32, 28]}


@pytest.mark.parametrize(
    ("given", "shape"),
    [
        ({}, (3, 32, 28)),
        ({"transform": {"crop_size": 27}}, (3, 27, 27)),
        ({"transform": {"resize": 56}}, (3, 64, 56)),
        ({"transform": {"resize": [40, 36], "mean_file": "m"}}, (3, 40, 36)),
    ],
)
def test_the_shape_of_an_lmdb_is_that_stored_after_the_transform(given, shape):
    assert layer(**LMDB | given).output_shapes(()) == (shape, ())


@pytest.mark.parametrize(
    ("given", "path", "message"),
    [
        ({"shape": [1, 8, 8]}, "shape", "is only for source lmdb"),
        (FOLDER | {"shape": [1, 8, 8]}, "shape", "is only for source lmdb"),
        ({"color_order": "BGR"}, "color_order", "is only for source ImageFolder or lmdb"),
        (
            FOLDER | {"color_order": "BRG"},
            "color_order",
            "'BRG' is not RGB or BGR; did you mean 'RGB'?",
        ),
        (
            FOLDER | {"color_order": "BGR", "is_color": False},
            "color_order",
            "has no effect with is_color: false",
        ),
        (
            LMDB | {"color_order": "RGB", "shape": [1, 8, 8]},
            "color_order",
            "has no effect on images of 1 channel(s)",
        ),
        (LMDB | {"is_color": True}, "is_color", "is only for source ImageFolder"),
        (LMDB | {"on_bad_image": "skip"}, "on_bad_image", "is only for source ImageFolder"),
        (LMDB | {"download": True}, "download", "is not for source lmdb, which only reads"),
        (LMDB | {"folder": ""}, "folder", "is empty: name the folder, or leave it out"),
        (LMDB | {"folder": None}, "folder", "is missing: name the folder of the LMDB"),
        (
            LMDB | {"shape": None},
            "shape",
            "is missing: give [channels, height, width] of the images",
        ),
        (LMDB | {"shape": [3, 8]}, "shape", "[3, 8] is not [channels, height, width]"),
        (LMDB | {"shape": [3, 8, 0]}, "shape", "[3, 8, 0] is not [channels, height, width]"),
        (LMDB | {"shape": 3}, "shape", "3 is not [channels, height, width]"),
        (LMDB | {"memory": "yes", "workers": 1}, "workers", "has no effect with memory: yes"),
        (
            LMDB | {"transform": {"crop_size": 29}},
            "transform",
            "crop_size 29 is larger than the 32x28 images",
        ),
    ],
)
def test_malformed_lmdbs(given, path, message):
    assert check_record(Data, data(**given)) == (None, [((path,), message)])


@pytest.mark.parametrize("other", [{"mean": "train"}, {"mean_value": 3}])
def test_a_mean_file_excludes_other_means(other):
    [key] = other
    transform = {"mean_file": "m.binaryproto", **other}
    _, problems = check_record(Data, data(transform=transform))
    assert problems == [(("transform", "mean_file"), f"excludes {key}: give one of them")]


def test_a_mean_file_needs_images_of_one_size():
    record = {"source": "ImageFolder", "transform": {"crop_size": 9, "mean_file": "m"}}
    problem = (("transform",), f"mean_file: m {SIZE}")
    assert check_record(Data, data(**record)) == (None, [problem])
