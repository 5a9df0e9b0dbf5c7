"""What every net that was loaded does: check its images, and compute and time their scores."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn

from sparsenet.execution.choice import Choice
from sparsenet.execution.structure import Structure
from sparsenet.execution.timed import Timed
from sparsenet.execution.walk import Walk
from sparsenet.execution.whole import Whole


class Runnable(nn.Module):
    """Images (N, C, H, W) to scores (N, scores), as the net's tests compute them, on the CPU."""

    structure: Structure

    @property
    @abstractmethod
    def resident_bytes(self) -> dict[str, int]:
        """Bytes that stay in memory for the weights of each layer."""

    @abstractmethod
    def choice(self, images: Tensor) -> Choice:
        """How so many images are computed."""

    @abstractmethod
    def _runner(self, images: Tensor) -> Whole | Walk:
        """What computes so many images."""

    def forward(self, images: Tensor) -> Tensor:
        """The scores of float32 images as the net's Data layer gives them.

        Raises ValueError for other images.
        """
        self._require(images)
        if not len(images):
            return torch.empty(0, self.structure.width)
        return self._runner(images)(images)

    def timed(self, images: Tensor) -> list[Timed]:
        """How long each part of the net takes for these images, in order.

        A program is timed on one thread; layers that torch computes run on torch's. Raises
        ValueError for other images, or for none.
        """
        self._require(images)
        if not len(images):
            raise ValueError("there are no images to compute")
        return self._runner(images).timed(images)

    def _require(self, images: Tensor) -> None:
        shape = self.structure.image_shape
        if images.dtype != torch.float32 or tuple(images.shape[1:]) != shape:
            wrong = f"{images.dtype} {tuple(images.shape)}"
            raise ValueError(f"images are {wrong}, not torch.float32 (N, {str(shape)[1:]}")
        if images.device.type != "cpu":
            raise ValueError(f"images are on {images.device}, and the net computes on the CPU")
