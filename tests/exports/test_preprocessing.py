"""What a deployed net's user is told of its images, and the images it is compared on."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
import torch

from sparsenet.exports.inference import ExportError
from sparsenet.exports.preprocessing import facts, sample_images
from tests.exports.deployed import deployed
from tests.small import convolution, inner_product, net_data

IP = inner_product("ip", 10)
CONV = convolution("conv", 4, bias_term=True)


def test_facts_count_the_weights_that_are_deployed_without_biases() -> None:
    head = inner_product("head", 10, bottom="conv")
    ip = {**IP, "bottom": "conv"}
    inference = deployed(net_data(CONV, head, ip), accuracy={"TEST": 0.75, "VAL": 0.5})
    found = facts(inference)
    weights = [inference.tensors[f"{name}.weight"] for name in ("conv", "ip")]
    assert found["weights"] == str(4 * 9 + 10 * 4 * 36)
    assert found["nonzeros"] == str(sum(int((weight != 0).sum()) for weight in weights))
    assert 0 < int(found["nonzeros"]) < int(found["weights"])
    assert (found["net"], found["iter"], found["test_accuracy"]) == ("small", "7", "0.75")
    assert not {"mean_image", "classes"} & found.keys()


def test_facts_have_the_transform_as_it_acts_in_tests() -> None:
    transform = {"resize": 10, "crop_size": 9, "mirror": True, "mean_value": 8, "std": 2, "pad": 1}
    found = facts(deployed(net_data(IP, transform=transform), classes=("null", "eins")))
    assert json.loads(found["transform"]) == {
        "resize": 10,
        "crop_size": 9,
        "mean_value": [8.0],
        "scale": 1.0,
        "std": [2.0],
    }
    assert json.loads(found["classes"]) == ["null", "eins"]
    assert "test_accuracy" not in found


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"color_order": "BGR"}, "BGR"),
        ({"source": "lmdb", "folder": "x", "shape": [3, 8, 8]}, "BGR"),
        ({"source": "lmdb", "folder": "x", "shape": [3, 8, 8], "color_order": "RGB"}, None),
        ({"source": "lmdb", "folder": "x", "shape": [1, 8, 8]}, None),
        ({"source": "lmdb", "folder": "x", "shape": [2, 8, 8]}, None),
        ({}, None),
    ],
)
def test_an_order_of_colours_is_told_where_blue_is_first(keys: dict[str, Any], told: str) -> None:
    given = {"source": "ImageFolder", "transform": {"resize": [8, 8]}} | keys
    found = json.loads(facts(deployed(net_data(IP, **given)))["transform"])
    assert found.get("color_order") == told


def test_the_mean_image_is_told_whole_and_bit_for_bit() -> None:
    mean = torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(2)) * 16
    transform = {"mean": "train", "crop_size": 5, "scale": 0.25}
    inference = deployed(net_data(IP, transform=transform), mean_image=mean)
    told = json.loads(facts(inference)["mean_image"])
    numbers = np.frombuffer(base64.b64decode(told["float32"]), "<f4").reshape(told["shape"])
    assert np.array_equal(numbers, mean.numpy())


@pytest.mark.parametrize("mean", [None, torch.zeros(1, 5, 5)])
def test_a_mean_image_that_is_missing_or_of_another_shape_is_told(mean: torch.Tensor) -> None:
    inference = deployed(net_data(IP, transform={"mean": "train", "crop_size": 5}), mean_image=mean)
    with pytest.raises(ExportError, match=r"need a mean image of \(1, 8, 8\), and the file holds"):
        facts(inference)


def test_sample_images_are_random_pixels_transformed() -> None:
    mean = torch.arange(64.0).reshape(1, 8, 8)
    transform = {"mean": "train", "crop_size": 4, "scale": 0.5, "std": 4}
    inference = deployed(net_data(IP, transform=transform), mean_image=mean)
    images = sample_images(inference, 200)
    assert images.shape == (200, 1, 4, 4)
    pixels = images * 8 + mean[:, 2:6, 2:6]
    assert torch.equal(pixels, pixels.round())
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert abs(float(pixels.mean()) - 127.5) < 6  # 5 standard deviations are 6.5
    assert torch.equal(images, sample_images(inference, 200))


def test_sample_images_have_each_channels_mean_value() -> None:
    transform = {"mean_value": [10, 20, 30], "scale": 0.25}
    net = net_data(inner_product("ip", 10), source="CIFAR10", transform=transform)
    images = sample_images(deployed(net), 50)
    lowest = images.amin((0, 2, 3))
    assert lowest.tolist() == [-2.5, -5.0, -7.5]
