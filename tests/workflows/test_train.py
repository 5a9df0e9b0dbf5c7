"""A run from a solver file to its folder: what is written, chosen, kept, and refused."""

from __future__ import annotations

import errno
import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from sparsenet.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from sparsenet.config.load import load_solver
from sparsenet.config.read import read_yaml
from sparsenet.errors import ConfigError, SparsenetError
from sparsenet.files import FileError
from sparsenet.metrics import read_metrics
from sparsenet.progress import Quiet
from sparsenet.solver.loop import NotFiniteError
from sparsenet.workflows.build import build_net
from sparsenet.workflows.test import evaluate_checkpoint
from sparsenet.workflows.train import TrainOptions, TrainResult, dry_run, run_folder_of, train
from tests.workflows.conftest import NET, SOLVER, assert_same_run, tensors, trace


class Notes(Quiet):
    """Remembers what it was to show, and does something when told so."""

    def __init__(self, at: Callable[[str, Any], None] = lambda event, value: None) -> None:
        self.notes: list[str] = []
        self.events: list[str] = []
        self.at = at

    def _happened(self, event: str, value: Any) -> None:
        self.events.append(event)
        self.at(event, value)

    def begin(self, step: int, total: int) -> None:
        self._happened("begin", step)

    def tested(self, line: dict[str, Any], density: float) -> None:
        self._happened("tested", line["iter"])

    def warn(self, text: str) -> None:
        self.note(text)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def advanced(self, step: int) -> None:
        self._happened("advanced", step)

    def end(self) -> None:
        self._happened("end", None)


def run(solver: Path, output: Path, *overrides: str, **options: Any) -> TrainResult:
    display = options.pop("display", Quiet())
    return train(solver, TrainOptions(overrides=overrides, output=output, **options), display)


def refused(
    kind: type[SparsenetError], solver: Path, output: Path, *overrides: str, **options: Any
) -> str:
    """The one line with which a run is refused before it begins."""
    display = Notes()
    with pytest.raises(kind) as raised:
        run(solver, output, *overrides, display=display, **options)
    assert type(raised.value) is kind
    assert "begin" not in display.events
    assert len(str(raised.value).splitlines()) == 1
    return str(raised.value)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the small net, its solver, and in `run` a finished run."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "net.yaml").write_text(NET)
    (folder / "solver.yaml").write_text(SOLVER)
    run(folder / "solver.yaml", folder / "run", "snapshot_keep=2")
    return folder


@pytest.fixture
def copied(home: Path, tmp_path: Path) -> Path:
    """The finished run, to be changed."""
    return Path(shutil.copytree(home / "run", tmp_path / "run"))


# What a run writes


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


# Stages that miss


STUCK = (
    "stages=[{t: {ip1: 50%, ip2: 50%}, until: {accuracy: {within: 0, of: 1.0}, max_iters: 15}, "
    "on_miss: MISS}, {t: {ip1: 10%}}]"
)


@pytest.mark.parametrize(("on_miss", "updates"), [("stop", 15), ("continue", 40)])
def test_a_missed_stage_keeps_its_results(
    on_miss: str, updates: int, home: Path, tmp_path: Path
) -> None:
    stages = STUCK.replace("MISS", on_miss)
    result = run(home / "solver.yaml", tmp_path / "run", "max_iter=40", stages)
    assert result.exit_code == 3
    assert result.summary["missed"] == ["1"]
    assert result.summary["final"]["iter"] == updates
    assert load_checkpoint(result.folder.final).iter == updates
    assert "stage 1: MISSED its goal, updates 0 to 15, VAL accuracy" in result.text
    assert result.folder.summary_text.read_text() == result.text
    assert json.loads(result.folder.summary_json.read_text()) == result.summary
    again = run(home / "solver.yaml", tmp_path / "run", "max_iter=40", stages,
                resume="auto")  # fmt: skip
    assert (again.exit_code, again.summary) == (3, result.summary)


# Numbers that are not finite


@pytest.mark.parametrize("rate", ["1e10", "1e20"])
def test_a_loss_that_is_not_finite_names_iteration_layer_and_snapshot(
    rate: str, home: Path, tmp_path: Path
) -> None:
    output, display = tmp_path / "run", Notes()
    with pytest.raises(NotFiniteError) as raised:
        run(home / "solver.yaml", output, f"base_lr={rate}", "snapshot=1", display=display)
    message = str(raised.value)
    newest = max(output.glob("iter_*.pt"), key=lambda path: int(path.stem[5:]))
    assert message.endswith(f"; the last good snapshot is {newest}")
    assert "iteration" in message or "after" in message
    assert any(layer in message for layer in ("conv", "ip1", "ip2", "loss"))
    assert display.events[-1] == "end"
    for path in output.glob("*.pt"):
        assert all(bool(tensor.isfinite().all()) for tensor in tensors(path).values())
    assert not (output / "final.pt").exists()


@pytest.mark.parametrize("snapshot", ["snapshot=1", "snapshot=0"])
def test_weights_that_went_before_a_loss_showed_it_are_never_saved(
    snapshot: str, home: Path, tmp_path: Path
) -> None:
    settings = ["base_lr=1e38", "clip_gradients=null", "max_iter=1", snapshot]
    settings.append("net.layers.digits.transform.scale=1000")
    with pytest.raises(NotFiniteError) as raised:
        run(home / "solver.yaml", tmp_path / "run", *settings, "stages=[{t: {ip1: 9, ip2: 9}}]")
    assert str(raised.value) == (
        "after 1 updates the weights of conv are not finite; there is no snapshot"
    )
    # The best of the test before the first update.
    assert [path.name for path in (tmp_path / "run").glob("*.pt")] == ["best.pt"]


# The disk


def test_a_folder_that_cannot_be_written_to_fails_before_training(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    below = tmp_path / "file" / "run"
    message = refused(FileError, home / "solver.yaml", below)
    assert message == f"{below}: cannot be made: Not a directory"

    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("tempfile.NamedTemporaryFile", read_only)
    message = refused(FileError, home / "solver.yaml", tmp_path / "run")
    assert message == f"{tmp_path / 'run'}: cannot be written to: Read-only file system"


def test_a_disk_that_fills_keeps_what_was_written_and_the_run_goes_on_later(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, save, left = tmp_path / "run", torch.save, [2]

    def full(content: Any, stream: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            stream.write(b"half of it")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save(content, stream)

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(FileError) as raised:
        run(home / "solver.yaml", output, "snapshot_keep=2")
    assert str(raised.value) == f"{output}/iter_45.pt: cannot be written: No space left on device"
    kept = {"config.yaml", "metrics.jsonl", "iter_15.pt", "iter_30.pt"}
    assert {path.name for path in output.iterdir()} == kept
    monkeypatch.undo()
    run(home / "solver.yaml", output, "snapshot_keep=2", resume="auto")
    assert_same_run(home / "run", output, 60)


def test_a_log_that_cannot_be_written_stops_the_run_in_one_line(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Path.open

    def opened(path: Path, mode: str = "r", *arguments: Any, **keys: Any) -> Any:
        if path.name == "metrics.jsonl" and mode == "a":
            path = Path("/dev/full")
        return original(path, mode, *arguments, **keys)

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(FileError) as raised:
        run(home / "solver.yaml", tmp_path / "run")
    log = tmp_path / "run" / "metrics.jsonl"
    assert str(raised.value) == f"{log}: cannot be written: No space left on device"


# An earlier run in the folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_earlier_run_is_refused_and_not_touched(home: Path) -> None:
    before = contents(home / "run")
    message = refused(ConfigError, home / "solver.yaml", home / "run")
    assert message.startswith(f"{home / 'run'} holds an earlier run: ")
    assert contents(home / "run") == before


def test_overwrite_replaces_the_run_and_keeps_what_is_not_its(home: Path, copied: Path) -> None:
    (copied / "notes.txt").write_text("mine")
    run(home / "solver.yaml", copied, "max_iter=18", "stages=[{t: {ip1: 9, ip2: 9}}]",
        overwrite=True)  # fmt: skip
    assert {path.name for path in copied.glob("iter_*.pt")} == {"iter_15.pt", "iter_18.pt"}
    assert (copied / "notes.txt").read_text() == "mine"
    assert len(trace(copied)) < len(trace(home / "run"))


def test_a_mistake_is_found_before_overwrite_removes_anything(home: Path, copied: Path) -> None:
    before = contents(copied)
    weights = home / "run" / "best.pt"
    changed = "net.layers.ip1.num_output=21"
    refused(ConfigError, home / "solver.yaml", copied, changed, overwrite=True, weights=weights)
    assert contents(copied) == before


def test_overwrite_does_not_remove_what_the_run_starts_from(home: Path, copied: Path) -> None:
    before = contents(copied)
    given = copied / "best.pt"
    message = refused(ConfigError, home / "solver.yaml", copied, overwrite=True, weights=given)
    assert message == (
        f"--overwrite would remove {given}, from which the run is to start; choose another folder "
        "by --output"
    )
    assert contents(copied) == before


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


# --resume, beside what test_resume.py shows


def test_a_finished_run_of_another_configuration_is_not_taken_for_this_one(
    home: Path, copied: Path
) -> None:
    message = refused(ConfigError, home / "solver.yaml", copied, "base_lr=0.5", resume="auto")
    assert "differs in base_lr" in message


def test_a_run_of_another_configuration_without_snapshots_is_not_replaced(
    home: Path, copied: Path
) -> None:
    for path in copied.glob("iter_*.pt"):
        path.write_bytes(b"damaged")
    before = contents(copied)
    message = refused(ConfigError, home / "solver.yaml", copied, "base_lr=0.5", resume="auto")
    assert message.startswith(f"{copied} holds a run of another configuration and no whole")
    assert contents(copied) == before
    run(home / "solver.yaml", copied, resume="auto")  # its own: made again
    assert_same_run(home / "run", copied, 60)


def test_a_longer_run_killed_at_its_end_is_not_taken_for_the_shorter_one(
    home: Path, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sparsenet.workflows.train.write_results", killed)
    with pytest.raises(KeyboardInterrupt):
        run(home / "solver.yaml", copied, "max_iter=70", resume="auto")
    monkeypatch.undo()
    result = run(home / "solver.yaml", copied, "max_iter=70", resume="auto")
    assert result.summary["final"]["iter"] == 70


@pytest.mark.parametrize("damaged", ["summary.json", "summary.txt", "final.pt"])
def test_results_that_are_not_whole_are_made_again(damaged: str, home: Path, copied: Path) -> None:
    if damaged == "summary.json":
        (copied / damaged).write_text('{"final": ')
    else:
        (copied / damaged).unlink()
    run(home / "solver.yaml", copied, resume="auto")
    assert_same_run(home / "run", copied, 60)
    assert (copied / damaged).exists()


def test_a_best_that_is_lost_is_chosen_anew(home: Path, copied: Path) -> None:
    (copied / "best.pt").unlink()
    display = Notes()
    result = run(home / "solver.yaml", copied, "max_iter=70", resume="auto", display=display)
    assert f"The best network is chosen anew: {copied}/best.pt: no such checkpoint" in display.notes
    assert load_checkpoint(copied / "best.pt").iter == result.summary["best"]["iter"] >= 60


def test_a_folder_in_a_snapshots_place_is_passed_over(home: Path, copied: Path) -> None:
    (copied / "iter_99.pt").mkdir()
    display = Notes()
    run(home / "solver.yaml", copied, "max_iter=61", resume="auto", display=display)
    assert display.notes[0] == f"Passed over: {copied}/iter_99.pt: no such checkpoint"


def test_a_log_that_is_gone_is_an_error_of_one_line(home: Path, copied: Path) -> None:
    (copied / "metrics.jsonl").unlink()
    message = refused(FileError, home / "solver.yaml", copied, "max_iter=70", resume="auto")
    assert message == f"{copied}/metrics.jsonl: cannot be read: No such file or directory"


MISFITS: dict[str, tuple[Callable[[Any], object], str]] = {
    "weights": (lambda c: c["weights"].pop("ip2.bias"), "weights: ip2.bias"),
    "pending": (lambda c: c["solver"]["pending"].update(x=torch.ones(1)), "pending: x"),
    "history": (lambda c: c["solver"]["history"].pop("conv.bias"), "history of conv.bias"),
    "one history": (
        lambda c: c["solver"]["history"]["ip1.bias"].update(velocity=torch.ones(1)),
        "history of ip1.bias: velocity",
    ),
    "progress": (lambda c: c["solver"]["progress"].update(history=3), "progress: history: "),
    "stage": (lambda c: c["solver"]["progress"].update(index=3), "progress: there is no stage 4"),
    "outcome": (
        lambda c: c["solver"]["progress"]["history"][0].update(outcome="won"),
        "progress: history.0.outcome",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISFITS)
def test_a_snapshot_that_does_not_fit_its_own_configuration_says_where(
    name: str, home: Path, copied: Path
) -> None:
    change, words = MISFITS[name]
    path = copied / "iter_45.pt"
    content = torch.load(path, weights_only=True)
    change(content)
    torch.save(content, path)
    (copied / "iter_60.pt").unlink()
    before = contents(copied)
    message = refused(CheckpointError, home / "solver.yaml", copied, resume=str(path))
    assert message.startswith(f"{path}: the snapshot does not fit its own configuration: {words}")
    assert contents(copied) == before


# The rest


def test_a_dry_run_writes_nothing_and_promises_what_the_last_stage_asks(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    memory = dry_run(home / "solver.yaml", TrainOptions())
    assert {layer.name: (layer.shape, layer.nonzeros) for layer in memory.layers} == {
        "conv": ((4, 1, 3, 3), 36),
        "ip1": ((20, 36), 72),
        "ip2": ((10, 20), 80),
    }
    options = TrainOptions(weights=home / "run" / "best.pt", overrides=["net.layers.ip1.name=x"])
    with pytest.raises(ConfigError):
        dry_run(home / "solver.yaml", options)
    with pytest.raises(ConfigError, match="exclude each other"):
        dry_run(home / "solver.yaml", TrainOptions(weights=Path("a"), resume="auto"))
    assert list(tmp_path.iterdir()) == []


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
