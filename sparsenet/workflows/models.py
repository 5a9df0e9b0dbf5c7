"""Models of ours on the disk: checkpoints and packed files, taken alike."""

from __future__ import annotations

from pathlib import Path

from sparsenet.checkpoint import Checkpoint, is_checkpoint, load_checkpoint
from sparsenet.packed.file import is_packed, read_packed
from sparsenet.packed.model import unpack


def is_model(path: Path) -> bool:
    """Whether a file says that it is a checkpoint or packed model; it may be damaged all the same.

    Raises ConfigError where there is no such file or it is a YAML file.
    """
    return is_checkpoint(path) or is_packed(path)


def load_model(path: Path) -> Checkpoint:
    """A checkpoint, or the one that a packed model was made of, its weights as they are held there.

    Raises ConfigError, CheckpointError or PackError.
    """
    return unpack(read_packed(path), str(path)) if is_packed(path) else load_checkpoint(path)
