"""Files that are cut off, damaged or of others are refused in one line."""

from __future__ import annotations

import pickle
import random
from pathlib import Path

import pytest
import torch

from sparsenet.checkpoint import CheckpointError, load_checkpoint
from sparsenet.errors import ConfigError
from tests.checkpoint.conftest import CONFIG, content, example, flat, refusal


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
        if name in ("accuracy", "constraints", "mean_image", "classes", "solver"):
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
    ("accuracy", {"VAL": "good"}), ("accuracy", 0.5), ("mean_image", [1.0]), ("classes", [7]),
    ("config", []), ("config", {}), ("config", {"net": "net.yaml"}),
    ("config", {"net": {"layers": [1]}}),
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
