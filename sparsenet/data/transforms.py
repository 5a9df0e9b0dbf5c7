"""What is done to images between the files and the net, in Caffe's order.

    stored uint8 image --resize--> x --pad, crop, mirror--> (x - mean) * scale / std

The mean image is padded, cropped and mirrored with the image it is taken from, as Caffe does.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator
from torch import Tensor
from torch.nn.functional import interpolate

from sparsenet.record import KeyProblem, OneOrMany, Record
from sparsenet.record_words import shown

# Images converted at a time, so that resizing a set needs little more memory than its result.
_CHUNK = 2048
_SUMMED = 2**24
"""Pixels summed at a time, for which torch first makes eight bytes of each."""


def _check_size(value: object) -> object:
    sides = tuple(value) if isinstance(value, list | tuple) else (value,)
    whole = all(isinstance(s, int) and not isinstance(s, bool) and s >= 1 for s in sides)
    if not whole or len(sides) > 2 or not sides:
        raise ValueError(f"{shown(value)} is not a side in pixels or [height, width]")
    return sides[0] if len(sides) == 1 else sides


Size = Annotated[
    int | tuple[int, int],
    BeforeValidator(_check_size),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {
                    "type": "array",
                    "items": {"type": "integer", "minimum": 1},
                    "minItems": 1,
                    "maxItems": 2,
                },
            ]
        }
    ),
]


class Transform(Record):
    """The `transform` of a Data layer: Caffe's transform_param, and `resize`."""

    scale: float = Field(1.0, gt=0, description="multiplies the pixels 0..255 less their mean")
    mean_value: OneOrMany[float] | None = Field(
        None, description="subtracted from every pixel: one number, or one for each channel"
    )
    mean: Literal["train"] | None = Field(
        None,
        description="train: subtract the mean image of the samples trained on, before a bootstrap;"
        " checkpoints hold it",
    )
    mean_file: str | None = Field(
        None,
        min_length=1,
        description="a .binaryproto of Caffe's, below root: subtract the mean image it holds, of"
        " the images as they are before the crop; checkpoints hold it",
    )
    std: OneOrMany[Annotated[float, Field(gt=0)]] | None = Field(
        None,
        description="divides the pixels less their mean, in their own unit 0..255: one number, or"
        " one for each channel",
    )
    resize: Size | None = Field(
        None,
        description="the shorter side in pixels, or [height, width]; bilinear, antialiased, before"
        " all else",
    )
    pad: int = Field(
        0, ge=0, description="black pixels put at every side in TRAIN, before the random crop"
    )
    crop_size: int | None = Field(
        None, ge=1, description="side of a square cut out: anywhere in TRAIN, else in the centre"
    )
    mirror: bool = Field(False, description="flip left and right, in TRAIN, half of the images")

    @model_validator(mode="after")
    def _one_mean(self) -> Transform:
        keys = ("mean_value", "mean", "mean_file")
        given = [key for key in keys if getattr(self, key) is not None]
        if len(given) > 1:
            raise KeyProblem(given[1], f"excludes {given[0]}: give one of them")
        return self

    @model_validator(mode="after")
    def _pad_is_cropped(self) -> Transform:
        if self.pad and self.crop_size is None:
            raise KeyProblem("pad", "needs crop_size, the side of what is cut from padded images")
        return self

    @property
    def image_of_mean(self) -> str | None:
        """What names the mean image that is subtracted, as it is written; None: none is."""
        if self.mean_file is not None:
            return f"mean_file: {self.mean_file}"
        return None if self.mean is None else f"mean: {self.mean}"

    @property
    def exact_size(self) -> tuple[int, int] | None:
        """[height, width] that `resize` gives every image, whatever its own."""
        return self.resize if isinstance(self.resize, tuple) else None

    def stored_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """The shape of images (channels, height, width) after `resize`."""
        channels, height, width = shape
        return channels, *_resized(self.resize, height, width)

    def output_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """The shape of images (channels, height, width) after the whole transform.

        Raises ValueError where the crop is larger than the image or mean_value or std is not one
        number a channel.
        """
        channels, height, width = self.stored_shape(shape)
        for key in ("mean_value", "std"):
            given = getattr(self, key)
            if given is not None and len(given) not in (1, channels):
                raise ValueError(
                    f"{key} has {len(given)} numbers for images of {channels} channel(s)"
                )
        if self.crop_size is None:
            return channels, height, width
        if self.crop_size > min(height, width):
            raise ValueError(
                f"crop_size {self.crop_size} is larger than the {height}x{width} images"
            )
        return channels, self.crop_size, self.crop_size

    def least_shape(self, channels: int) -> tuple[int, int, int]:
        """The least (channels, height, width) after `resize` of images of any size.

        Raises ValueError where the whole transform would not give all of them one size.
        """
        if self.resize is None and self.crop_size is None:
            words = "images of any size are made alike by resize: [height, width] or crop_size"
            raise ValueError(words)
        if isinstance(self.resize, tuple):
            return channels, *self.resize
        if self.crop_size is None:
            words = f"resize: {self.resize} is the shorter side alone"
            raise ValueError(f"{words}; give [height, width], or crop_size too")
        side = self.resize or self.crop_size
        return channels, side, side

    def resized(self, images: Tensor) -> Tensor:
        """A uint8 set (N, C, H, W) at the size that `resize` says, rounded to uint8 again."""
        size = _resized(self.resize, images.shape[2], images.shape[3])
        if size == tuple(images.shape[2:]):
            return images
        result = images.new_empty((*images.shape[:2], *size))
        for start in range(0, len(images), _CHUNK):
            chunk = images[start : start + _CHUNK].float()
            chunk = interpolate(chunk, size, mode="bilinear", antialias=True)
            result[start : start + _CHUNK] = chunk.round_().clamp_(0, 255)
        return result

    def channel_means(self, channels: int) -> Tensor | None:
        """`mean_value` as float32 (C, 1, 1), or None where it is left out."""
        if self.mean_value is None:
            return None
        values = torch.tensor(self.mean_value, dtype=torch.float32)
        return values.expand(channels).reshape(channels, 1, 1)

    def factor(self, channels: int) -> Tensor | float:
        """`scale` / `std`: the number that is `scale`, or with `std` float32 (C, 1, 1)."""
        if self.std is None:
            return self.scale
        factors = self.scale / torch.tensor(self.std, dtype=torch.float64)
        return factors.float().expand(channels).reshape(channels, 1, 1)


def _resized(resize: int | tuple[int, int] | None, height: int, width: int) -> tuple[int, int]:
    if resize is None:
        return height, width
    if isinstance(resize, tuple):
        return resize
    # The shorter side is given and the other keeps the ratio, truncated as torchvision does.
    if height <= width:
        return resize, int(resize * width / height)
    return int(resize * height / width), resize


def mean_of(images: Tensor) -> Tensor:
    """The mean image of a uint8 set (N, C, H, W): float32 (C, H, W) of exact sums."""
    return mean_of_sum(sum_of(images), len(images))


def sum_of(images: Tensor) -> Tensor:
    """The sum of uint8 images (N, C, H, W), int64 (C, H, W)."""
    total = torch.zeros(images.shape[1:], dtype=torch.int64)
    at_a_time = max(1, _SUMMED // total.numel())
    for start in range(0, len(images), at_a_time):
        total += images[start : start + at_a_time].sum(0, dtype=torch.int64)
    return total


def mean_of_sum(total: Tensor, samples: int) -> Tensor:
    """An int64 sum of so many images as their float32 mean, rounded once more."""
    return (total.double() / samples).float()
