"""Event files are an extra: without it one line says so, with it they hold the log's scalars."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from sparsenet.errors import ConfigError
from sparsenet.metrics import read_metrics
from sparsenet.progress import Quiet
from sparsenet.workflows.tensorboard import EventFiles
from sparsenet.workflows.train import TrainOptions, dry_run, train

SETTINGS = ("max_iter=12", "stages=[{t: {ip1: 50%, ip2: 7}}]")


def options(folder: Path, **keys: Any) -> TrainOptions:
    return TrainOptions(overrides=SETTINGS, output=folder, tensorboard=True, **keys)


def test_without_the_extra_nothing_is_begun(
    solver: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    run = tmp_path / "run"
    words = "--tensorboard needs its extra: pip install 'sparsenet[tensorboard]'"
    for begin in (
        lambda: train(solver, options(run), Quiet()),
        lambda: train(Path("there/is/no/such.yaml"), options(run), Quiet()),
        lambda: dry_run(solver, options(run), print),
        lambda: EventFiles(run, 0),
    ):
        with pytest.raises(ConfigError) as raised:
            begin()
        assert str(raised.value) == words
        assert not run.exists()


@pytest.fixture(scope="module")
def accumulator() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the extra's own
        pytest.importorskip("torch.utils.tensorboard")
        module = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    return module.EventAccumulator


def scalars(accumulator: Any, folder: Path) -> dict[str, list[tuple[int, float]]]:
    events = accumulator(str(folder))
    events.Reload()
    tags = events.Tags()["scalars"]
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in tags}


def test_the_event_files_hold_the_scalars_of_the_log(
    accumulator: Any, solver: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    train(solver, options(folder), Quiet())
    lines = list(read_metrics(folder / "metrics.jsonl"))
    shown = [line for line in lines if "loss" in line and "nonzeros" not in line]
    tested = [line for line in lines if "nonzeros" in line]
    expected = {
        "train/loss": [(line["iter"], line["loss"]) for line in shown],
        "train/lr": [(line["iter"], line["lr"]) for line in shown],
        "val/accuracy": [(line["iter"], line["accuracy"]) for line in tested],
        "val/loss": [(line["iter"], line["loss"]) for line in tested],
    }
    for name in ("conv", "ip1", "ip2"):
        expected[f"nonzeros/{name}"] = [(line["iter"], line["nonzeros"][name]) for line in tested]
    found = scalars(accumulator, folder / "tensorboard")
    assert found.keys() == expected.keys()
    for tag, values in expected.items():
        assert [step for step, _ in found[tag]] == [step for step, _ in values], tag
        assert [v for _, v in found[tag]] == pytest.approx([v for _, v in values], rel=1e-6)


def test_overwrite_removes_the_event_files_of_the_run_before(
    accumulator: Any, solver: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    for _ in range(2):
        train(solver, options(folder, overwrite=True), Quiet())
    assert len(list((folder / "tensorboard").iterdir())) == 1
    assert [step for step, _ in scalars(accumulator, folder / "tensorboard")["val/loss"]] == [
        0,
        10,
        12,
    ]
