"""`sparsenet pack`, `unpack` and `verify`, and packed files where checkpoints are taken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from sparsenet.checkpoint import load_checkpoint
from sparsenet.cli.main import run
from sparsenet.packed.file import read_packed, write_packed
from sparsenet.workflows import verify
from tests.packed.models import resigned
from tests.workflows.conftest import NET, SOLVER

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small net, its solver, a run, and its best network packed."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "net.yaml").write_text(NET)
    (folder / "solver.yaml").write_text(SOLVER)
    run(["train", str(folder / "solver.yaml"), "--output", str(folder / "run"), "--quiet"])
    best = str(folder / "run" / "best.pt")
    assert run(["pack", best, "-o", str(folder / "best.safetensors"), "--quiet"]) == 0
    return folder


@pytest.fixture
def best(home: Path) -> Path:
    return home / "run" / "best.pt"


@pytest.fixture
def packed(home: Path) -> Path:
    return home / "best.safetensors"


def document(capsys: Captured, *arguments: object) -> dict[str, Any]:
    assert run([*map(str, arguments), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def test_pack_says_what_the_file_takes(best: Path, tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "x.safetensors"
    told = document(capsys, "pack", best, "-o", path)
    assert told["bytes"] == path.stat().st_size == told["payload"] + told["description"]
    assert told["description"] <= 4096
    memory = document(capsys, "memsize", best)
    assert told["payload"] == memory["total"]["bytes"]["best"]
    assert told["memory"] == memory
    assert told["before"] == told["after"]
    assert told["after"]["accuracy"] == load_checkpoint(best).accuracy["TEST"]
    assert (told["values"], told["file"]) == ("float32", str(path))


def test_rounded_values_are_measured_as_they_are_in_the_file(
    best: Path, tmp_path: Path, capsys: Captured
) -> None:
    path = tmp_path / "x.safetensors"
    told = document(capsys, "pack", best, "--values=shared:2", "-o", path)
    tested = document(capsys, "test", path)
    assert told["after"]["loss"] == tested["loss"] != told["before"]["loss"]
    assert read_packed(path).accuracy["TEST"] == told["after"]["accuracy"] == tested["accuracy"]


def test_pack_for_the_reader(best: Path, tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "x.safetensors"
    assert run(["pack", str(best), "--output", str(path), "--values=int8", "--quiet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        *("weight", "shape", "nonzeros", "dens%", "format", "bytes", "floor", "bytes/floor"),
    ]
    assert [line.split()[0] for line in lines[1:5]] == ["conv", "ip1", "ip2", "total"]
    assert lines[6].startswith(f"{path}: {path.stat().st_size:,} bytes, ")
    assert lines[8].startswith("TEST accuracy ")
    assert "; before accuracy " in lines[8]
    assert lines[8].endswith(" (360 samples), values int8.")


def test_unpack_gives_the_checkpoint_back(
    best: Path, packed: Path, tmp_path: Path, capsys: Captured
) -> None:
    path = tmp_path / "x.pt"
    assert run(["unpack", str(packed), "-o", str(path)]) == 0
    before, after = load_checkpoint(best), load_checkpoint(path)
    assert capsys.readouterr().out == f"{path}: the network after {before.iter} updates\n"
    for name, tensor in before.weights.items():
        assert torch.equal(tensor, after.weights[name])
    assert before.mean_image is not None
    assert after.mean_image is not None
    assert torch.equal(before.mean_image, after.mean_image)
    assert (before.config, before.constraints) == (after.config, after.constraints)
    assert after.accuracy == before.accuracy
    for command in (["verify", str(path)], ["unpack", str(path), "-o", str(tmp_path / "y")]):
        assert run(command) == 2
        words = f"error: {path}: is not a packed model; sparsenet pack makes one\n"
        assert capsys.readouterr().err == words


def test_a_packed_file_goes_where_a_checkpoint_goes(
    home: Path, best: Path, packed: Path, tmp_path: Path, capsys: Captured
) -> None:
    for command in (["test"], ["test", "--phase=VAL"], ["memsize"], ["summary"]):
        name, *options = command
        plain = document(capsys, name, best, *options)
        assert document(capsys, name, packed, *options) == plain
    solver, output = home / "solver.yaml", tmp_path / "again"
    options = ["--weights", packed, "--output", output]
    document(capsys, "train", solver, *options, "--quiet")
    pruned = [
        document(capsys, "prune-threshold", solver, x, "--t", "ip1=9%", "--output", tmp_path / name)
        for x, name in [(best, "one"), (packed, "other")]
    ]
    assert pruned[0]["points"] == pruned[1]["points"]


def test_verify_of_a_whole_file(packed: Path, capsys: Captured) -> None:
    told = document(capsys, "verify", packed)
    assert list(told) == ["digest", "counts", "layers", "payload", "header", "accuracy"]
    assert all(check["holds"] for check in told.values())
    assert run(["verify", str(packed), "--without-data", "--quiet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [[name, "ok"] for name in list(told)[:-1]]


def test_verify_finds_what_does_not_hold(packed: Path, tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "x.safetensors"

    def tighten(model: dict[str, Any]) -> None:
        model["constraints"][0]["t"] = 1

    path.write_bytes(resigned(packed.read_bytes(), model=tighten))
    assert run(["verify", str(path), "--without-data"]) == 1
    out = capsys.readouterr().out
    assert "counts   FAILED  ip1 has " in out
    assert out.count("FAILED") == 1
    # Nor does what is beyond its own constraint become a checkpoint, alone or with others.
    other = str(tmp_path / "y")
    both = ["ensemble", str(path), str(path), "--output", other]
    for command in (["unpack", str(path), "-o", other], both):
        assert run(command) == 1
        assert "nonzeros, more than t = 1" in capsys.readouterr().err
        assert not Path(other).exists()

    data = resigned(packed.read_bytes(), lambda texts: texts.update(accuracy='{"TEST":0.999}'))
    path.write_bytes(data)
    assert run(["verify", str(path), "--quiet"]) == 1
    assert "accuracy  FAILED" in (out := capsys.readouterr().out)
    assert " % measured, 99.90 % in the file" in out


@pytest.mark.parametrize(("away", "holds"), [(0.0009, True), (0.0011, False)])
def test_verify_lets_an_image_in_a_thousand_tip_over(
    away: float, holds: bool, best: Path, packed: Path, tmp_path: Path, capsys: Captured
) -> None:
    said = load_checkpoint(best).accuracy["TEST"] - away
    path = tmp_path / "x.safetensors"
    texts = {"accuracy": json.dumps({"TEST": said})}
    path.write_bytes(resigned(packed.read_bytes(), lambda held: held.update(texts)))
    assert run(["verify", str(path), "--json"]) == (0 if holds else 1)
    assert json.loads(capsys.readouterr().out)["accuracy"]["holds"] == holds


def test_verify_finds_a_header_beyond_its_limit(
    packed: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = packed.stat().st_size - read_packed(packed).payload_bytes
    for limit, code in ((size, 0), (size - 1, 1)):
        monkeypatch.setattr(verify, "header_limit", lambda _, limit=limit: limit)
        assert run(["verify", str(packed), "--without-data"]) == code
        words = ["ok", "FAILED"][code]
        assert f"header   {words}" in capsys.readouterr().out


def test_verify_finds_a_dead_layer(best: Path, tmp_path: Path, capsys: Captured) -> None:
    checkpoint = torch.load(best, weights_only=True)
    checkpoint["weights"]["ip2.weight"].zero_()
    torch.save(checkpoint, tmp_path / "x.pt")
    path = tmp_path / "x.safetensors"
    assert run(["pack", str(tmp_path / "x.pt"), "-o", str(path), "--without-data"]) == 0
    capsys.readouterr()
    assert run(["verify", str(path), "--without-data"]) == 1
    assert "layers   FAILED  dead: ip2.weight" in capsys.readouterr().out


def test_a_damaged_file_is_one_line_for_every_command(
    home: Path, packed: Path, tmp_path: Path, capsys: Captured
) -> None:
    path = tmp_path / "x.safetensors"
    data = bytearray(packed.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    words = f"error: {path}: not a whole packed model: damaged, its digest is another\n"
    for command in ("verify", "test", "memsize", "unpack"):
        options = ["-o", str(tmp_path / "out")] if command == "unpack" else []
        assert run([command, str(path), *options]) == 1
        assert capsys.readouterr().err == words
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_asked_for(
    best: Path, packed: Path, tmp_path: Path, capsys: Captured
) -> None:
    there = str(tmp_path / "there")
    Path(there).touch()
    nowhere = str(tmp_path / "none" / "x")
    for arguments, words in [
        (
            ["pack", best, "-o", there],
            f"--output {there}: is there already; --overwrite replaces it",
        ),
        (["pack", best, "-o", nowhere], f"--output {nowhere}: there is no folder"),
        (["unpack", packed, "-o", there], f"--output {there}: is there already"),
        (["pack", best, "-o", f"{there}2", "--values=int4"], "--values: 'int4' is not float32, "),
    ]:
        assert run(list(map(str, arguments))) == 2
        assert capsys.readouterr().err.startswith(f"error: {words}")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["there"]
    assert Path(there).read_bytes() == b""
    assert run(["pack", str(best), "-o", there, "--overwrite", "--without-data"]) == 0
    assert read_packed(Path(there)).accuracy == load_checkpoint(best).accuracy


def test_without_data_rounded_values_say_no_accuracy(best: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    options = ["--values=shared:3", "--without-data", "-o", str(path)]
    assert run(["pack", str(best), *options]) == 0
    assert read_packed(path).accuracy == {}
    assert run(["verify", str(path), "--quiet"]) == 1
    model = read_packed(path)
    write_packed(path, model)
    assert run(["verify", str(path), "--quiet", "--without-data"]) == 0
