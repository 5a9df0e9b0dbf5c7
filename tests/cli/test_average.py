"""`sparsenet ensemble MODEL...`: trained nets averaged as they are, packed ones too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from sparsenet.checkpoint import load_checkpoint, save_checkpoint
from sparsenet.cli.main import run
from tests.cli.conftest import NET, SOLVER
from tests.small import write_solver

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two networks of different seeds and counts, the second packed."""
    folder = tmp_path_factory.mktemp("home")
    solver = str(write_solver(folder, NET, SOLVER))
    for name, seed, t in [("a", 1, 128), ("b", 2, 90)]:
        sets = [f"--set=random_seed={seed}", f"--set=regularization.ip.t={t}"]
        run(["train", solver, "--output", str(folder / name), "--quiet", *sets])
    run(["pack", str(folder / "b/final.pt"), "-o", str(folder / "b.safetensors"), "--quiet"])
    return folder


def test_the_mean_of_a_checkpoint_and_a_packed_model(home: Path, capsys: Captured) -> None:
    models = [str(home / "a/final.pt"), str(home / "b.safetensors")]
    whole = home / "mean" / "ensemble-2.pt"
    capsys.readouterr()
    assert run(["ensemble", *models, "--output", str(whole.parent), "--quiet", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told) == [*models, str(whole)]
    assert [one["nonzeros"] for one in told.values()] == [128 + 10, 90 + 10, 128 + 90 + 20]

    checkpoint = load_checkpoint(whole)
    assert checkpoint.accuracy == {"TEST": told[str(whole)]["accuracy"]}
    for place, name in [(1, "a"), (2, "b")]:
        member = load_checkpoint(home / name / "final.pt")
        weight = checkpoint.weights[f"member{place}/ip.weight"]
        assert torch.equal(weight, member.weights["ip.weight"])
        assert told[models[place - 1]]["accuracy"] == member.accuracy["TEST"]
    # An ensemble packs as one file, which says of itself what the checkpoint does.
    packed = home / "whole.safetensors"
    assert run(["pack", str(whole), "-o", str(packed), "--quiet"]) == 0
    assert run(["verify", str(packed), "--quiet"]) == 0
    assert run(["ensemble", *models, "--output", str(whole.parent)]) == 2
    words = f"error: {whole}: is there already\n"
    assert capsys.readouterr().err.endswith(words)


def test_members_may_come_from_stages(home: Path, tmp_path: Path, capsys: Captured) -> None:
    net = NET.replace("t: 20%, ", "")
    stages = "stages=[{t: {ip: 50%}, until: {iters: 10}}, {t: {ip: 10%}}]"
    solver = str(write_solver(tmp_path, net, SOLVER))
    run(["train", solver, "--output", str(tmp_path / "run"), "--quiet", f"--set={stages}"])
    model = str(tmp_path / "run/final.pt")
    assert run(["ensemble", model, model, "--output", str(tmp_path / "mean"), "--quiet"]) == 0
    whole = load_checkpoint(tmp_path / "mean/ensemble-2.pt")
    assert [item.t for item in whole.constraints] == [64, 64]
    assert whole.accuracy == {"TEST": load_checkpoint(Path(model)).accuracy["TEST"]}


def test_what_cannot_be_averaged(home: Path, tmp_path: Path, capsys: Captured) -> None:
    model, out = str(home / "a/final.pt"), str(tmp_path / "x")
    other = write_solver(tmp_path, NET.replace("0.0625", "0.125"), SOLVER)
    run(["train", str(other), "--output", str(tmp_path / "c"), "--quiet"])
    capsys.readouterr()
    third = str(tmp_path / "c/final.pt")
    for arguments, words in [
        ([model, "--output", out], f"{model}: an ensemble needs two models or more"),
        ([model, model], "Missing option '--output'."),
        ([model, model, "--members=2", "--output", out], "--members goes with a solver file"),
        ([model, model, "--t=ip=3", "--output", out], "--t goes with a solver file"),
        ([str(other)], "Missing option '--members'."),
        ([str(other), model, "--members=2"], "one solver file, not 2 files"),
        (
            [model, third, "--output", out],
            f"{third}: its net differs from that of {model} in",
        ),
    ]:
        assert run(["ensemble", *arguments]) == 2
        assert words in capsys.readouterr().err
    longer = load_checkpoint(Path(model))
    layers = longer.config["net"]["layers"]
    layers.append({**layers[-1], "name": "again"})
    save_checkpoint(tmp_path / "longer.pt", longer)
    assert run(["ensemble", model, str(tmp_path / "longer.pt"), "--output", out]) == 2
    assert f"another number of layers than that of {model}" in capsys.readouterr().err
    assert not Path(out).exists()
