import re

import numpy as np
import pytest
import torch

from sparsenet.data.transforms import Transform, mean_of
from sparsenet.record import check_record


def random_images(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("resize", [28, 5, 17, (28, 20), (3, 40)])
@pytest.mark.parametrize("shape", [(5, 1, 8, 8), (2, 3, 12, 19), (3, 3, 23, 10)])
def test_resize_is_torchvisions(resize, shape):
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.functional import resize as reference

    images = random_images(*shape)
    size = list(resize) if isinstance(resize, tuple) else [resize]
    expected = reference(images, size, InterpolationMode.BILINEAR, antialias=True)
    transform = Transform(resize=resize)
    resized = transform.resized(images)
    assert resized.dtype == torch.uint8
    assert torch.equal(resized, expected)
    assert transform.stored_shape(shape[1:]) == tuple(expected.shape[1:])


def test_resize_works_through_sets_larger_than_a_chunk():
    images = random_images(5000, 1, 4, 4)
    transform = Transform(resize=7)
    parts = torch.cat([transform.resized(images[i : i + 999]) for i in range(0, 5000, 999)])
    assert torch.equal(transform.resized(images), parts)
    assert Transform(resize=4).resized(images) is images


def test_the_mean_image_is_rounded_once():
    images = random_images(3001, 2, 3, 4)
    expected = images.numpy().astype(np.float64).mean(0).astype(np.float32)
    assert np.array_equal(mean_of(images).numpy(), expected)
    assert mean_of(images).dtype == torch.float32
    # A float32 sum of so many values would be off by one in a thousand.
    large = torch.full((200_000, 1, 1, 1), 255, dtype=torch.uint8)
    large[::2] = 254
    assert mean_of(large).item() == 254.5


def test_channel_means():
    assert Transform().channel_means(3) is None
    assert Transform(mean_value=(7.5,)).channel_means(3).tolist() == [[[7.5]]] * 3
    assert Transform(mean_value=(1.0, 2.0)).channel_means(2).tolist() == [[[1.0]], [[2.0]]]


def test_factors():
    assert Transform(scale=0.5).factor(3) == 0.5
    factor = Transform(scale=0.5, std=(3.0,)).factor(2)
    assert factor.tolist() == torch.full((2, 1, 1), 1 / 6).tolist()
    factor = Transform(std=(1.0, 2.0, 7.0)).factor(3)
    assert factor.flatten().tolist() == torch.tensor([1, 0.5, 1 / 7]).tolist()


def test_images_of_any_size_are_made_alike():
    assert Transform(resize=(7, 5)).least_shape(1) == (1, 7, 5)
    assert Transform(resize=(7, 5), crop_size=3).least_shape(1) == (1, 7, 5)
    assert Transform(resize=7, crop_size=3).least_shape(3) == (3, 7, 7)
    assert Transform(crop_size=3).least_shape(3) == (3, 3, 3)


def test_shapes():
    assert Transform().output_shape((3, 32, 30)) == (3, 32, 30)
    assert Transform(resize=40).output_shape((3, 32, 64)) == (3, 40, 80)
    assert Transform(resize=(40, 50)).output_shape((3, 32, 64)) == (3, 40, 50)
    assert Transform(resize=40, crop_size=40).output_shape((1, 32, 64)) == (1, 40, 40)
    assert Transform(mean_value=(1.0, 2.0, 3.0)).output_shape((3, 4, 4)) == (3, 4, 4)


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        ({"crop_size": 33}, "crop_size 33 is larger than the 32x40 images"),
        ({"resize": 8, "crop_size": 9}, "crop_size 9 is larger than the 8x10 images"),
        ({"mean_value": [1, 2]}, "mean_value has 2 numbers for images of 3 channel(s)"),
        ({"std": [1, 2]}, "std has 2 numbers for images of 3 channel(s)"),
        ({"mean_value": [1, 2, 3, 4]}, "mean_value has 4 numbers for images of 3 channel(s)"),
    ],
)
def test_transforms_that_do_not_fit(transform, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Transform.model_validate(transform).output_shape((3, 32, 40))


@pytest.mark.parametrize(
    ("data", "problems"),
    [
        ({"scale": 0}, [(("scale",), "0 must be greater than 0")]),
        ({"scale": "1/256"}, [(("scale",), "'1/256' is not a number")]),
        ({"mean_value": "x"}, [(("mean_value",), "'x' is not a number")]),
        ({"mean_value": []}, [(("mean_value",), "[] must have at least 1 value")]),
        ({"mean_value": [1, None]}, [(("mean_value", 1), "null is not a number")]),
        ({"mean": "test"}, [(("mean",), "'test' is not train")]),
        ({"mean": "trian"}, [(("mean",), "'trian' is not train; did you mean 'train'?")]),
        (
            {"mean": "train", "mean_value": 3},
            [(("mean",), "excludes mean_value: give one of them")],
        ),
        ({"resize": 0}, [(("resize",), "0 is not a side in pixels or [height, width]")]),
        ({"resize": True}, [(("resize",), "true is not a side in pixels or [height, width]")]),
        (
            {"resize": [1, 2, 3]},
            [(("resize",), "[1, 2, 3] is not a side in pixels or [height, width]")],
        ),
        ({"resize": []}, [(("resize",), "[] is not a side in pixels or [height, width]")]),
        ({"crop_size": 0}, [(("crop_size",), "0 must be at least 1")]),
        ({"std": [1, 0]}, [(("std", 1), "0 must be greater than 0")]),
        ({"crop_size": 8, "pad": -1}, [(("pad",), "-1 must be at least 0")]),
        (
            {"pad": 4},
            [(("pad",), "needs crop_size, the side of what is cut from padded images")],
        ),
        ({"mirror": 1}, [(("mirror",), "1 is not true or false")]),
        ({"crop": 2}, [(("crop",), "unknown key; did you mean 'crop_size'?")]),
    ],
)
def test_malformed_transforms(data, problems):
    assert check_record(Transform, data) == (None, problems)
