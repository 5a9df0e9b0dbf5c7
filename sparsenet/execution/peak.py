"""The memory of a process that does nothing but compute a packed model: `python -m` this module.

Arguments: FILE EXECUTION IMAGES THREADS. On stdout, as JSON: `peak`, the most bytes that were in
memory at a time, and `growth`, how many of them came after Python and its libraries were there.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import psutil
import torch

from sparsenet.execution.load import load_packed

_MARK = "VmHWM:"
_KIB = 1024


def peak_bytes() -> int:
    """The most memory that this process has had: VmHWM, which unlike ru_maxrss is not its parent's.

    Where there is no /proc it is ru_maxrss, which macOS gives in bytes.
    """
    try:
        lines = Path("/proc/self/status").read_text("utf-8").splitlines()
        return _KIB * next(int(line.split()[1]) for line in lines if line.startswith(_MARK))
    except (OSError, StopIteration):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else _KIB * most


def _forget_peak() -> None:
    """Let the peak begin at what is in memory now, where the system can."""
    try:
        Path("/proc/self/clear_refs").write_text("5", "utf-8")
    except OSError:
        return


def main(path: str, execution: str, images: str, threads: str) -> None:
    """Load, compute, and print what it took."""
    torch.set_num_threads(int(threads))
    _forget_peak()
    before = psutil.Process().memory_info().rss
    net = load_packed(path, execution, int(threads))  # type: ignore[arg-type]
    for _ in range(2):
        net(torch.rand(int(images), *net.structure.image_shape))
    peak = peak_bytes()
    print(json.dumps({"peak": peak, "growth": max(0, peak - before)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
