"""prune-threshold from end to end on one InnerProduct layer over the 8x8 digits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sparsenet.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from sparsenet.errors import ConfigError
from sparsenet.plots.threshold import THRESHOLD_MARK
from sparsenet.progress import Quiet
from sparsenet.workflows.plot import PlotOptions, plot
from sparsenet.workflows.prune_threshold import PruneOptions, prune_threshold
from sparsenet.workflows.pruning_options import PruningOptions
from sparsenet.workflows.train import TrainOptions, train
from tests.small import configured, parts
from tests.workflows.thresholded import NET, make_home, no_drawing, pruned, rows_of


@pytest.fixture(autouse=True)
def _no_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    no_drawing(monkeypatch)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_home(tmp_path_factory.mktemp("home"))


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
    size = int(tenth["bytes"])
    assert lines[0] == f"Weights set to zero without training: {dense} under {home}/solver.yaml"
    assert " ".join(lines[2].split()) == "pruning TEST VAL loss nonzeros dens% bytes ratio"
    assert len({len(line) for line in lines[2:7]}) == 1
    assert lines[6].split() == [
        *("density", "10%", f"{100 * float(tenth['test_accuracy']):.2f}"),
        *(f"{100 * float(tenth['val_accuracy']):.2f}", f"{float(tenth['test_loss']):.4f}"),
        *("64", "10.00", f"{size}", "B", f"{2600 / size:.1f}"),
    ]
    # 64 gaps of half a byte, and of the 576 zeros 38 skips at most; the values; 10 biases.
    assert 32 + 256 + 40 <= size <= 51 + 256 + 40


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


def test_a_figure_that_plot_has_drawn_is_replaced(home: Path, tmp_path: Path) -> None:
    pruned(home, tmp_path, density="50%")
    (tmp_path / "threshold.png").unlink()
    [drawn] = plot([tmp_path], PlotOptions(output=tmp_path, formats=("png",)))
    pruned(home, tmp_path, density="20%")
    assert THRESHOLD_MARK.encode() in drawn.paths[0].read_bytes()


def test_its_own_files_are_replaced_and_no_others(home: Path, tmp_path: Path) -> None:
    pruned(home, tmp_path, density="50%,20%")
    (tmp_path / "summary.txt").write_text("mine")
    pruned(home, tmp_path, density="10%")
    assert [row["label"] for row in rows_of(tmp_path)] == ["unpruned", "density 10%"]
    assert (tmp_path / "summary.txt").read_text() == "mine"
