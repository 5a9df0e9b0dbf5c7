"""prune-threshold from end to end on one InnerProduct layer over the 8x8 digits."""

from __future__ import annotations

import csv
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sparsenet.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from sparsenet.config.read import write_yaml
from sparsenet.errors import ConfigError
from sparsenet.plots.threshold import THRESHOLD_MARK
from sparsenet.progress import Quiet
from sparsenet.workflows import threshold_files
from sparsenet.workflows.prune_threshold import PruneOptions, PruneResult, prune_threshold
from sparsenet.workflows.pruning_options import PruningOptions
from sparsenet.workflows.signals import StoppedError
from sparsenet.workflows.train import TrainOptions, train
from tests.small import configured, inner_product, net_data, parts

DATA = {"split": 100, "batch_size": 64}
NET = net_data(inner_product("ip", 10), **DATA)
SOLVER = {"net": NET, "max_iter": 120, "base_lr": 0.05, "momentum": 0.9, "display": 0}


@pytest.fixture(autouse=True)
def _no_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """tests/plots and tests/cli draw; here the figure would take most of the time."""

    def stub(table: Path, figure: Path) -> None:
        assert table.exists()
        figure.write_bytes(b"\x89PNG " + THRESHOLD_MARK.encode())

    monkeypatch.setattr(threshold_files, "draw_threshold", stub)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with solver.yaml and dense/best.pt."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "solver.yaml").write_text(write_yaml(SOLVER | {"test_interval": 40}))
    train(folder / "solver.yaml", TrainOptions(output=folder / "dense"), Quiet())
    return folder


def pruned(
    home: Path, output: Path | None, *, display: Quiet | None = None, **options: Any
) -> PruneResult:
    choices = {key: options.pop(key) for key in ("delta", "t", "like", "density") if key in options}
    chosen = PruneOptions(PruningOptions(**choices), output=output, device="cpu", **options)
    checkpoint = home / "dense" / "best.pt"
    return prune_threshold(home / "solver.yaml", checkpoint, chosen, display or Quiet())


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "threshold.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def accuracy(weight: np.ndarray, bias: np.ndarray, phase: Any) -> float:
    """The accuracy of a linear classifier, in NumPy."""
    right = total = 0
    for images, labels in parts(NET).batches[phase].sweep():
        logits = images.flatten(1).numpy() @ weight.T + bias
        right += int((logits.argmax(1) == labels.numpy()).sum())
        total += len(labels)
    return right / total


def test_thresholded_as_in_numpy(home: Path, tmp_path: Path) -> None:
    result = pruned(home, tmp_path / "new" / "folder", delta="0,0.03,0.06,9")
    rows = rows_of(tmp_path / "new" / "folder")
    weights = load_checkpoint(home / "dense" / "best.pt").weights
    weight, bias = weights["ip.weight"].numpy(), weights["ip.bias"].numpy()
    assert [row["label"] for row in rows] == [
        *("unpruned", "delta 0", "delta 0.03", "delta 0.06", "delta 9")
    ]
    for row, delta in zip(rows[1:], (0, 0.03, 0.06, 9), strict=True):
        kept = np.where(np.abs(weight) < np.float32(delta), 0, weight)
        nonzeros = np.count_nonzero(kept)
        assert row["delta"] == str(delta)
        assert (row["weights"], row["nonzeros"], row["nonzeros.ip"]) == (
            "640",
            *[str(nonzeros)] * 2,
        )
        assert float(row["density"]) == pytest.approx(nonzeros / 640, abs=1e-6)
        # Biases stay: ten float32, in every format.
        size = min(4 * 640, 80 + 4 * nonzeros, 8 * nonzeros)
        assert int(row["bytes"]) == size + 40
        assert float(row["ratio"]) == pytest.approx(2600 / (size + 40), abs=1e-6)
        for phase in ("TEST", "VAL"):
            got = float(row[f"{phase.lower()}_accuracy"])
            assert got == pytest.approx(accuracy(kept, bias, phase), abs=1e-6)
    values = {key: value for key, value in rows[0].items() if key not in ("label", "delta")}
    assert values == {key: rows[1][key] for key in values}
    assert all(row["retrained_test_accuracy"] == "" == row["note"] for row in rows)
    assert result.points[0].scores["TEST"].samples == 360


def test_the_three_files_are_beside_the_checkpoint_by_default(home: Path) -> None:
    result = pruned(home, None, density="50%")
    folder = home / "dense"
    assert (folder / "threshold.txt").read_text() == result.text
    assert (folder / "threshold.png").read_bytes().startswith(b"\x89PNG")
    assert len(rows_of(folder)) == 2
    assert result.document["files"] == [
        str(folder / f"threshold.{ending}") for ending in ("csv", "txt", "png")
    ]
    assert json.loads(json.dumps(result.document)) == result.document


def test_the_table_is_aligned_and_says_the_same(home: Path, tmp_path: Path) -> None:
    lines = pruned(home, tmp_path, density="100%,10%").text.splitlines()
    rows = rows_of(tmp_path)
    dense, tenth = home / "dense" / "best.pt", rows[2]
    assert lines[0] == f"Weights set to zero without training: {dense} under {home}/solver.yaml"
    assert " ".join(lines[2].split()) == "pruning TEST VAL loss nonzeros dens% bytes ratio"
    assert len({len(line) for line in lines[2:7]}) == 1
    assert lines[6].split() == [
        *("density", "10%", f"{100 * float(tenth['test_accuracy']):.2f}"),
        *(f"{100 * float(tenth['val_accuracy']):.2f}", f"{float(tenth['test_loss']):.4f}"),
        *("64", "10.00", "376", "B", "6.9"),
    ]


def test_without_validation_data_there_is_no_such_column(home: Path, tmp_path: Path) -> None:
    result = pruned(home, tmp_path, density="10%", overrides=["net.layers.digits.split=null"])
    assert "VAL" not in result.text.splitlines()[2]
    assert rows_of(tmp_path)[0]["val_accuracy"] == ""
    assert "VAL" not in result.document["points"][0]


def test_like_has_the_counts_of_that_checkpoint(home: Path, tmp_path: Path) -> None:
    weight = torch.zeros(10, 64)
    weight[3, :17] = 1e-9
    weights = {"ip.weight": weight, "ip.bias": torch.zeros(10)}
    other = Checkpoint(config=configured(NET).data, iter=1, weights=weights)
    save_checkpoint(tmp_path / "other.pt", other)
    like = pruned(home, tmp_path / "like", like=tmp_path / "other.pt").points[1]
    given = pruned(home, tmp_path / "t", t="ip=17").points[1]
    assert like.counts == given.counts == {"ip": 17}
    assert like.scores == given.scores


def test_a_mean_image_is_the_checkpoints(home: Path, tmp_path: Path) -> None:
    overrides = ["net.layers.digits.transform.mean=train"]
    solver, folder = home / "solver.yaml", tmp_path / "run"
    train(solver, TrainOptions(overrides=overrides, output=folder, device="cpu"), Quiet())
    options = PruneOptions(PruningOptions(density="50%"), overrides, tmp_path, "cpu")
    mine = prune_threshold(solver, folder / "best.pt", options, Quiet()).points[0]
    assert mine.scores["TEST"].accuracy == load_checkpoint(folder / "best.pt").accuracy["TEST"]
    # Under another training subset the mean image would come out otherwise.
    other = PruneOptions(
        PruningOptions(density="50%"), [*overrides, "net.layers.digits.subset=20"], tmp_path, "cpu"
    )
    again = prune_threshold(solver, folder / "best.pt", other, Quiet()).points[0]
    assert again.scores == mine.scores


@pytest.mark.parametrize("name", ["threshold.csv", "threshold.txt", "threshold.png"])
def test_what_is_not_its_own_is_kept(name: str, home: Path, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"\x89PNG label of mine")
    words = "is not of prune-threshold and is kept; choose another folder by --output"
    with pytest.raises(ConfigError) as caught:
        pruned(home, tmp_path, density="50%")
    assert str(caught.value) == f"{tmp_path / name} {words}"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_its_own_files_are_replaced_and_no_others(home: Path, tmp_path: Path) -> None:
    pruned(home, tmp_path, density="50%,20%")
    (tmp_path / "summary.txt").write_text("mine")
    pruned(home, tmp_path, density="10%")
    assert [row["label"] for row in rows_of(tmp_path)] == ["unpruned", "density 10%"]
    assert (tmp_path / "summary.txt").read_text() == "mine"


class Watched(Quiet):
    """Notes the trainings that begin, and does something after so many updates in all."""

    def __init__(self, after: int = 0, act: Callable[[], None] = lambda: None) -> None:
        self.begun: list[int] = []
        self.notes: list[str] = []
        self.updates, self.after, self.act = 0, after, act

    def begin(self, step: int, total: int) -> None:
        self.begun.append(step)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def advanced(self, step: int) -> None:
        self.updates += 1
        if self.updates == self.after:
            self.act()


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


SHORT = ["max_iter=60", "test_interval=20", "stages=[{name: all, t: {ip: 50%}}]"]
L0 = "regularization.ip={type: l0, interval: 7, weight_decay: 0.001, group: every}"


def test_retrained_with_the_same_counts_once(home: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"delta": "0.05,0.1,9", "retrain": True}
    # A rate at which the best network is not the last one.
    options["overrides"] = [*SHORT[:2], "base_lr=10.0", L0.replace("group", "t: 7, group")]
    first = Watched()
    result = pruned(home, tmp_path, display=first, **options)
    assert first.begun == [0, 0]
    rows = rows_of(tmp_path)
    for row, slug in zip(rows[1:3], ("delta-0.05", "delta-0.1"), strict=True):
        folder = tmp_path / "retrain" / slug
        best = load_checkpoint(folder / "best.pt")
        assert best.accuracy != load_checkpoint(folder / "final.pt").accuracy
        [ball] = best.constraints
        assert ball.t == int(row["nonzeros"]) == int(row["retrained_nonzeros"])
        [rule] = [x["regularization"] for x in best.config["net"]["layers"] if x["name"] == "ip"]
        assert rule == {"type": "l0", "t": ball.t, "interval": 7, "weight_decay": 0.001}
        for phase in ("TEST", "VAL"):
            got = float(row[f"retrained_{phase.lower()}_accuracy"])
            assert got == pytest.approx(best.accuracy[phase], abs=1e-6)
    words = "not retrained: no weight of ip is left, and an l0 keeps at least one"
    assert rows[3]["note"] == words
    assert result.text.splitlines()[-1] == f"delta 9: {words}"
    assert result.text.splitlines()[2].endswith("l0 TEST  l0 VAL")
    second = Watched()
    assert pruned(home, tmp_path, display=second, **options).text == result.text
    assert second.begun == []


def test_stages_are_dropped(home: Path, tmp_path: Path) -> None:
    rule = "regularization.ip={type: l0}"
    pruned(home, tmp_path, density="10%", retrain=True, overrides=[*SHORT, rule])
    config = load_checkpoint(tmp_path / "retrain" / "density-10pct" / "final.pt").config
    assert "stages" not in config
    assert config["net"]["layers"][1]["regularization"] == {"type": "l0", "t": 64}


def test_another_configuration_is_not_taken_for_this_one(home: Path, tmp_path: Path) -> None:
    pruned(home, tmp_path, density="10%", retrain=True, overrides=SHORT[:2])
    folder = tmp_path / "retrain" / "density-10pct"
    before = sorted((path, path.stat().st_mtime_ns) for path in folder.iterdir())
    overrides = [*SHORT[:2], "base_lr=0.1", "net.layers.ip.num_output=10"]
    with pytest.raises(ConfigError) as caught:
        pruned(home, tmp_path, density="10%", retrain=True, overrides=overrides)
    assert str(caught.value) == (
        f"{folder} holds a run of another configuration, which differs in base_lr: "
        "remove it, or choose another folder by --output"
    )
    assert before == sorted((path, path.stat().st_mtime_ns) for path in folder.iterdir())


def test_stopped_while_training_it_keeps_what_is_done_and_goes_on(
    home: Path, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"density": "50%,20%,10%", "retrain": True, "overrides": SHORT[:2]}
    with pytest.raises(StoppedError) as caught:
        pruned(home, tmp_path / "a", display=Watched(75, interrupt), **options)
    assert caught.value.exit_code == 130
    assert str(caught.value) == (
        "stopped while training density 20%; the same command goes on from what is saved"
    )
    done = [bool(row["retrained_test_accuracy"]) for row in rows_of(tmp_path / "a")]
    assert done == [False, True, False, False]
    again = Watched()
    pruned(home, tmp_path / "a", display=again, **options)
    assert (len(again.begun), again.begun[1]) == (2, 0)
    assert 15 <= again.begun[0] < 60
    pruned(home, tmp_path / "b", **options)
    assert rows_of(tmp_path / "a") == rows_of(tmp_path / "b")


def test_stopped_while_measuring_it_keeps_what_is_done(home: Path, tmp_path: Path) -> None:
    class Stopping(Watched):
        def note(self, text: str) -> None:
            if text.startswith("delta 0.02"):
                interrupt()

    with pytest.raises(StoppedError) as caught:
        pruned(home, tmp_path, display=Stopping())
    assert str(caught.value) == "stopped after 4 of 12 networks, which are written"
    assert [row["label"] for row in rows_of(tmp_path)][-1] == "delta 0.02"
