"""What `import sparsenet` offers."""

from __future__ import annotations

import importlib.metadata
import re

import sparsenet


def test_public_names_are_sorted_once_each_and_importable() -> None:
    assert sparsenet.__all__ == sorted(set(sparsenet.__all__))
    for name in sparsenet.__all__:
        assert getattr(sparsenet, name) is not None
    assert set(sparsenet.__all__) <= set(dir(sparsenet))


def test_the_version_is_the_distributions() -> None:
    assert sparsenet.__version__ == importlib.metadata.version("sparsenet")
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", sparsenet.__version__)
