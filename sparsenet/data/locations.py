"""Where on this machine the program keeps what it can make or download again."""

from __future__ import annotations

import os
from pathlib import Path

from sparsenet.data.raw import DataError


def cache_folder() -> Path:
    """`sparsenet` in the user's cache folder: XDG_CACHE_HOME, else ~/.cache.

    Raises DataError where there is neither.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The XDG specification: a path that is not absolute is to be ignored.
    try:
        return (cache if cache.is_absolute() else Path.home() / ".cache") / "sparsenet"
    except RuntimeError:  # a user that the machine does not know, as in a container
        raise DataError("there is no home folder: set XDG_CACHE_HOME") from None
