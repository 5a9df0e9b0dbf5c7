"""sparsenet: convolutional networks that fit a byte budget, from Caffe-style YAML files."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sparsenet.execution.load import load_packed

__version__ = version("sparsenet")

__all__ = ["__version__", "load_packed"]


def __getattr__(name: str) -> Any:
    """Import what needs torch only where it is asked for."""
    if name == "load_packed":
        from sparsenet.execution.load import load_packed  # noqa: PLC0415  it imports torch

        return load_packed
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
