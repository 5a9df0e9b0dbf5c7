"""Smaller dense nets and fine-tuned ones, from end to end."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sparsenet.checkpoint import load_checkpoint, save_checkpoint
from sparsenet.config.load import from_data, load_solver
from sparsenet.errors import ConfigError
from sparsenet.packed.file import write_packed
from sparsenet.packed.model import pack
from sparsenet.progress import Quiet
from sparsenet.shrinking.cut import cut_tensors
from sparsenet.shrinking.plan import Plan
from sparsenet.workflows import shrink
from sparsenet.workflows.memsize import memory_of
from sparsenet.workflows.shrink import ShrinkError
from sparsenet.workflows.stored import open_stored
from sparsenet.workflows.test import evaluate_checkpoint
from sparsenet.workflows.train import TrainOptions, train
from tests.shrinking.nets import scores
from tests.workflows.prunable import MODEL, make_model, no_drawing, pruned, rows_of


@pytest.fixture(autouse=True)
def _no_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    no_drawing(monkeypatch)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_model(tmp_path / "a" / "net.pt")


def silenced(path: Path, shrunk: Path) -> None:
    """That two checkpoints compute the same once the larger's zero filters say nothing at all."""
    large, small = open_stored(path, device="cpu"), open_stored(shrunk, device="cpu")
    weights = large.net.weights()
    for name in ("conv1", "conv2", "conv3"):
        gone = weights[f"{name}.weight"].flatten(1).abs().sum(1) == 0
        weights[f"{name}.bias"][gone] = 0.0
        if name == "conv1":
            weights["bn1.mean"][gone] = 0.0
            weights["bn1.bias"][gone] = 0.0
    before = scores(large.net, {name: tensor.clone() for name, tensor in weights.items()})
    after = scores(small.net, {n: t.clone() for n, t in small.net.weights().items()})
    torch.testing.assert_close(after, before, rtol=1e-5, atol=1e-5 * float(before.abs().max()))


def test_the_smaller_net_computes_the_same_and_all_commands_take_it(
    model: Path, tmp_path: Path
) -> None:
    result = pruned(model, fraction="0,0.5", shrink=True, save=True, output=tmp_path)
    path = tmp_path / "prune" / f"{MODEL}-shrunk.pt"
    silenced(tmp_path / "prune" / f"{MODEL}.pt", path)
    small = load_checkpoint(path)
    assert small.weights["conv2.weight"].shape[0] == 3, "nothing else reads what conv2 puts out"
    assert small.constraints == ()
    net = from_data(small.config, "small").solver.net
    assert net.layers[4].num_output == 3  # type: ignore[attr-defined]
    assert net.layers[8].regularization.type == "l2"  # type: ignore[attr-defined]
    unpruned, half = rows_of(tmp_path)
    assert unpruned["shrunk_weights"] == ""
    score = evaluate_checkpoint(path, device="cpu")
    assert float(half["shrunk_test_accuracy"]) == pytest.approx(score.accuracy, abs=1e-6)
    memory, _ = memory_of(path)
    assert int(half["shrunk_weights"]) == memory.weights.params < int(half["weights"])
    write_packed(tmp_path / "packed.safetensors", pack(small, "small"))
    assert evaluate_checkpoint(tmp_path / "packed.safetensors", device="cpu") == score
    shrunk = result.points[1].shrunk
    assert shrunk is not None
    removed = sum(18 - small.weights[f"conv{n}.weight"].shape[0] for n in (1, 2, 3)) - 36
    assert (shrunk.removed, shrunk.of) == (removed, 18)
    stay = {kept.layer: kept.filters for kept in shrunk.kept}
    assert sum(stay.values()) + removed == 9
    if stay:
        assert "filters that stay as zeros:" in result.text
        assert "'sum' (Eltwise) joins it with a channel that is not zero" in result.text
    solver = path.with_name(f"{MODEL}-shrunk.yaml")
    options = TrainOptions(weights=path, output=tmp_path / "more", device="cpu")
    assert train(solver, options, Quiet()).exit_code == 0


def test_fine_tuning_holds_zeros_and_is_done_once(model: Path, tmp_path: Path) -> None:
    options = {"fraction": "0.5", "finetune": 3, "output": tmp_path}
    result = pruned(model, **options)
    start = load_checkpoint(tmp_path / "prune" / f"{MODEL}.pt").weights
    end = load_checkpoint(tmp_path / "prune" / MODEL / "final.pt")
    assert end.iter == 3
    for name, tensor in start.items():
        zero = tensor == 0
        if name.endswith("weight") and name != "bn1.weight":
            assert not end.weights[name][zero].any()
            assert bool((end.weights[name] != tensor)[~zero].any()), name
    [row] = rows_of(tmp_path)
    # Its validation data choose the best of the tests.
    best = load_checkpoint(tmp_path / "prune" / MODEL / "best.pt")
    assert float(row["finetuned_test_accuracy"]) == pytest.approx(best.accuracy["TEST"], abs=1e-6)
    made = (tmp_path / "prune" / MODEL / "final.pt").stat().st_mtime_ns
    again = pruned(model, **options)
    assert again.text == result.text
    assert (tmp_path / "prune" / MODEL / "final.pt").stat().st_mtime_ns == made
    with pytest.raises(ConfigError, match="holds a run of another configuration"):
        pruned(model, **(options | {"finetune": 5}))
    make_model(model, seed=2)
    with pytest.raises(ConfigError, match="was trained from another net of this name"):
        pruned(model, **options)


def test_a_fine_tuning_goes_on_where_it_was_stopped_bit_for_bit(
    model: Path, tmp_path: Path
) -> None:
    options = {"fraction": "0.5", "finetune": 4, "overrides": ["snapshot=2"]}
    pruned(model, output=tmp_path / "whole", **options)
    pruned(model, output=tmp_path / "cut", **options)
    run = tmp_path / "cut" / "prune" / MODEL
    for name in ("iter_4.pt", "final.pt", "best.pt", "summary.json", "summary.txt"):
        (run / name).unlink()
    pruned(model, output=tmp_path / "cut", **options)
    whole = load_checkpoint(tmp_path / "whole" / "prune" / MODEL / "final.pt").weights
    resumed = load_checkpoint(run / "final.pt").weights
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_of_shrunk_nets_the_smaller_one_is_trained(model: Path, tmp_path: Path) -> None:
    pruned(model, fraction="0,0.5", shrink=True, finetune=0, output=tmp_path)
    folder = tmp_path / "prune"
    end = load_checkpoint(folder / f"{MODEL}-shrunk" / "final.pt")
    assert end.iter == 4, "as many updates as its configuration says"
    assert end.weights["conv2.weight"].shape[0] == 3
    assert load_solver(folder / "a-net-filter-norm-0.yaml").solver.stages == ()
    assert not (folder / MODEL).exists()
    assert all(row["finetuned_test_accuracy"] for row in rows_of(tmp_path))


def test_a_smaller_net_that_is_wrong_is_not_written(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(weights: dict[str, torch.Tensor], plan: Plan) -> dict[str, torch.Tensor]:
        return cut_tensors(weights, plan) | {"ip.bias": weights["ip.bias"] + torch.arange(10)}

    monkeypatch.setattr(shrink, "cut_tensors", wrong)
    with pytest.raises(ShrinkError, match="computes scores that are up to 9 apart, of at most"):
        pruned(model, fraction="0.5", shrink=True, output=tmp_path)
    assert list((tmp_path / "prune").iterdir()) == []


def test_what_is_not_finite_is_no_defect_of_the_smaller_net(model: Path, tmp_path: Path) -> None:
    spoilt = load_checkpoint(model)
    spoilt.weights["ip.weight"][0, 1] = torch.nan
    save_checkpoint(model, spoilt)
    result = pruned(model, fraction="0.5", shrink=True, output=tmp_path)
    assert result.document["points"][0]["TEST"]["loss"] is None
