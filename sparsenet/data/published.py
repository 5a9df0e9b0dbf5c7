"""The published sets that torchvision reads and downloads, as whole arrays without PIL."""

from __future__ import annotations

import sys
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparsenet.data.raw import DataError

# Where below `root` torchvision keeps the files of a set.
FOLDERS = {
    "MNIST": "MNIST/raw",
    "FashionMNIST": "FashionMNIST/raw",
    "KMNIST": "KMNIST/raw",
    "CIFAR10": "cifar-10-batches-py",
    "CIFAR100": "cifar-100-python",
    "SVHN": "",
}


def read_published(name: str, root: Path, train: bool, download: bool) -> tuple[Tensor, Tensor]:
    """Images, uint8 (N, C, H, W), and int64 labels of a set's training or test part.

    Files that are not there are downloaded where `download` says so. Raises DataError where they
    stay absent or cannot be read.
    """
    with warnings.catch_warnings():
        # NumPy 2.4.0 warns of the dtypes in CIFAR's old pickles.
        warnings.simplefilter("ignore", np.exceptions.VisibleDeprecationWarning)
        dataset = _open(name, root, train, download)
    images = torch.as_tensor(np.asarray(dataset.data))
    labels = dataset.labels if name == "SVHN" else dataset.targets
    if images.ndim == 3:
        images = images.unsqueeze(1)
    elif name.startswith("CIFAR"):
        images = images.permute(0, 3, 1, 2)  # torchvision holds it as PIL wants it
    return images.contiguous(), torch.as_tensor(np.asarray(labels), dtype=torch.int64)


def _open(name: str, root: Path, train: bool, download: bool) -> Any:
    from torchvision import datasets  # noqa: PLC0415 - takes a second to import

    kind = getattr(datasets, name)
    part = {"split": "train" if train else "test"} if name == "SVHN" else {"train": train}
    folder = root / FOLDERS[name]
    try:
        return kind(root, **part)
    except Exception as error:
        # torchvision has no type for absent files, only these words. Whatever else the parsing of
        # a cut-off or foreign file stumbles over, it means the same.
        if not (isinstance(error, RuntimeError) and "not found" in str(error)):
            remedy = "delete its files there to have them downloaded again"
            words = f"{name} in {folder} cannot be read ({_why(error)}): {remedy}"
            raise DataError(words) from error
    remedy = "put its files there, or say with root or SPARSENET_DATA where they are"
    if not download:
        words = f"{name} is not in {folder}, and download is false"
        raise DataError(f"{words}: {remedy}")
    try:
        with redirect_stdout(sys.stderr):
            return kind(root, download=True, **part)
    except Exception as error:
        # Networks, proxies, archives and disks fail in a dozen types of exception.
        words = f"{name} is not in {folder} and cannot be downloaded ({_why(error)})"
        raise DataError(f"{words}: {remedy}") from error


def _why(error: Exception) -> str:
    """An exception in one line of bounded length."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else text[:157] + "..."
