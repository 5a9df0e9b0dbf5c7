"""A run from a solver file to its folder: what is written and chosen, and how it may begin."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
import torch

from sparsenet.checkpoint import load_checkpoint, save_checkpoint
from sparsenet.config.load import load_solver
from sparsenet.config.read import read_yaml
from sparsenet.data.raw import DataError
from sparsenet.errors import ConfigError
from sparsenet.metrics import read_metrics
from sparsenet.workflows.budget import Promise
from sparsenet.workflows.build import build_net
from sparsenet.workflows.test import evaluate_checkpoint
from sparsenet.workflows.train import TrainOptions, TrainResult, dry_run, run_folder_of
from tests.workflows.conftest import assert_same_run
from tests.workflows.runs import Notes, refused, run


def test_the_run_folder_has_what_the_documentation_says(home: Path) -> None:
    expected = {"config.yaml", "metrics.jsonl", "best.pt", "final.pt", "summary.json"}
    expected |= {"summary.txt", "iter_45.pt", "iter_60.pt"}
    assert {path.name for path in (home / "run").iterdir()} == expected


def test_every_line_of_the_log_has_its_keys(home: Path) -> None:
    lines = list(read_metrics(home / "run" / "metrics.jsonl"))
    always = {"iter", "epoch", "lr", "stage", "in_stage", "t", "seconds"}
    shown = [line for line in lines if line.keys() == always | {"loss"}]
    tested = [line for line in lines if "nonzeros" in line]
    ended = [line for line in lines if "stage_end" in line]
    assert len(shown) + len(tested) + len(ended) == len(lines)
    assert [line["iter"] for line in shown] == list(range(0, 60, 5))
    assert [line["iter"] for line in tested] == list(range(0, 70, 10))
    assert [line["stage_end"]["stage"] for line in ended] == ["a", "b"]
    for line in tested:
        assert line.keys() == always | {"loss", "phase", "accuracy", "outputs", "nonzeros"}
        assert line["phase"] == "VAL"
        assert line["nonzeros"].keys() == {"conv", "ip1", "ip2"}
        assert all(line["nonzeros"][name] <= t for name, t in line["t"].items())
    assert [line["seconds"] for line in lines if "lr" in line] == sorted(
        line["seconds"] for line in lines if "lr" in line
    )


def test_the_written_configuration_runs_again_as_it_is(home: Path, tmp_path: Path) -> None:
    run(home / "run" / "config.yaml", tmp_path / "again")
    assert_same_run(home / "run", tmp_path / "again", 60)
    again = read_yaml(tmp_path / "again" / "config.yaml").data
    assert again == read_yaml(home / "run" / "config.yaml").data


def test_the_best_is_chosen_on_validation_data_under_the_last_constraints(home: Path) -> None:
    tested = [line for line in read_metrics(home / "run" / "metrics.jsonl") if "nonzeros" in line]
    last = tested[-1]["t"]
    tight = [line for line in tested if line["t"] == last]
    assert 0 < len(tight) < len(tested)
    chosen = max(tight, key=lambda line: line["accuracy"])  # the first of equals
    best = load_checkpoint(home / "run" / "best.pt")
    assert (best.iter, best.accuracy["VAL"]) == (chosen["iter"], chosen["accuracy"])
    assert {item.name: item.t for item in best.constraints} == last


def test_without_validation_data_there_is_no_best(home: Path, tmp_path: Path) -> None:
    overrides = ["net.layers.digits.split=null", "stages=[{t: {ip1: 50%, ip2: 50%}}]"]
    result = run(home / "solver.yaml", tmp_path / "run", "max_iter=20", *overrides)
    assert not result.folder.best.exists()
    assert "best" not in result.summary
    assert result.summary["final"].keys() == {"iter", "TEST"}
    assert load_checkpoint(result.folder.final).accuracy.keys() == {"TEST"}


@pytest.mark.parametrize("name", ["best", "final"])
def test_the_recorded_accuracy_is_what_testing_gives(name: str, home: Path) -> None:
    path = home / "run" / f"{name}.pt"
    recorded = load_checkpoint(path).accuracy
    summary = json.loads((home / "run" / "summary.json").read_text())
    for phase in ("VAL", "TEST"):
        score = evaluate_checkpoint(path, phase)  # type: ignore[arg-type]
        assert score.accuracy == recorded[phase] == summary[name][phase]["accuracy"]
        assert score.samples == summary[name][phase]["samples"]


# --weights


def test_weights_are_copied_by_layer_name_and_what_was_done_is_shown(
    home: Path, tmp_path: Path
) -> None:
    overrides = ["max_iter=1", "stages=[]", "regularization.ip1.t=50%", "regularization.ipX.t=5",
                 "net.layers.ip2.name=ipX", "net.layers.accuracy.bottom=[ipX, label]",
                 "net.layers.loss.bottom=[ipX, label]", "base_lr=1e-30"]  # fmt: skip
    for name in ("best.pt", "iter_45.pt"):
        display = Notes()
        given = load_checkpoint(home / "run" / name)
        result = run(
            home / "solver.yaml",
            tmp_path / name,
            *overrides,
            weights=home / "run" / name,
            display=display,
        )
        assert display.notes[:3] == [
            "Weights copied: conv, ip1",
            "Weights fresh: ipX",
            "Weights unused: ip2",
        ]
        final = load_checkpoint(result.folder.final).weights
        for blob in ("conv.weight", "conv.bias", "ip1.weight", "ip1.bias"):
            torch.testing.assert_close(final[blob], given.weights[blob], rtol=1e-6, atol=1e-20)


def test_weights_of_another_shape_name_the_file_and_both_shapes(home: Path, tmp_path: Path) -> None:
    given = home / "run" / "best.pt"
    wider = "net.layers.ip1.num_output=30"
    with pytest.raises(ConfigError) as raised:
        run(home / "solver.yaml", tmp_path / "a", wider, weights=given)
    assert str(raised.value).splitlines() == [
        f"{given}: ip1.weight: 20x36 in the checkpoint, 30x36 in the net",
        f"{given}: ip1.bias: 20 in the checkpoint, 30 in the net",
        f"{given}: ip2.weight: 10x20 in the checkpoint, 10x30 in the net",
        f"{given}: a layer that is renamed in the net is left fresh",
    ]
    assert not (tmp_path / "a").exists()


def test_weights_of_which_no_layer_is_known_are_a_mistake(home: Path, tmp_path: Path) -> None:
    given = load_checkpoint(home / "run" / "best.pt")
    other = {name.replace("ip", "fc").replace("conv", "c"): w for name, w in given.weights.items()}
    path = tmp_path / "other.pt"
    save_checkpoint(path, type(given)(config=given.config, iter=1, weights=other))
    message = refused(ConfigError, home / "solver.yaml", tmp_path / "a", weights=path)
    assert message == (
        f"{path}: no layer of its net is in this one: it has c, fc1, fc2, and the net conv, ip1, "
        "ip2"
    )


def test_the_wrong_file_in_a_place_is_named_for_what_it_is(home: Path, tmp_path: Path) -> None:
    solver, output = home / "solver.yaml", tmp_path / "a"
    message = refused(ConfigError, solver, output, weights=home / "net.yaml")
    assert message == f"{home / 'net.yaml'}: is a YAML file; a checkpoint is needed here"
    message = refused(ConfigError, solver, home, resume=str(home / "solver.yaml"))
    assert message == f"{solver}: is a YAML file; a checkpoint is needed here"
    best = home / "run" / "best.pt"
    message = refused(ConfigError, best, output)
    assert message == (
        f"{best}: is a checkpoint; a solver file is needed here, and this goes to --weights or "
        "--resume"
    )
    assert not output.exists()


@pytest.mark.parametrize("other", ["weights", "overwrite"])
def test_flags_that_exclude_each_other(other: str, home: Path, tmp_path: Path) -> None:
    options = {"resume": "auto", other: True if other == "overwrite" else home / "run" / "best.pt"}
    message = refused(ConfigError, home / "solver.yaml", tmp_path / "a", **options)
    assert message == f"--{other} and --resume exclude each other"


# The rest


def test_a_dry_run_writes_nothing_and_promises_what_the_last_stage_asks(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown: list[Promise] = []
    dry_run(home / "solver.yaml", TrainOptions(), shown.append)
    [promise] = shown
    assert (promise.text, promise.document) == ("", {})  # without a budget
    assert {layer.name: (layer.shape, layer.nonzeros) for layer in promise.memory.layers} == {
        "conv": ((4, 1, 3, 3), 36),
        "ip1": ((20, 36), 72),
        "ip2": ((10, 20), 80),
    }
    options = TrainOptions(weights=home / "run" / "best.pt", overrides=["net.layers.ip1.name=x"])
    with pytest.raises(ConfigError):
        dry_run(home / "solver.yaml", options, shown.append)
    options = TrainOptions(weights=Path("a"), resume="auto")
    with pytest.raises(ConfigError, match="exclude each other"):
        dry_run(home / "solver.yaml", options, shown.append)
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_promises_even_where_the_data_are_not(home: Path, tmp_path: Path) -> None:
    elsewhere = [
        "net.layers.digits.source=MNIST",
        f"net.layers.digits.root={tmp_path}",
        "net.layers.digits.download=false",
    ]
    shown: list[Promise] = []
    with pytest.raises(DataError, match="MNIST is not in"):
        dry_run(home / "solver.yaml", TrainOptions(overrides=elsewhere), shown.append)
    assert len(shown) == 1


def test_the_run_folder_is_the_option_then_the_prefix_then_the_solvers(home: Path) -> None:
    plain = load_solver(home / "solver.yaml")
    prefixed = load_solver(home / "solver.yaml", ["snapshot_prefix=out/x"])
    solver, named = home / "solver.yaml", home / "dense.yaml"
    assert run_folder_of(solver, prefixed, Path("given")).path == Path("given")
    assert run_folder_of(solver, prefixed, None).path == Path("out/x")
    assert run_folder_of(solver, plain, None).path == Path("runs") / home.name
    assert run_folder_of(named, plain, None).path == Path("runs") / f"{home.name}-dense"


def test_it_trains_in_a_thread_too(home: Path, tmp_path: Path) -> None:
    results: list[TrainResult] = []
    settings = ("max_iter=3", "stages=[{t: {ip1: 9, ip2: 9}}]")
    thread = threading.Thread(
        target=lambda: results.append(run(home / "solver.yaml", tmp_path / "a", *settings))
    )
    thread.start()
    thread.join()
    assert results[0].exit_code == 0


def test_the_seed_alone_makes_the_first_weights(home: Path) -> None:
    net = load_solver(home / "solver.yaml").solver.net
    one, other = (build_net(net, 5, torch.device("cpu")).weights() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)
