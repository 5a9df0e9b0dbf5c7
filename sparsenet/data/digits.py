"""The 1,797 handwritten digits that come with scikit-learn: 8x8, no download."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sparsenet.data.splits import hold_out

TEST_SAMPLES = 360


def read_digits(train: bool) -> tuple[Tensor, Tensor]:
    """Images, uint8 (N, 1, 8, 8), and labels of the training or the test part.

    The data set has no test part of its own: 360 samples, stratified, are the test set of every
    user and seed, the other 1,437 the training set. Values 0..16 become round(v * 255 / 16).
    """
    from sklearn.datasets import load_digits  # noqa: PLC0415 - takes a second to import

    digits = load_digits()
    images = torch.from_numpy(np.rint(digits.images * (255 / 16)).astype(np.uint8)).unsqueeze(1)
    labels = torch.from_numpy(digits.target.astype(np.int64))
    rest, test = hold_out(labels, TEST_SAMPLES, seed=0)
    chosen = rest if train else test
    return images[chosen], labels[chosen]
