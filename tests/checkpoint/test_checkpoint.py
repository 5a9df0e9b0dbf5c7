"""Checkpoints: exact, within their constraints, and written whole or not at all."""

from __future__ import annotations

import errno
import io
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from sparsenet.checkpoint import Constraint, SolverState, load_checkpoint, save_checkpoint
from sparsenet.files import FileError
from tests.checkpoint.conftest import content, example, flat, refusal


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"solver": None},
        {"mean_image": None, "accuracy": {}, "constraints": ()},
        {"weights": {}, "constraints": ()},
    ],
)
def test_what_is_saved_is_loaded_bit_for_bit(changes: dict[str, Any], tmp_path: Path) -> None:
    checkpoint = example(**changes)
    save_checkpoint(tmp_path / "a.pt", checkpoint)
    loaded = load_checkpoint(tmp_path / "a.pt")
    for name in vars(checkpoint):
        one, other = getattr(checkpoint, name), getattr(loaded, name)
        if name == "solver" and one is not None:
            one, other = vars(one), vars(other)
        assert flat(one) == flat(other), name
    assert loaded.kind == ("model" if checkpoint.solver is None else "snapshot")


def test_it_is_loaded_with_weights_only(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original, asked = torch.load, []

    def load(*args: Any, **keys: Any) -> Any:
        asked.append(keys.get("weights_only"))
        return original(*args, **keys)

    monkeypatch.setattr(torch, "load", load)
    load_checkpoint(saved)
    assert asked == [True]


def test_what_is_loaded_has_memory_of_its_own(saved: Path) -> None:
    loaded = load_checkpoint(saved)
    weight = loaded.weights["ip.weight"]
    assert weight.untyped_storage().nbytes() == weight.nbytes
    before = weight.clone()
    saved.write_bytes(b"")
    assert torch.equal(weight, before)


def test_a_view_stores_its_own_values_alone(tmp_path: Path) -> None:
    large = torch.rand(1000, 1000)
    part, columns = large[3:5, :2], large[:, 0]
    state = SolverState({"w": {"v": columns}}, {"w": part}, {}, None, 0, 0.0)
    views = example(
        weights={"w": part, "c": columns}, constraints=(), mean_image=part, solver=state
    )
    save_checkpoint(tmp_path / "a.pt", views)
    assert (tmp_path / "a.pt").stat().st_size < 20_000
    loaded = load_checkpoint(tmp_path / "a.pt")
    assert torch.equal(loaded.weights["w"], part)
    assert torch.equal(loaded.weights["c"], columns)


def test_any_memory_layout_comes_back_contiguous(tmp_path: Path) -> None:
    weight = torch.rand(4, 3, 5, 5).contiguous(memory_format=torch.channels_last)
    mean = torch.rand(2, 3, 3).permute(1, 2, 0)
    save_checkpoint(
        tmp_path / "a.pt", example(weights={"w": weight}, constraints=(), mean_image=mean)
    )
    loaded = load_checkpoint(tmp_path / "a.pt")
    assert torch.equal(loaded.weights["w"], weight)
    assert loaded.weights["w"].is_contiguous()
    assert loaded.mean_image is not None
    assert torch.equal(loaded.mean_image, mean)


# Constraints


def test_more_nonzeros_than_t_are_never_saved(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    weights = {"ip.weight": torch.ones(4, 3), "ip2.weight": torch.ones(2)}
    both = Constraint("both", ("ip.weight", "ip2.weight"), 13)
    with pytest.raises(AssertionError, match="both has 14 nonzeros, more than t = 13"):
        save_checkpoint(path, example(weights=weights, constraints=(both,)))
    assert not path.exists()
    save_checkpoint(path, example(weights=weights, constraints=(replace(both, t=14),)))


def test_more_nonzeros_than_t_are_refused(saved: Path) -> None:
    data = content(saved)
    data["weights"]["ip.weight"][0, 0] = 1e-30
    torch.save(data, saved)
    assert refusal(saved) == "ip has 7 nonzeros, more than t = 6"


def test_a_constraint_on_weights_that_are_not_there_is_refused(saved: Path) -> None:
    data = content(saved)
    data["constraints"][0]["weights"] = ["ip.weight", "ghost.weight"]
    torch.save(data, saved)
    assert refusal(saved).endswith("constraint ip is on weights it does not hold")


# The disk


class FullDisk(io.RawIOBase):
    """A stream that takes so many bytes."""

    def __init__(self, left: int) -> None:
        self.left = left

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.left -= len(data)
        if self.left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return len(data)

    def fileno(self) -> int:
        raise io.UnsupportedOperation


@pytest.mark.parametrize("left", [0, 100, 1000, 3000])
def test_a_full_disk_leaves_the_old_checkpoint(
    left: int, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()

    def fdopen(handle: int, *_: object, **__: object) -> FullDisk:
        os.close(handle)
        return FullDisk(left)

    monkeypatch.setattr(os, "fdopen", fdopen)
    with pytest.raises(FileError) as raised:
        save_checkpoint(saved, example(iter=8))
    assert str(raised.value) == f"{saved}: cannot be written: No space left on device"
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]
