"""Files of weights as torch and safetensors write them, and why one is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from sparsenet.foreign.read import ForeignError, read_foreign

Save = Callable[[Any, Path], None]


def save_zip(content: Any, path: Path) -> None:
    torch.save(content, path)


def save_legacy(content: Any, path: Path) -> None:
    torch.save(content, path, _use_new_zipfile_serialization=False)


TORCH = pytest.mark.parametrize("save", [save_zip, save_legacy])
EVERY = pytest.mark.parametrize("save", [save_zip, save_legacy, save_file])


def refusal(path: Path) -> str:
    """Why a file is refused, in one line that names it."""
    with pytest.raises(ForeignError) as raised:
        read_foreign(path)
    message = str(raised.value)
    assert message.startswith(f"{path}: ")
    assert len(message.splitlines()) == 1
    return message.removeprefix(f"{path}: ")
