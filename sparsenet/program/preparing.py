"""From the pixels of a file to the image that a net sees: the TEST transform as C."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sparsenet.errors import ConfigError
from sparsenet.layers.data import Data


@dataclass(frozen=True)
class Preparing:
    """(x - mean) * factor of the centre window: see kernels/prepare.c.

    `stored` (channels, height, width) is of the pixels, after `resize`; `shape` of the window.
    `means` are a number a channel or, as `is_image` says, the stored image's. The pixels have the
    channels as the net sees them: where it `has_blue_first`, blue, green and red.
    """

    stored: tuple[int, int, int]
    shape: tuple[int, int, int]
    means: NDArray[np.float32]
    is_image: bool
    has_blue_first: bool
    factors: NDArray[np.float32]

    @property
    def nbytes(self) -> int:
        """What its numbers take."""
        return self.means.nbytes + self.factors.nbytes

    @property
    def pixels(self) -> int:
        """How many bytes an image's pixels are."""
        return prod(self.stored)


def preparing(data: Data, mean_image: Tensor | None) -> Preparing:
    """What the transform of a Data layer does in a test, but for `resize`, which C leaves out.

    Raises ConfigError where it subtracts a mean image and none is given.
    """
    transform, stored = data.transform, data.mean_shape
    channels = stored[0]
    factor = transform.factor(channels)
    factors = factor if isinstance(factor, float) else factor.numpy().reshape(-1)
    means = transform.channel_means(channels)
    values = np.zeros(channels, np.float32) if means is None else means.numpy().reshape(-1)
    is_image = transform.image_of_mean is not None
    if is_image:
        if mean_image is None:
            raise ConfigError(f"{data.name}: the mean image that is subtracted is not known")
        values = mean_image.float().cpu().numpy().reshape(-1)
    return Preparing(
        stored,
        data.image_shape,
        np.ascontiguousarray(values, np.float32),
        is_image,
        data.has_blue_first,
        np.broadcast_to(np.asarray(factors, np.float32), (channels,)).copy(),
    )
