"""How much memory is free: of the machine, of the container it is seen from, and of a GPU."""

from __future__ import annotations

from pathlib import Path

import psutil
import torch

_GROUPS = Path("/sys/fs/cgroup")
_V2 = ("memory.max", "memory.current", "memory.stat", "inactive_file")
_V1 = ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat",
       "total_inactive_file")  # fmt: skip


def free_memory(device: torch.device | str = "cpu") -> int:
    """Bytes that may be taken before anything is swapped or killed, on a GPU also of its own."""
    free = psutil.virtual_memory().available
    # The machine's figures do not know what a container may take of it.
    free = min([free, *(left for group in (_V2, _V1) if (left := _left(*group)) is not None)])
    if torch.device(device).type == "cuda":
        free = min(free, torch.cuda.mem_get_info(device)[0])
    return free


def _left(limit: str, usage: str, stat: str, cache: str) -> int | None:
    """What a control group has left, cached files that can be dropped included; None: no limit."""
    try:
        left = int((_GROUPS / limit).read_text()) - int((_GROUPS / usage).read_text())
        lines = (line.split() for line in (_GROUPS / stat).read_text().splitlines())
        return max(0, left + sum(int(value) for key, value in lines if key == cache))
    except (OSError, ValueError):  # no such group, or the limit is "max"
        return None
