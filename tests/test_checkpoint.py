"""Checkpoints: exact, whole or refused in one line, and never more than plain data."""

from __future__ import annotations

import errno
import io
import os
import pickle
import random
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sparsenet.checkpoint import (
    Checkpoint,
    CheckpointError,
    Constraint,
    SolverState,
    load_checkpoint,
    save_checkpoint,
)
from sparsenet.errors import ConfigError
from sparsenet.files import FileError

CONFIG = {"net": {"name": "n", "layers": [{"name": "ip"}]}, "base_lr": 1e-4, "stages": [None, True]}


def example(**changes: Any) -> Checkpoint:
    generator = torch.Generator().manual_seed(3)
    weight = torch.randn(4, 3, generator=generator)
    weight[:2] = 0
    checkpoint = Checkpoint(
        config=CONFIG,
        iter=7,
        weights={"ip.weight": weight, "ip.bias": torch.tensor([-0.0, 1e-45, 3e38, float("inf")])},
        constraints=(Constraint("ip", ("ip.weight",), 6),),
        accuracy={"VAL": 0.1 + 0.2},
        mean_image=torch.rand(1, 2, 2, generator=generator),
        solver=SolverState(
            history={"ip.weight": {"velocity": torch.rand(4, 3)}, "ip.bias": {}},
            pending={"ip.weight": torch.rand(4, 3)},
            progress={"index": 0, "history": [{"stage": "a"}]},
            best=0.25,
            lines=12,
            seconds=1.5,
        ),
    )
    return replace(checkpoint, **changes)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "iter_7.pt"
    save_checkpoint(path, example())
    return path


def content(path: Path) -> Any:
    return torch.load(path, weights_only=True)


def flat(node: object) -> object:
    """Nested data with tensors as their bits, so that == means identical."""
    if isinstance(node, Tensor):
        return (tuple(node.shape), node.dtype, node.numpy().tobytes())
    if isinstance(node, dict):
        return {key: flat(value) for key, value in node.items()}
    return node


def refusal(path: Path) -> str:
    """Why a file is refused, in one line that names it."""
    with pytest.raises(CheckpointError) as raised:
        load_checkpoint(path)
    message = str(raised.value)
    assert message.startswith(f"{path}: ")
    assert len(message.splitlines()) == 1
    return message.removeprefix(f"{path}: ")


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


# Files that are not whole


def test_cut_off_anywhere_it_is_refused(saved: Path) -> None:
    whole, generator = saved.read_bytes(), random.Random(1)
    lengths = {0, 1, 2, len(whole) - 1, *(generator.randrange(len(whole)) for _ in range(40))}
    for length in lengths:
        saved.write_bytes(whole[:length])
        assert refusal(saved).startswith("not a whole checkpoint: "), length


def test_a_damaged_byte_changes_no_weight(saved: Path) -> None:
    """A flipped bit is found by the checksums, or was in a place that holds nothing."""
    whole, generator = saved.read_bytes(), random.Random(2)
    before = flat(load_checkpoint(saved).weights)
    refused = 0
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[generator.randrange(len(whole))] ^= 1 << generator.randrange(8)
        saved.write_bytes(damaged)
        try:
            assert flat(load_checkpoint(saved).weights) == before
        except CheckpointError:
            refused += 1
    assert refused > 30


def test_a_flipped_bit_of_a_weight_is_found(saved: Path) -> None:
    whole = bytearray(saved.read_bytes())
    values = example().weights["ip.weight"].numpy().tobytes()
    whole[whole.index(values) + 40] ^= 1
    saved.write_bytes(whole)
    assert refusal(saved).startswith("not a whole checkpoint: archive/data/")


def test_what_is_no_torch_file_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    for start, words in (
        (b"", "the file is empty"),
        (b"PK\3\4 and no more", "the file is cut off or damaged"),
        (pickle.dumps({"format": "sparsenet checkpoint"}), "a bare pickle or an old torch file"),
        (b"net: net.yaml\n", "not a torch file"),
        (b"\x89PNG\r\n", "not a torch file"),
    ):
        path.write_bytes(start)
        assert refusal(path) == f"not a whole checkpoint: {words}"


def test_a_file_that_is_not_there_or_another_kind_is_a_mistake_of_usage(tmp_path: Path) -> None:
    for path in (tmp_path / "none.pt", tmp_path):
        with pytest.raises(ConfigError) as raised:
            load_checkpoint(path)
        assert str(raised.value) == f"{path}: no such checkpoint"
    solver = tmp_path / "solver.yaml"
    solver.write_text("net: net.yaml")
    with pytest.raises(ConfigError) as raised:
        load_checkpoint(solver)
    assert str(raised.value) == f"{solver}: is a YAML file; a checkpoint is needed here"


# Files of others


def test_a_foreign_torch_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    for foreign in ({"state_dict": {"w": torch.ones(2)}}, torch.ones(3), [1], "text", None):
        torch.save(foreign, path)
        assert refusal(path) == "a torch file, but not a sparsenet checkpoint"
    torch.save({"w": torch.ones(2)}, path, _use_new_zipfile_serialization=False)
    assert refusal(path) == "not a whole checkpoint: a bare pickle or an old torch file"
    torch.save(torch.nn.Linear(2, 2), path)
    linear = "torch.nn.modules.linear.Linear"
    assert refusal(path) == f"refused, it holds more than plain data: {linear}"


def test_another_version_says_which(saved: Path) -> None:
    data = content(saved)
    torch.save(data | {"version": 2}, saved)
    assert refusal(saved) == "version 2, but this sparsenet reads version 1"
    for version in ("1.0", None, torch.ones(2)):
        torch.save(data | {"version": version}, saved)
        assert refusal(saved) == "a torch file, but not a sparsenet checkpoint"


def test_every_part_is_needed_and_there_is_no_other(saved: Path) -> None:
    whole = content(saved)
    for name in whole.keys() - {"format", "version"}:
        torch.save({key: value for key, value in whole.items() if key != name}, saved)
        if name in ("accuracy", "constraints", "mean_image", "solver"):
            load_checkpoint(saved)
        else:
            assert refusal(saved) == f"not a whole checkpoint: {name}: Field required"
    for name in whole["solver"]:
        solver = {key: value for key, value in whole["solver"].items() if key != name}
        torch.save(whole | {"solver": solver}, saved)
        assert refusal(saved) == f"not a whole checkpoint: solver.{name}: Field required"
    torch.save(whole | {"extra": 1}, saved)
    assert refusal(saved).startswith("not a whole checkpoint: extra: ")


WRONG: list[tuple[str, object]] = [
    ("iter", -1), ("iter", "seven"), ("iter", None), ("weights", [1]), ("weights", {"w": 1.0}),
    ("accuracy", {"VAL": "good"}), ("accuracy", 0.5), ("mean_image", [1.0]), ("config", []),
    ("config", {}), ("config", {"net": "net.yaml"}), ("config", {"net": {"layers": [1]}}),
    ("config", CONFIG | {"base_lr": torch.ones(2)}), ("constraints", [{"name": "a"}]),
    ("constraints", [{"name": "a", "weights": [], "t": -1}]), ("constraints", 3), ("solver", 1),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_part_of_another_kind_is_named(name: str, value: object, saved: Path) -> None:
    torch.save(content(saved) | {name: value}, saved)
    assert refusal(saved).startswith(f"not a whole checkpoint: {name}")


@pytest.mark.parametrize(
    ("name", "value"),
    [("lines", -1), ("best", "x"), ("history", {"w": 1}), ("pending", None), ("progress", 1)],
)
def test_a_wrong_part_of_the_solvers_state_is_named(name: str, value: object, saved: Path) -> None:
    data = content(saved)
    data["solver"][name] = value
    torch.save(data, saved)
    assert refusal(saved).startswith(f"not a whole checkpoint: solver.{name}")


# Files of enemies


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
