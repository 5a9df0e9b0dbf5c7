"""The free memory is the least of the machine's, the container's and the GPU's."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from sparsenet.data import room
from sparsenet.data.room import free_memory


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with 1,000 bytes free, and no control group yet."""
    monkeypatch.setattr(room.psutil, "virtual_memory", lambda: SimpleNamespace(available=1000))
    monkeypatch.setattr(room, "_GROUPS", tmp_path)
    (tmp_path / "memory").mkdir()
    return tmp_path


def test_without_a_container_it_is_the_machines(groups: Path) -> None:
    assert free_memory() == 1000
    (groups / "memory.max").write_text("max\n")
    (groups / "memory.current").write_text("700\n")
    (groups / "memory.stat").write_text("anon 500\ninactive_file 60\n")
    assert free_memory() == 1000


@pytest.mark.parametrize(
    ("limit", "usage", "stat", "cache"),
    [
        ("memory.max", "memory.current", "memory.stat", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat",
         "total_inactive_file"),
    ],
)  # fmt: skip
def test_a_container_has_what_its_limit_leaves_and_what_can_be_dropped(
    limit: str, usage: str, stat: str, cache: str, groups: Path
) -> None:
    for name, text in ((usage, "700\n"), (stat, f"anon 500\n{cache} 60\nother_{cache} 5\n")):
        (groups / name).write_text(text)
    for most, free in (("900\n", 260), ("600\n", 0), (f"{2**63 - 4096}\n", 1000)):
        (groups / limit).write_text(most)
        assert free_memory() == free


def test_a_gpu_has_its_own(groups: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (300, 2000))
    assert free_memory("cuda") == free_memory(torch.device("cuda:1")) == 300
    assert free_memory("cpu") == 1000
