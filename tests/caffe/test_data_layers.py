"""Where the images of Caffe's data layers are to come from, and what is done to them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sparsenet.caffe.data_layers import Look
from tests.caffe.prototxt import NOWHERE, Result, convert_text

LMDB = 'type: "Data" data_param { source: "x_lmdb" batch_size: 64 backend: LMDB }'
THERE = Look(None, lambda name: Path("/d") / name, lambda _: (3, 40, 50), lambda _: (3, 32, 33))


def data(layer: str, look: Look = NOWHERE, tops: str = 'top: "data" top: "label"') -> Result:
    return convert_text(f'layer {{ name: "d" {tops} {layer} }}', look)


def keys(layer: str, look: Look = NOWHERE) -> dict[str, Any]:
    result = data(layer, look)
    assert result.problems == []
    return {k: v for k, v in result.layers[0].items() if k not in ("name", "type", "top")}


def test_an_lmdb_that_is_there_is_read_where_it_is() -> None:
    transform = (
        "transform_param { scale: 0.00390625 mirror: true crop_size: 28 mean_value: 104"
        " mean_value: 117 mean_value: 123 }"
    )
    assert keys(f"{LMDB} {transform}", THERE) == {
        "source": "lmdb",
        "folder": "/d/x_lmdb",
        "shape": [3, 40, 50],
        "shuffle": False,
        "batch_size": 64,
        "transform": {
            "scale": 0.00390625,
            "mirror": True,
            "crop_size": 28,
            "mean_value": [104, 117, 123],
        },
    }


@pytest.mark.parametrize(
    ("look", "transform", "shape"),
    [
        (replace(NOWHERE, shape=(1, 5, 6)), "crop_size: 3", [1, 5, 6]),
        (replace(THERE, shape=(1, 5, 6)), "crop_size: 3", [1, 5, 6]),
        (THERE, 'mean_file: "m"', [3, 40, 50]),
        (replace(THERE, stored=lambda _: None), 'mean_file: "m"', [3, 32, 33]),
        (NOWHERE, "crop_size: 227", [3, 227, 227]),
        (NOWHERE, "crop_size: 9 mean_value: 1 mean_value: 2", [2, 9, 9]),
    ],
)
def test_the_shape_is_from_where_it_is_known_best(
    look: Look, transform: str, shape: list[int]
) -> None:
    assert keys(f"{LMDB} transform_param {{ {transform} }}", look)["shape"] == shape


def test_a_shape_that_nothing_tells_is_asked_for() -> None:
    result = data(LMDB)
    assert result.problems == [
        "net.prototxt:1: d.data_param: source 'x_lmdb' is not here, so the shape of its images is"
        " not known; give it by --shape CHANNELS,HEIGHT,WIDTH"
    ]
    assert result.report.lacks


def test_files_that_are_there_are_named_by_their_whole_paths() -> None:
    text = f'{LMDB} transform_param {{ mean_file: "m.binaryproto" }}'
    assert keys(text, THERE)["transform"] == {"mean_file": "/d/m.binaryproto"}
    elsewhere = keys(text, replace(NOWHERE, shape=(3, 8, 8)))
    assert elsewhere["folder"] == "x_lmdb"
    assert elsewhere["transform"] == {"mean_file": "m.binaryproto"}


def test_a_leveldb_is_not_looked_into() -> None:
    level = LMDB.replace("backend: LMDB", "")
    result = data(level, replace(THERE, shape=(3, 8, 8)))
    assert result.layers[0]["source"] == "lmdb"
    [note] = result.report.notes
    assert note.startswith("d: x_lmdb is a LevelDB, which is not read here: make an LMDB of it")
    assert data(level, THERE).problems != []


def test_a_mirror_of_both_phases_flips_but_one() -> None:
    words = "d: mirror flips images of TRAIN alone, in Caffe those of TEST too"
    both = data(f"{LMDB} transform_param {{ mirror: true }}", THERE)
    assert words in both.report.notes
    one = data(f"{LMDB} include {{ phase: TRAIN }} transform_param {{ mirror: true }}", THERE)
    assert words not in one.report.notes


def test_a_test_has_neither_shuffle_nor_mirror() -> None:
    result = data(f"{LMDB} include {{ phase: TEST }} transform_param {{ mirror: true }}", THERE)
    assert "shuffle" not in result.layers[0]
    assert "transform" not in result.layers[0]
    assert result.warnings == [
        "net.prototxt:1: d: transform_param.mirror: true is not carried over: only images of"
        " TRAIN are flipped here"
    ]


def test_what_current_layers_ignore_in_data_param_is_a_warning() -> None:
    result = data(LMDB.replace("backend", "scale: 0.5 backend"), THERE)
    [warning] = result.warnings
    assert "data_param.scale: 0.5 has no effect in Caffe either" in warning


def test_image_lists_are_image_folders() -> None:
    text = 'type: "ImageData" image_data_param { source: "list.txt" batch_size: 5 shuffle: true'
    made = keys(f'{text} root_folder: "r/" new_height: 256 new_width: 200 }}')
    assert made == {
        "source": "ImageFolder",
        "folder": "r/",
        "color_order": "BGR",
        "shuffle": True,
        "batch_size": 5,
        "transform": {"resize": [256, 200]},
    }
    grey = keys(f"{text} is_color: false }} transform_param {{ crop_size: 20 }}")
    assert grey == {
        "source": "ImageFolder",
        "is_color": False,
        "shuffle": True,
        "batch_size": 5,
        "transform": {"crop_size": 20},
    }
    [problem] = data(f"{text} }}").problems
    assert "without new_height and new_width; give it by --shape" in problem
    assert keys(f"{text} }}", replace(NOWHERE, shape=(3, 7, 8)))["transform"] == {"resize": [7, 8]}


@pytest.mark.parametrize(
    "layer",
    [
        'type: "MemoryData" memory_data_param { batch_size: 7 channels: 1 height: 5 width: 6 }',
        'type: "DummyData" dummy_data_param { shape { dim: 7 dim: 1 dim: 5 dim: 6 } }',
        'type: "DummyData" dummy_data_param { num: 7 channels: 1 height: 5 width: 6 }',
        'type: "Input" input_param { shape { dim: 7 dim: 1 dim: 5 dim: 6 } shape { dim: 7 } }',
    ],
)
def test_blobs_without_files_are_image_folders_of_their_shape(layer: str) -> None:
    assert keys(layer) == {
        "source": "ImageFolder",
        "is_color": False,
        "shuffle": False,
        "batch_size": 7,
        "transform": {"resize": [5, 6]},
    }


def test_blobs_that_are_no_pictures_are_an_lmdb() -> None:
    made = keys('type: "Input" input_param { shape { dim: 7 dim: 10 } }')
    assert made == {
        "source": "lmdb",
        "folder": "d",
        "shape": [10, 1, 1],
        "shuffle": False,
        "batch_size": 7,
    }
    [problem] = data('type: "Input" input_param { shape { dim: 7 dim: 2 dim: 3 } }').problems
    assert "input_param: the shape 7 x 2 x 3 is not that of images" in problem
    hdf5 = 'type: "HDF5Data" hdf5_data_param { source: "l.txt" batch_size: 3 shuffle: true }'
    [problem] = data(hdf5).problems
    assert "hdf5_data_param: 'l.txt': the shape of its images is not known" in problem
    made = keys(hdf5, replace(NOWHERE, shape=(4, 1, 1)))
    assert (made["shape"], made["shuffle"]) == ([4, 1, 1], True)


def test_labels_that_caffe_does_not_give_have_a_name_of_their_own() -> None:
    one = f'layer {{ name: "d" top: "data" {LMDB} }}'
    read = 'layer { name: "r" type: "ReLU" bottom: "data" top: "label" }'
    assert convert_text(one, THERE).layers[0]["top"] == ["data", "label"]
    assert convert_text(one + read, THERE).layers[0]["top"] == ["data", "label_2"]
    [problem] = data(LMDB, THERE, 'top: "a" top: "b" top: "c"').problems
    assert problem.startswith("net.prototxt:1: d.top: ['a', 'b', 'c'] is not two blobs")
