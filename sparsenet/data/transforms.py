"""What is done to images between the files and the net, in Caffe's order and on whole batches.

    stored uint8 image --resize once--> x --crop, mirror--> (x - mean) * scale

The mean image is cropped and mirrored with the image it is taken from, as Caffe does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator
from torch import Tensor
from torch.nn.functional import interpolate

from sparsenet.record import KeyProblem, OneOrMany, Record, shown

# Images converted at a time, so that resizing a set needs little more memory than its result.
_CHUNK = 2048


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
        description="train: subtract the mean image of the samples trained on; checkpoints hold it",
    )
    resize: Size | None = Field(
        None,
        description="the shorter side in pixels, or [height, width]; bilinear, antialiased, before"
        " all else and once for the whole set",
    )
    crop_size: int | None = Field(
        None, ge=1, description="side of a square cut out: anywhere in TRAIN, else in the centre"
    )
    mirror: bool = Field(False, description="flip left and right, in TRAIN, half of the images")

    @model_validator(mode="after")
    def _one_mean(self) -> Transform:
        if self.mean is not None and self.mean_value is not None:
            raise KeyProblem("mean", "excludes mean_value: give one of them")
        return self

    def stored_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """The shape of images (channels, height, width) after `resize`."""
        channels, height, width = shape
        return channels, *_resized(self.resize, height, width)

    def output_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """The shape of images (channels, height, width) after the whole transform.

        Raises ValueError where the crop is larger than the image or mean_value is not one number a
        channel.
        """
        channels, height, width = self.stored_shape(shape)
        if self.mean_value is not None and len(self.mean_value) not in (1, channels):
            raise ValueError(
                f"mean_value has {len(self.mean_value)} numbers for images of {channels} channel(s)"
            )
        if self.crop_size is None:
            return channels, height, width
        if self.crop_size > min(height, width):
            raise ValueError(
                f"crop_size {self.crop_size} is larger than the {height}x{width} images"
            )
        return channels, self.crop_size, self.crop_size

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
    return (images.sum(0, dtype=torch.int64).double() / len(images)).float()


def centre(images: Tensor, crop: int | None) -> Tensor:
    """The centre window of (..., H, W) images, at floor((H - crop) / 2) as in Caffe; a view."""
    if crop is None:
        return images
    top, left = (images.shape[-2] - crop) // 2, (images.shape[-1] - crop) // 2
    return images[..., top : top + crop, left : left + crop]


@dataclass(frozen=True)
class Windows:
    """The random crop and mirror of images of `height` x `width`, drawn and cut many at once."""

    height: int
    width: int
    crop: int | None
    mirror: bool

    def draw(self, samples: int, generator: torch.Generator) -> Tensor:
        """Rows (mirrored 0/1, top, left) for each sample, int64 (3, samples).

        All tops and lefts at which the window lies inside the image are equally likely. `left` is
        that in the image, mirrored first where it is to be: mirroring the window cut at x is
        cutting the mirrored image at width - crop - x, and both are equally distributed.
        """
        high, wide = (self.crop or self.height), (self.crop or self.width)
        ranges = (2 if self.mirror else 1, self.height - high + 1, self.width - wide + 1)
        rows = [torch.randint(count, (samples,), generator=generator) for count in ranges]
        return torch.stack(rows)

    def cut(self, images: Tensor, chosen: Tensor, windows: Tensor) -> Tensor:
        """From images (N, C, H, W) the window windows[:, i] of sample chosen[i]: (B, C, h, w)."""
        mirrored, top, left = windows
        if self.mirror:
            # Both ways round and then a selection: faster than any masked flip.
            chosen = chosen + mirrored * len(images)
            images = torch.cat([images, images.flip(-1)])
        if self.crop is None:
            return images.index_select(0, chosen)
        placed = images.unfold(2, self.crop, 1).unfold(3, self.crop, 1)
        return placed[chosen, :, top, left]
