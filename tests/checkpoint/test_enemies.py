"""Files made to harm: never more than plain data, never larger than they are."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sparsenet.checkpoint import load_checkpoint
from sparsenet.foreign.read import ForeignError, read_foreign
from tests.checkpoint.conftest import CONFIG, content, refusal


class Evil:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.file}",)


@pytest.mark.parametrize("place", ["top", "config", "weights"])
def test_a_malicious_pickle_is_refused_and_nothing_runs(
    place: str, saved: Path, tmp_path: Path
) -> None:
    evil = Evil(tmp_path / "hacked")
    torch.save(content(saved) | {place: evil} if place != "top" else evil, saved)
    assert refusal(saved) == "refused, it holds more than plain data: posix.system"
    saved.write_bytes(pickle.dumps(evil))
    assert refusal(saved) == "not a whole checkpoint: a bare pickle or an old torch file"
    torch.save(evil, saved, _use_new_zipfile_serialization=False)
    refusal(saved)
    assert not evil.file.exists()


class Filling:
    """Ten terabytes of zeros, which are no code."""

    def __reduce__(self) -> tuple[Any, ...]:
        return bytearray, (10**13,)


@pytest.mark.parametrize("is_zip", [True, False])
def test_nothing_is_filled_before_it_is_refused(is_zip: bool, saved: Path) -> None:
    torch.save({"a.weight": Filling()}, saved, _use_new_zipfile_serialization=is_zip)
    with pytest.raises(ForeignError) as error:
        read_foreign(saved)
    words = f"{saved}: refused, it holds more than plain data: bytearray; torch.save"
    assert str(error.value).startswith(words)
    if is_zip:
        assert refusal(saved) == "refused, it holds more than plain data: bytearray"


def rewritten(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Change the pickle of a checkpoint, with all checksums right."""
    with zipfile.ZipFile(path) as archive:
        members = {item.filename: archive.read(item) for item in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, value in members.items():
            archive.writestr(name, change(value) if name.endswith("data.pkl") else value)


def test_a_tensor_larger_than_what_is_stored_is_refused(saved: Path) -> None:
    """Its 12 elements become a billion, in its size, in its storage's, and in both."""
    billion = b"J" + (10**9).to_bytes(4, "little")
    whole = saved.read_bytes()
    for changed in ((True, False), (False, True), (True, True)):
        torch.save({"format": "sparsenet checkpoint", "weights": torch.ones(97)}, saved)

        def grow(data: bytes, changed: tuple[bool, bool] = changed) -> bytes:
            parts = data.split(b"Ka")  # the pickle of 97: the storage's length, then the shape
            assert len(parts) == 3
            return parts[0] + b"".join(
                (billion if change else b"Ka") + part
                for change, part in zip(changed, parts[1:], strict=True)
            )

        rewritten(saved, grow)
        refusal(saved)
    saved.write_bytes(whole)
    load_checkpoint(saved)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(1).expand(10**12),
        torch.zeros(2, 3).t(),
        torch.zeros(4)[::2],
        torch.zeros(3, dtype=torch.float64),
        torch.zeros(3, dtype=torch.int64),
        torch.zeros(3, dtype=torch.complex64),
        torch.zeros(3, device="meta"),
        torch.zeros(3).to_sparse(),
    ],
    ids=["stride 0", "transposed", "strided", "float64", "int64", "complex", "meta", "sparse"],
)
def test_only_dense_float32_tensors_are_taken(tensor: Tensor, saved: Path) -> None:
    torch.save(content(saved) | {"weights": {"ip.weight": tensor}, "constraints": []}, saved)
    assert refusal(saved).startswith("refused, it ")


def test_one_storage_for_many_tensors_cannot_outgrow_its_file(saved: Path) -> None:
    shared = torch.rand(5000)
    weights = {str(i): shared for i in range(1000)}
    torch.save(content(saved) | {"weights": weights, "constraints": []}, saved)
    assert saved.stat().st_size < 200_000
    assert refusal(saved) == "refused, it says it is larger than its file"


def compressed(path: Path) -> int:
    """Compress the tensors of a checkpoint; the sum of the sizes that its members say they have."""
    with zipfile.ZipFile(path) as archive:
        members = {item.filename: archive.read(item) for item in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, value in members.items():
            archive.writestr(name, value, zipfile.ZIP_DEFLATED if "/data/" in name else None)
    return sum(map(len, members.values()))


def test_a_compressed_bomb_is_refused(saved: Path) -> None:
    torch.save(content(saved) | {"weights": {"w": torch.zeros(10**6)}, "constraints": []}, saved)
    assert compressed(saved) > 30 * saved.stat().st_size
    assert refusal(saved) == "refused, it says it is larger than its file"


def test_compressed_tensors_are_not_taken_for_plain_ones(saved: Path) -> None:
    noise = {"w": torch.rand(1000)}  # which compression does not make smaller
    torch.save(content(saved) | {"weights": noise, "constraints": []}, saved)
    assert compressed(saved) < saved.stat().st_size
    assert refusal(saved) == "refused, its members are compressed"


def test_values_that_multiply_or_nest_are_refused(saved: Path) -> None:
    laughs: list[Any] = ["ha"]
    for _ in range(30):
        laughs = [laughs, laughs]
    inside: dict[str, Any] = {}
    inside["inside"] = inside
    for config in ({"net": laughs}, inside):
        torch.save(content(saved) | {"config": config}, saved)
        assert refusal(saved) == "refused, it holds too many values"


@pytest.mark.parametrize(
    "value", [10**5000, 2**63, b"bytes", {1: 2}, {"a"}, 1j, torch.float32], ids=type
)
def test_values_that_yaml_cannot_hold_are_refused(value: object, saved: Path) -> None:
    torch.save(content(saved) | {"config": CONFIG | {"random_seed": value}}, saved)
    assert refusal(saved).startswith("refused, it holds more than plain data: ")
