"""Training on LMDBs and a mean image of Caffe's: stopped, gone on with, tested and deployed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from sparsenet.checkpoint import load_checkpoint
from sparsenet.cli.main import run
from sparsenet.workflows.models import load_model
from tests.data.lmdbs import pictures, raw, write_lmdb, write_mean
from tests.workflows.conftest import tensors, trace

SHAPE = (3, 8, 7)
MEAN = np.random.default_rng(5).uniform(100, 150, SHAPE).astype(np.float32)
NET = """
layers:
  - name: trained
    phase: TRAIN
    type: Data
    source: lmdb
    folder: train_lmdb
    root: {root}
    batch_size: 4
    shuffle: false
    transform: {{mean_file: mean.binaryproto, crop_size: 6, mirror: true, scale: 0.02}}
  - name: tested
    phase: TEST
    type: Data
    source: lmdb
    folder: test_lmdb
    root: {root}
    batch_size: 4
    transform: {{mean_file: mean.binaryproto, crop_size: 6, scale: 0.02}}
  - {{name: ip, type: InnerProduct, num_output: 3, weight_filler: {{type: xavier}}}}
  - {{name: accuracy, type: Accuracy, bottom: [ip, label], phase: TEST}}
  - {{name: loss, type: SoftmaxWithLoss, bottom: [ip, label]}}
"""
SOLVER = "net: net.yaml\nmax_iter: 20\nbase_lr: 0.1\ntest_interval: 8\nsnapshot: 7\ndisplay: 1\n"
HELD = ("net.layers.trained.memory=yes", "net.layers.tested.memory=yes")
READ = ("net.layers.trained.memory=no", "net.layers.trained.workers=0")


@pytest.fixture
def solver(tmp_path: Path) -> Path:
    for name, count in (("train", 10), ("test", 6)):
        images = pictures(count, SHAPE, seed=count)
        records = (raw(image, number % 3) for number, image in enumerate(images))
        write_lmdb(tmp_path / f"{name}_lmdb", records)
    write_mean(tmp_path / "mean.binaryproto", MEAN)
    (tmp_path / "net.yaml").write_text(NET.format(root=tmp_path))
    (tmp_path / "solver.yaml").write_text(SOLVER)
    return tmp_path / "solver.yaml"


def train(solver: Path, name: str, *settings: str, arguments: tuple[str, ...] = ()) -> Path:
    folder = solver.parent / name
    sets = [f"--set={text}" for text in settings]
    asked = ["train", str(solver), "--output", str(folder), "--quiet", *sets, *arguments]
    assert run(asked) == 0
    return folder


def test_it_is_resumed_bit_for_bit_in_memory_or_read_each_time(solver: Path) -> None:
    whole = train(solver, "whole", *HELD)
    assert trace(train(solver, "read", *READ)) == trace(whole)
    train(solver, "parts", *READ, "max_iter=11")
    # The mean image is the snapshot's now, and the shape the configuration's.
    (solver.parent / "mean.binaryproto").unlink()
    again = train(solver, "parts", *HELD, arguments=("--resume=auto",))
    assert trace(again) == trace(whole)
    for name in ("iter_20.pt", "final.pt"):
        one, other = tensors(again / name), tensors(whole / name)
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in one)


def test_the_first_loss_is_of_the_first_records(solver: Path) -> None:
    settings = [f"net.layers.{name}.transform.crop_size=null" for name in ("trained", "tested")]
    settings += ["net.layers.trained.transform.mirror=false", "base_lr=1e-9", "max_iter=4"]
    folder = train(solver, "run", *settings)
    weights = load_checkpoint(folder / "final.pt").weights
    images = torch.from_numpy((pictures(10, SHAPE, seed=10) - MEAN) * np.float32(0.02))
    scores = torch.nn.functional.linear(images.flatten(1), weights["ip.weight"], weights["ip.bias"])
    each = torch.nn.functional.cross_entropy(scores, torch.arange(10) % 3, reduction="none")
    wanted = [each[order].mean().item() for order in ([0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1])]
    losses = [line["loss"] for line in trace(folder) if "phase" not in line]
    assert losses[:3] == pytest.approx(wanted, rel=1e-5)


def test_what_is_trained_is_tested_packed_and_exported_without_the_mean_file(
    solver: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = train(solver, "run")
    (solver.parent / "mean.binaryproto").unlink()
    shutil.rmtree(solver.parent / "train_lmdb")
    final, packed = str(folder / "final.pt"), solver.parent / "final.safetensors"
    assert run(["pack", final, "-o", str(packed), "--quiet"]) == 0
    capsys.readouterr()
    found = []
    for file in (final, str(packed)):
        mean = load_model(Path(file)).mean_image
        assert mean is not None
        assert torch.equal(mean, torch.from_numpy(MEAN))
        assert run(["test", file, "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out)["accuracy"])
    assert found[0] == found[1]
    assert run(["export", final, "--format=onnx", "-o", str(solver.parent / "final.onnx")]) == 0
    assert run(["export", str(packed), "--format=c", "-o", str(solver.parent / "c")]) == 0


def test_an_lmdb_that_is_gone_is_told_in_one_line_and_nothing_is_written(
    solver: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(solver.parent / "test_lmdb")
    before = sorted(solver.parent.rglob("*"))
    assert run(["train", str(solver), "--output", str(solver.parent / "run"), "--quiet"]) == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert "net.yaml:12: net.layers.tested.shape: is missing, and cannot be looked up" in line
    given = ["--set", "net.layers.tested.shape=[3,8,7]"]
    assert (
        run(["train", str(solver), "--output", str(solver.parent / "run"), "--quiet", *given]) == 1
    )
    [line] = capsys.readouterr().err.strip().splitlines()
    assert f"{solver.parent}/test_lmdb/data.mdb: no such file" in line
    assert sorted(solver.parent.rglob("*")) == before
