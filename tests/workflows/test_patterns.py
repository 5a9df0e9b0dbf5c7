"""Runs under a kernel_pattern: from start to file, from dense weights, and files that break it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from sparsenet.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from sparsenet.cli.main import run as command
from sparsenet.errors import ConfigError
from sparsenet.layers.kernel_pattern import read_pattern
from sparsenet.workflows.describe import describe, net_document, net_totals
from sparsenet.workflows.memsize import memory_of
from sparsenet.workflows.stored import open_stored
from tests.small import write_solver
from tests.workflows.conftest import assert_same_run
from tests.workflows.runs import Notes, refused, run

SOLVER = """
net: net.yaml
max_iter: 12
base_lr: 0.05
momentum: 0.9
weight_decay: 0.01
display: 0
test_interval: 4
snapshot: 4
snapshot_keep: 9
"""
NET = """
kernel_pattern: PSD1_P8
layers:
  - {name: digits, type: Data, source: digits, split: 100, batch_size: 16}
  - {name: conv1, type: Convolution, num_output: 8, kernel_size: 3, weight_filler: {type: xavier}}
  - {name: bn, type: BatchNormScale}
  - {name: conv2, type: Convolution, num_output: 8, kernel_size: 3, weight_filler: {type: xavier}}
  - {name: ip, type: InnerProduct, num_output: 10, weight_filler: {type: xavier}}
  - {name: accuracy, type: Accuracy, bottom: [ip, label], phase: TEST}
  - {name: loss, type: SoftmaxWithLoss, bottom: [ip, label]}
"""
PATTERN, _ = read_pattern("PSD1_P8")
assert PATTERN is not None
LEARNT = PATTERN.mask((8, 8, 3, 3))
DENSE = "net.kernel_pattern=dense"


@pytest.fixture
def solver(tmp_path: Path) -> Path:
    return write_solver(tmp_path, NET, SOLVER)


def spoilt(path: Path, *, velocity: bool = False) -> Path:
    """The checkpoint with one weight that is none, or with its velocity."""
    checkpoint = load_checkpoint(path)
    weight = checkpoint.weights["conv2.weight"].clone()
    weight[~LEARNT] = 1.0
    if velocity:
        assert checkpoint.solver is not None
        history = {**checkpoint.solver.history, "conv2.weight": {"velocity": weight}}
        state = dataclasses.replace(checkpoint.solver, history=history)
        made = dataclasses.replace(checkpoint, solver=state)
    else:
        made = dataclasses.replace(
            checkpoint, weights=checkpoint.weights | {"conv2.weight": weight}
        )
    save_checkpoint(path, made)
    return path


def test_all_files_of_a_run_are_zero_outside(solver: Path, tmp_path: Path) -> None:
    folder = run(solver, tmp_path / "run").folder
    for path in (folder.best, folder.final, *folder.snapshots()):
        checkpoint = load_checkpoint(path)
        weight = checkpoint.weights["conv2.weight"]
        assert torch.equal(weight != 0, LEARNT)
        if checkpoint.solver:
            velocity = checkpoint.solver.history["conv2.weight"]["velocity"]
            assert torch.equal(velocity != 0, LEARNT)
    assert (folder.config).read_text().count("kernel_pattern: PSD1_P8") == 1
    memory = open_stored(folder.final).net
    assert (memory.weights()["conv2.weight"] != 0).sum() == LEARNT.sum()


def test_a_resumed_run_is_the_same(solver: Path, tmp_path: Path) -> None:
    arguments = ["train", str(solver), "--quiet", "--output"]
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    assert command([*arguments, str(whole)]) == 0
    assert command([*arguments, str(halves), "--set=max_iter=7"]) == 0
    assert command([*arguments, str(halves), "--resume=auto"]) == 0
    assert_same_run(whole, halves, 12)


def test_dense_weights_lose_what_the_pattern_leaves_out_and_it_is_told(
    solver: Path, tmp_path: Path
) -> None:
    dense = run(solver, tmp_path / "dense", DENSE).folder.final
    display = Notes()
    still = ("base_lr=1e-30", "max_iter=1", "test_interval=0")
    made = run(solver, tmp_path / "run", *still, weights=dense, display=display)
    count = int((~LEARNT).sum())
    assert f"Weights outside kernel patterns set to zero: {count} in conv2" in display.notes
    before, after = (
        load_checkpoint(path).weights["conv2.weight"] for path in (dense, made.folder.final)
    )
    assert torch.equal(after, torch.where(LEARNT, before, 0.0))
    display = Notes()
    run(solver, tmp_path / "again", *still, weights=made.folder.final, display=display)
    assert not any("outside" in note for note in display.notes)


def test_a_model_that_breaks_its_pattern_is_refused(solver: Path, tmp_path: Path) -> None:
    final = spoilt(run(solver, tmp_path / "run", "max_iter=1").folder.final)
    with pytest.raises(CheckpointError) as error:
        open_stored(final)
    count = int((~LEARNT).sum())
    words = f"the checkpoint has {count} nonzero weights outside the kernel_pattern of conv2"
    assert str(error.value) == f"{final}: {words}"


@pytest.mark.parametrize("velocity", [False, True])
def test_a_snapshot_that_breaks_its_pattern_is_refused(
    velocity: bool, solver: Path, tmp_path: Path
) -> None:
    folder = run(solver, tmp_path / "run", "max_iter=4").folder
    snapshot = spoilt(folder.snapshot(4), velocity=velocity)
    what = "velocity of" if velocity else "weights of"
    words = f"{what} conv2: nonzero outside the kernel_pattern"
    line = refused(CheckpointError, solver, folder.path, resume=str(snapshot))
    assert line.endswith(f"the snapshot does not fit its own configuration: {words}")


def test_another_pattern_is_another_configuration(solver: Path, tmp_path: Path) -> None:
    folder = run(solver, tmp_path / "run", "max_iter=4").folder
    line = refused(ConfigError, solver, folder.path, "net.kernel_pattern=PS1_P9", resume="auto")
    assert "differs in net.layers.conv2.kernel_pattern" in line


def test_summary_counts_what_is_learnt(solver: Path) -> None:
    learnt = int(LEARNT.sum())
    net = describe(solver)
    [conv2] = [layer for layer in net.layers if layer.name == "conv2"]
    assert (conv2.parameters, conv2.index_bits) == (learnt + 8, 72)
    assert conv2.multiply_accumulates == learnt * 16
    assert net_totals(net).endswith(", 72 index bits of kernel patterns")
    document = net_document(net)
    assert document["total"]["index_bits"] == 72
    dense = describe(solver, overrides=[DENSE])
    assert dense.parameters - net.parameters == int((~LEARNT).sum())
    assert "index bits" not in net_totals(dense)


def test_memsize_promises_what_is_learnt(solver: Path) -> None:
    memory, _ = memory_of(solver)
    [conv2] = [layer for layer in memory.layers if layer.name == "conv2"]
    assert (conv2.params, conv2.nonzeros) == (576, int(LEARNT.sum()))


def test_a_share_of_an_l0_is_of_what_is_learnt(solver: Path) -> None:
    half = ["regularization.conv2={type: l0, t: 50%}"]
    memory, _ = memory_of(solver, half)
    assert memory.layers[1].nonzeros == int(LEARNT.sum()) // 2
    too_many = [f"regularization.conv2={{type: l0, t: {int(LEARNT.sum()) + 1}}}"]
    with pytest.raises(ConfigError, match="is more than the"):
        memory_of(solver, too_many)
