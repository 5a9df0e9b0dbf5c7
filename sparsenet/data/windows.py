"""The part of an image that the net sees: its centre, or a window drawn at random."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

_BITS = 32


def centre(images: Tensor, crop: int | None) -> Tensor:
    """The centre window of (..., H, W) images, at floor((H - crop) / 2) as in Caffe; a view."""
    if crop is None:
        return images
    top, left = (images.shape[-2] - crop) // 2, (images.shape[-1] - crop) // 2
    return images[..., top : top + crop, left : left + crop]


@dataclass(frozen=True)
class Windows:
    """The random crop and mirror of padded images: drawn for whole epochs, cut from any size.

    `crop` is the side of the square that is cut, None for the whole image, which is not padded;
    `pad` black pixels are put at every side before.
    """

    crop: int | None
    mirror: bool = False
    pad: int = 0

    def draw(self, samples: int, generator: torch.Generator) -> Tensor:
        """Draws for so many samples, int64 (3, samples): mirrored 0/1, vertical, horizontal.

        The last two are uniform in 0..2^32 - 1; `place` scales them to an image, so that the same
        draws serve images of all sizes.
        """
        ranges = (2 if self.mirror else 1, 2**_BITS, 2**_BITS)
        rows = [torch.randint(count, (samples,), generator=generator) for count in ranges]
        return torch.stack(rows)

    def place(self, drawn: Tensor, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
        """(mirrored, top, left) of windows in images of height x width, padded.

        Every place at which a window lies inside the padded image is equally likely, to 2^-32.
        `left` is that in the image, mirrored first where it is to be: mirroring the window cut at
        x is cutting the mirrored image at width - crop - x, and both are equally distributed.
        """
        mirrored, vertical, horizontal = drawn
        if self.crop is None:
            return mirrored, torch.zeros_like(vertical), torch.zeros_like(horizontal)
        rows, columns = (side + 2 * self.pad - self.crop + 1 for side in (height, width))
        return mirrored, (vertical * rows) >> _BITS, (horizontal * columns) >> _BITS

    def cut(self, images: Tensor, chosen: Tensor, drawn: Tensor) -> Tensor:
        """From images (N, C, H, W) the window drawn[:, i] of sample chosen[i]: (B, C, h, w)."""
        mirrored, top, left = self.place(drawn, images.shape[2], images.shape[3])
        images = self._padded(images)
        if self.mirror:
            # Both ways round and then a selection: faster than any masked flip.
            chosen = chosen + mirrored * len(images)
            images = torch.cat([images, images.flip(-1)])
        if self.crop is None:
            return images.index_select(0, chosen)
        placed = images.unfold(2, self.crop, 1).unfold(3, self.crop, 1)
        return placed[chosen, :, top, left]

    def cut_one(self, image: Tensor, drawn: Tensor) -> Tensor:
        """The window drawn, int64 (3,), of one image (C, H, W)."""
        placed = self.place(drawn, image.shape[1], image.shape[2])
        mirrored, top, left = (int(value) for value in placed)
        image = self._padded(image)
        image = image.flip(-1) if mirrored else image
        if self.crop is None:
            return image
        return image[:, top : top + self.crop, left : left + self.crop]

    def _padded(self, images: Tensor) -> Tensor:
        return pad(images, [self.pad] * 4) if self.pad and self.crop else images
