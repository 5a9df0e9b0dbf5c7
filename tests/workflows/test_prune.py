"""prune from end to end on a small residual net over the 8x8 digits."""

from __future__ import annotations

import json
import os
import signal
import statistics
from pathlib import Path

import pytest
import torch

from sparsenet.checkpoint import load_checkpoint
from sparsenet.errors import ConfigError
from sparsenet.progress import Quiet
from sparsenet.workflows.criteria import Rule
from sparsenet.workflows.plot import PlotOptions, plot
from sparsenet.workflows.prune_points import trainings_of
from sparsenet.workflows.prune_request import labels_of, require_drawable, stems_of
from sparsenet.workflows.signals import StoppedError
from sparsenet.workflows.test import evaluate_checkpoint
from tests.workflows.prunable import MODEL, make_model, no_drawing, pruned, rows_of


@pytest.fixture(autouse=True)
def _no_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    no_drawing(monkeypatch)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_model(tmp_path / "a" / "net.pt")


def filters_of(weight: torch.Tensor) -> set[int]:
    """The filters without a weight."""
    return set((weight.flatten(1).abs().sum(1) == 0).nonzero().flatten().tolist())


def test_the_protocol_zeroes_filters_and_nothing_else(model: Path, tmp_path: Path) -> None:
    result = pruned(model, fraction="0,0.5", save=True, output=tmp_path / "out")
    before = load_checkpoint(model).weights
    path = tmp_path / "out" / "prune" / f"{MODEL}.pt"
    after = load_checkpoint(path)
    for name, tensor in before.items():
        if not (name.startswith("conv") and name.endswith("weight")):
            assert torch.equal(tensor, after.weights[name]), name
            continue
        norms = tensor.flatten(1).norm(dim=1)
        gone = set(norms.argsort()[:3].tolist())
        assert filters_of(after.weights[name]) == gone
        kept = sorted(set(range(6)) - gone)
        assert torch.equal(tensor[kept], after.weights[name][kept])
    unpruned, half = rows_of(tmp_path / "out")
    assert (unpruned["fraction"], unpruned["real_fraction"], unpruned["zeros"]) == (
        *("0", "0.000000"),
        str(60),
    )
    zeros = sum(int((after.weights[f"{n}.weight"] == 0).sum()) for n in ("conv1", "conv2", "conv3"))
    assert int(half["zeros"]) == 60 + zeros
    assert (half["filters"], half["zero_filters"], half["real_fraction"]) == ("18", "9", "0.500000")
    for phase in ("TEST", "VAL"):
        score = evaluate_checkpoint(path, phase, device="cpu")
        assert float(half[f"{phase.lower()}_accuracy"]) == pytest.approx(score.accuracy, abs=1e-6)
        assert after.accuracy[phase] == score.accuracy
    dense = evaluate_checkpoint(model, device="cpu")
    assert float(unpruned["test_accuracy"]) == pytest.approx(dense.accuracy, abs=1e-6)
    assert result.points[0].path is not None
    assert result.points[0].scores["TEST"].accuracy == dense.accuracy


def test_each_fraction_is_of_the_net_as_it_was_given(model: Path, tmp_path: Path) -> None:
    rising = pruned(model, fraction="0,0.5", shrink=True, output=tmp_path / "rising")
    falling = pruned(model, fraction="0.5,0", shrink=True, output=tmp_path / "falling")
    assert [p.scores for p in rising.points] == [p.scores for p in falling.points[::-1]]
    assert [int(row["zeros"]) for row in rows_of(tmp_path / "falling")][1] == 60


def test_files_are_beside_the_checkpoint_by_default(model: Path) -> None:
    result = pruned(model, fraction="0.5")
    assert {path.name for path in model.parent.iterdir()} == {
        *("net.pt", "prune.csv", "prune.txt", "prune.png")
    }
    assert (model.parent / "prune.txt").read_text() == result.text
    assert json.loads(json.dumps(result.document)) == result.document
    assert result.document["points"][0]["shrunk"] is None
    [row] = rows_of(model.parent)
    assert (row["checkpoint"], row["criterion"], row["scope"], row["seed"]) == (
        *("a/net.pt", "filter-norm", "layer", ""),
    )
    [drawn] = plot([model.parent], PlotOptions(("prune",), formats=("svg",)))
    assert drawn.paths[0].exists()


def test_weights_and_random_filters(model: Path, tmp_path: Path) -> None:
    options = {"fraction": "0.3", "save": True}
    pruned(model, rule=Rule("magnitude"), layers=("conv2", "ip"), output=tmp_path / "m", **options)
    [path] = (tmp_path / "m" / "prune").iterdir()
    assert path.name == "a-net-magnitude-0.3.pt"
    weights = load_checkpoint(path).weights
    for row in weights["conv2.weight"].flatten(1):
        assert int((row == 0).sum()) == 16, "of 54"
    assert not filters_of(weights["conv1.weight"])
    pruned(model, rule=Rule("random", "net", 7), output=tmp_path / "r", **options)
    [path] = (tmp_path / "r" / "prune").iterdir()
    assert path.name == "a-net-random7-net-0.3.pt"
    assert rows_of(tmp_path / "r")[0]["seed"] == "7"
    found = load_checkpoint(path).weights
    assert sum(len(filters_of(found[f"conv{n}.weight"])) for n in (1, 2, 3)) == 5


def test_several_checkpoints_are_curves_of_one_table(model: Path, tmp_path: Path) -> None:
    other = make_model(tmp_path / "b" / "net.pt", seed=1)
    with pytest.raises(ConfigError, match="in several folders: say where to write by --output"):
        pruned(model, other)
    result = pruned(model, other, fraction="0:0.5:0.25", output=tmp_path / "out")
    rows = rows_of(tmp_path / "out")
    assert [(row["checkpoint"], row["fraction"]) for row in rows] == [
        (net, fraction) for net in ("a/net.pt", "b/net.pt") for fraction in ("0", "0.25", "0.5")
    ]
    alone = pruned(other, fraction="0.25", output=tmp_path / "alone")
    assert alone.points[0].scores == result.points[4].scores


def test_seeds_of_one_training_have_a_mean(tmp_path: Path) -> None:
    nets = [
        make_model(tmp_path / f"seed{n}" / "net.pt", seed=n, random_seed=n, display=n)
        for n in (1, 2, 3)
    ]
    other = make_model(tmp_path / "other" / "net.pt", seed=4, random_seed=1, base_lr=0.5)
    result = pruned(*nets, other, fraction="0.25,0.5", output=tmp_path / "out")
    names = [row["training"] for row in rows_of(tmp_path / "out")[::2]]
    assert names == ["seed1/net.pt, 3 seeds"] * 3 + ["other/net.pt"]
    found = [100 * (p.scores["TEST"].accuracy or 0) for p in result.points[1:6:2]]
    mean, deviation = statistics.fmean(found), statistics.stdev(found)
    assert [line for line in result.text.splitlines() if ", 3 seeds" in line][1].split() == [
        *("seed1/net.pt,", "3", "seeds", "0.5", f"{mean:.2f}", "±", f"{deviation:.2f}")
    ]
    assert result.document["points"][0]["training"] == "seed1/net.pt, 3 seeds"


def test_a_training_has_each_seed_once() -> None:
    solvers = [{"random_seed": seed, "base_lr": 0.1} for seed in (1, 2, 2)]
    assert trainings_of(["a", "b", "c"], solvers) == ["a", "b", "c"]
    assert trainings_of(["a", "b"], solvers[:2]) == ["a, 2 seeds"] * 2
    assert trainings_of(["a", "b"], [{}, {"random_seed": 0}]) == ["a", "b"]


@pytest.mark.parametrize("name", ["prune.csv", "prune.txt", "prune.png"])
def test_what_is_not_its_own_is_kept(name: str, model: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_bytes(b"\x89PNG mine")
    with pytest.raises(ConfigError, match=f"{name} is not of prune and is kept"):
        pruned(model, output=tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]


def test_a_net_that_is_none_of_ours_is_kept(model: Path, tmp_path: Path) -> None:
    (tmp_path / "prune").mkdir()
    (tmp_path / "prune" / f"{MODEL}.pt").write_text("mine")
    with pytest.raises(ConfigError, match="is no checkpoint and is kept"):
        pruned(model, fraction="0.5", save=True, output=tmp_path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fraction": "1"}, "--fraction: 1 must be below 1: no layer is pruned whole"),
        ({"fraction": "0:x:0.1"}, "--fraction: 'x' is not a number of 0 or more"),
        ({"layers": ("con1",)}, "--layers: con1: the net has no such layer with weights; did you "),
        ({"rule": Rule("magnitude"), "shrink": True}, "--shrink removes whole filters"),
        ({"overrides": ["net.layers.digits.phase=TRAIN"]}, "its net has no data for phase TEST"),
        ({"overrides": ["net.layers.accuracy.phase=TRAIN"]}, "its net has no Accuracy in phase"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    options: dict[str, object], words: str, model: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        pruned(model, **options)  # type: ignore[arg-type]
    assert words in str(caught.value)
    assert [path.name for path in model.parent.iterdir()] == ["net.pt"]


def test_a_signal_keeps_what_was_measured(model: Path) -> None:
    class Stopping(Quiet):
        def note(self, text: str) -> None:
            if "0.1" in text:
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(StoppedError, match="stopped after 2 of 10 networks, which are written"):
        pruned(model, display=Stopping())
    assert len(rows_of(model.parent)) == 2


def test_names() -> None:
    same = [Path("x/a/best.pt"), Path("y/a/best.pt")]
    assert labels_of(same) == ["x/a/best.pt", "y/a/best.pt"]
    assert labels_of([Path("x/a/best.pt"), Path("x/b/best.pt")]) == ["a/best.pt", "b/best.pt"]
    with pytest.raises(ConfigError, match="is given more than once"):
        labels_of([Path("a/best.pt"), Path("a/../a/best.pt")])
    with pytest.raises(ConfigError, match="checkpoints of 9 trainings are more than the 8"):
        require_drawable([*"abcdefghi"])
    require_drawable([*"abcdefgh", *"abcdefgh"])
    assert stems_of(["a/b c.pt", "a-b/c.pt", "d/best.safetensors"]) == [
        *("1-a-b-c", "2-a-b-c", "d-best.safetensors"),
    ]
