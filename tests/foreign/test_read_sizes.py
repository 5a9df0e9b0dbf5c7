"""A file of weights is believed no more than its bytes, before any room is made for it."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
import torch

from sparsenet.foreign.read import read_foreign
from tests.foreign.files import TORCH, Save, refusal, save_legacy


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weights"


@TORCH
def test_tensors_that_would_outgrow_the_file_are_refused(save: Save, path: Path) -> None:
    save({"a.weight": torch.zeros(1).expand(10**12)}, path)
    assert refusal(path) == "refused, it says it is larger than its file"
    shared = torch.rand(5000)
    save({f"{i}.weight": shared[i:] for i in range(1000)}, path)
    assert refusal(path) == "refused, it says it is larger than its file"


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.int8])
def test_a_legacy_file_is_measured_in_bytes(
    dtype: torch.dtype, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer elements than the file has bytes, but for int8, and more bytes than it has."""
    tensors = {f"{i}.weight": torch.ones(300 + i, dtype=dtype) for i in range(3)}
    save_legacy(tensors, path)
    assert read_foreign(path).weights["2.weight"].tolist() == [1] * 302
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"M\x2d\x01", b"M\xd0\x07"))  # 301 becomes 2,000
    monkeypatch.setattr(torch, "load", pytest.fail)
    assert refusal(path) == "refused, it says it is larger than its file"


@pytest.mark.parametrize("changed", [(True, False), (False, True), (True, True)])
def test_a_legacy_file_makes_no_room_for_what_it_does_not_hold(
    changed: tuple[bool, bool], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """97 elements that become a billion: in the length of the storage, in the shape, in both."""
    save_legacy({"a.weight": torch.ones(97)}, path)
    billion = b"J" + (10**9).to_bytes(4, "little")
    first, *others = path.read_bytes().split(b"Ka")  # the pickle of 97
    assert len(others) == 2
    pieces = zip(changed, others, strict=True)
    path.write_bytes(first + b"".join((billion if c else b"Ka") + part for c, part in pieces))
    if changed[0]:
        monkeypatch.setattr(torch, "load", pytest.fail)
        assert refusal(path) == "refused, it says it is larger than its file"
    else:
        refusal(path)


def test_a_safetensors_header_is_believed_no_more_than_its_file(path: Path) -> None:
    def header(shape: int, end: int, dtype: str = "F32") -> bytes:
        text = f'{{"a":{{"dtype":"{dtype}","shape":[{shape}],"data_offsets":[0,{end}]}}}}'
        return struct.pack("<Q", len(text)) + text.encode()

    for content, words in (
        (header(10**9, 4 * 10**9) + bytes(4), "incomplete metadata"),
        (header(10**9, 4) + bytes(4), "invalid shape"),
        (header(1, 4, "F7") + bytes(4), "invalid JSON in header: unknown variant `F7`"),
        (struct.pack("<Q", 10**12) + b"{", "header too large"),
        (struct.pack("<Q", 5) + b'{"a":', "invalid JSON in header"),
    ):
        path.write_bytes(content)
        assert refusal(path).startswith(f"not a whole safetensors file: {words}")
    path.write_bytes(header(8, 4, "F4") + bytes(4))
    refusal(path)


def test_a_legacy_storage_is_not_told_by_what_is_dropped_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text that is pushed and popped between, by which all storages would be one and the same."""
    save_legacy({f"{i}.weight": torch.ones(90 + i) for i in range(3)}, path)
    device = b"X\x03\x00\x00\x00cpu"
    pushed = b"X\x04\x00\x00\x00same0"
    whole = path.read_bytes()
    assert device in whole
    path.write_bytes(whole.replace(device, device + pushed))
    monkeypatch.setattr(torch, "load", pytest.fail)
    assert refusal(path).startswith("refused, it holds more than plain data beside its tensors")
