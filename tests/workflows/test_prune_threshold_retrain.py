"""prune-threshold --retrain: each training once, and what a stop in the midst of it leaves."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sparsenet.checkpoint import load_checkpoint
from sparsenet.errors import ConfigError
from sparsenet.progress import Quiet
from sparsenet.workflows.signals import StoppedError
from tests.workflows.thresholded import make_home, no_drawing, pruned, rows_of


@pytest.fixture(autouse=True)
def _no_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    no_drawing(monkeypatch)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_home(tmp_path_factory.mktemp("home"))


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
