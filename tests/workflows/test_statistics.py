"""Statistics and parameters that are no weights, all the way from training to files and back."""

from __future__ import annotations

import json
import multiprocessing
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from sparsenet.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from sparsenet.cli.main import run
from sparsenet.errors import ConfigError
from sparsenet.progress import Quiet
from sparsenet.solver.loop import NotFiniteError
from sparsenet.workflows.build import counted_memory, promised_memory
from sparsenet.workflows.memsize import memory_of
from sparsenet.workflows.test import evaluate_checkpoint
from sparsenet.workflows.train import TrainOptions, dry_run, train, try_phases
from tests.small import convolution, inner_product, net_data, parts
from tests.workflows.conftest import assert_same_run

STATISTICS = {"bn1.mean", "bn1.variance", "bn1.factor", "bn2.mean", "bn2.variance"}
SOLVER = """
net: net.yaml
max_iter: 40
base_lr: 0.05
momentum: 0.9
weight_decay: 0.001
iter_size: 2
display: 5
test_interval: 8
snapshot: 10
snapshot_keep: 9
"""


def layers(**keys: Any) -> list[dict[str, Any]]:
    rule = {"type": "l0", "t": "30%", "interval": 5}
    return [
        convolution("conv", 4, bias_term=False),
        {"name": "bn1", "type": "BatchNorm", "moving_average_fraction": 0.8},
        {"name": "scale1", "type": "Scale", "bias_term": True},
        {"name": "prelu", "type": "PReLU"},
        {"name": "drop", "type": "Dropout", "dropout_ratio": 0.2},
        inner_product("ip1", 12, regularization=rule, bias_term=False),
        {"name": "bn2", "type": "BatchNormScale", **keys},
        {"name": "relu", "type": "ReLU"},
        inner_product("ip2", 10),
    ]


@pytest.fixture
def solver(tmp_path: Path) -> Path:
    net = net_data(*layers(), split=100)
    (tmp_path / "net.yaml").write_text(json.dumps(net))
    (tmp_path / "solver.yaml").write_text(SOLVER)
    return tmp_path / "solver.yaml"


def trained(solver: Path, folder: Path, *arguments: str) -> int:
    return run(["train", str(solver), "--output", str(folder), "--quiet", *arguments])


def without(path: Path, *names: str) -> Path:
    """The checkpoint without some of its tensors, in their place."""
    checkpoint = load_checkpoint(path)
    for name in names:
        checkpoint.weights.pop(name)
    save_checkpoint(path, checkpoint)
    return path


# A run and its continuation


@pytest.mark.parametrize("settings", [[], ["--set=precision=bf16"], ["--set=type=Adam"]])
def test_two_n_is_n_and_n_more(settings: list[str], solver: Path, tmp_path: Path) -> None:
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    assert trained(solver, whole, *settings) == 0
    assert trained(solver, halves, *settings, "--set=max_iter=17") == 0
    assert trained(solver, halves, *settings, "--resume=auto") == 0
    assert_same_run(whole, halves, 40)
    weights = load_checkpoint(whole / "final.pt").weights
    assert set(weights) >= STATISTICS
    assert {weights[name].dtype for name in weights} == {torch.float32}
    assert weights["bn1.factor"] == pytest.approx(sum(0.8**k for k in range(80)))


def test_killed_it_ends_the_same(solver: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    settings = ("--set=max_iter=90", "--set=snapshot=3")
    assert trained(solver, whole, *settings) == 0
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["sparsenet.cli.train", "sklearn.datasets"])
    for _ in range(3):
        newest = names(killed)
        process = context.Process(target=trained, args=(solver, killed, "--resume=auto", *settings))
        process.start()
        while names(killed) == newest and process.is_alive():
            time.sleep(0.002)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL, "the run was over before the last kill"
    assert trained(solver, killed, "--resume=auto", *settings) == 0
    assert_same_run(whole, killed, 90)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("iter_*.pt")}


def test_what_was_measured_is_what_the_files_score(solver: Path, tmp_path: Path) -> None:
    trained(solver, tmp_path / "run")
    for name in ("best", "final"):
        recorded = load_checkpoint(tmp_path / "run" / f"{name}.pt").accuracy
        score = evaluate_checkpoint(tmp_path / "run" / f"{name}.pt", "TEST")
        assert score.accuracy == recorded["TEST"]
        assert recorded["TEST"] > 0.5


# What must not move statistics


def kept(net: Any) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in net.statistics().items()}


def assert_kept(net: Any, before: dict[str, torch.Tensor]) -> None:
    assert before.keys() == STATISTICS
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.statistics().items())


def test_only_updates_move_statistics() -> None:
    run_parts = parts(net_data(*layers(), split=100), test_iter=1)
    net, loop = run_parts.net, run_parts.loop()
    memory = {name: tensor.data_ptr() for name, tensor in net.statistics().items()}
    before = kept(net)
    try_phases(run_parts)
    assert_kept(net, before)
    loop.stepper.step(0, loop.progress)
    moved = kept(net)
    assert all(not torch.equal(moved[name], before[name]) for name in STATISTICS)
    try_phases(run_parts)
    loop.stepper.first_blob_not_finite(1)
    loop._evaluate()
    assert_kept(net, moved)
    assert memory == {name: tensor.data_ptr() for name, tensor in net.statistics().items()}


def test_a_batch_of_one_is_refused_before_anything_is_written(solver: Path, tmp_path: Path) -> None:
    options = TrainOptions(["net.layers.digits.batch_size=1"], output=tmp_path / "run")
    words = "^bn2: a batch of one value a channel has no variance to normalise it by; raise"
    for attempt in (
        lambda: train(solver, options, Quiet()),
        lambda: dry_run(solver, options, print),
    ):
        with pytest.raises(ConfigError, match=words):
            attempt()
    assert not (tmp_path / "run").exists()


# Numbers that are not finite


def test_statistics_that_are_not_finite_are_named_and_not_saved() -> None:
    run_parts = parts(net_data(*layers()), max_iter=3)
    run_parts.net.statistics()["bn2.variance"][1] = torch.inf
    loop = run_parts.loop()
    with pytest.raises(NotFiniteError) as error:
        loop._require_finite()
    assert str(error.value) == "after 0 updates the statistics of bn2 are not finite"


def test_statistics_spoilt_by_a_batch_are_not_taken_for_the_cause_of_its_loss(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_parts = parts(net_data(*layers()), max_iter=3)
    loop = run_parts.loop()
    images, labels = loop.train.batch(0)
    images[0, 0, 0, 0] = torch.nan
    monkeypatch.setattr(loop.train, "batch", lambda index: (images, labels))
    with pytest.raises(NotFiniteError) as error:
        loop.run(Listening(), lambda: False)
    words = "all weights are still finite, the first blob that is not is data"
    assert str(error.value) == f"the loss is not finite at iteration 0: {words}"


class Listening:
    """A listener to whom nothing matters."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


# Files


@pytest.mark.parametrize("lost", [("bn1.factor",), ("bn1.mean", "bn2.variance")])
def test_a_checkpoint_without_statistics_is_not_whole(
    lost: tuple[str, ...], solver: Path, tmp_path: Path
) -> None:
    trained(solver, tmp_path / "run", "--set=max_iter=10")
    for path in (tmp_path / "run" / "final.pt", tmp_path / "run" / "iter_10.pt"):
        without(path, *lost)
        for attempt in (evaluate_checkpoint, memory_of):
            with pytest.raises(CheckpointError) as error:
                attempt(path)
            message = str(error.value)
            assert message.startswith(f"{path}: the checkpoint lacks bn")
            assert len(message.splitlines()) == 1
    options = TrainOptions(resume=str(tmp_path / "run" / "iter_10.pt"))
    with pytest.raises(CheckpointError) as error:
        train(solver, options, Quiet())
    words = "the snapshot does not fit its own configuration: weights: "
    assert str(error.value) == f"{tmp_path}/run/iter_10.pt: {words}{lost[0]}"


def test_weights_bring_their_statistics(solver: Path, tmp_path: Path) -> None:
    trained(solver, tmp_path / "run", "--set=max_iter=10")
    given = load_checkpoint(tmp_path / "run" / "final.pt").weights
    arguments = [f"--weights={tmp_path / 'run' / 'final.pt'}", "--set=base_lr=1e-30"]
    fixed = ["--set=net.layers.bn1.use_global_stats=true",
             "--set=net.layers.bn2.use_global_stats=true"]  # fmt: skip
    trained(solver, tmp_path / "tuned", "--set=max_iter=2", *arguments, *fixed)
    tuned = load_checkpoint(tmp_path / "tuned" / "final.pt").weights
    assert all(torch.equal(tuned[name], given[name]) for name in STATISTICS)


def test_memory_is_promised_as_it_is_counted(solver: Path, tmp_path: Path) -> None:
    trained(solver, tmp_path / "run", "--set=max_iter=10")
    run_parts = parts(net_data(*layers()))
    promised = promised_memory(run_parts.config.net, run_parts.schedule.final_counts())
    assert counted_memory(run_parts.net).others == promised.others
    counted, _ = memory_of(tmp_path / "run" / "final.pt")
    assert counted.others == promised.others
    for real, bound in zip(counted.layers, promised.layers, strict=True):
        assert (real.name, real.shape, real.nonzeros) == (bound.name, bound.shape, bound.nonzeros)
        assert all(size <= bound.bytes[name] for name, size in real.bytes.items())
    named = {item.name: (item.parameters, item.statistics) for item in promised.others}
    assert named == {"bn1": (0, 9), "scale1": (8, 0), "prelu": (4, 0), "bn2": (24, 24)}
    assert promised.total.params == sum(blob.tensor.numel() for blob in run_parts.net.blobs)
    stored = sum(tensor.numel() for tensor in run_parts.net.weights().values())
    assert promised.total.bytes["dense"] == 4 * stored
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert [item["name"] for item in summary["memory"]["others"]] == list(named)


def test_pruning_leaves_them_and_retraining_does_not_count_them(
    solver: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    trained(solver, folder, "--set=max_iter=10")
    capsys.readouterr()
    choice = ["--density", "20%", "--retrain", "--json", "--set=max_iter=10"]
    arguments = [*choice, "--output", str(tmp_path / "pruned")]
    assert run(["prune-threshold", str(solver), str(folder / "best.pt"), *arguments]) == 0
    document = json.loads(capsys.readouterr().out)
    unpruned, pruned = document["points"]
    recorded = load_checkpoint(folder / "best.pt").accuracy
    assert unpruned["TEST"]["accuracy"] == recorded["TEST"]
    assert pruned["retrained"]["nonzeros"] == pruned["nonzeros"]
