"""A trial on a machine of a cluster: in the study's folder where it is seen, else brought back."""

from __future__ import annotations

import sys
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sparsenet.trials import cluster
from sparsenet.trials.cluster import _carry_out, _Notes, _Site, _take
from sparsenet.trials.work import Order, Outcome
from tests.trials.trials import data, order


class _Method:
    def __init__(self, function: Any) -> None:
        self.remote = function


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The notes as an actor would have them, and in place of Ray what answers at once."""
    ray = SimpleNamespace(
        get=lambda value, timeout=0: value, exceptions=SimpleNamespace(RayError=RuntimeError)
    )
    monkeypatch.setitem(sys.modules, "ray", ray)
    kept = _Notes()
    return SimpleNamespace(report=_Method(kept.report), kept=kept)


def _site(folder: Path, token: str, **keys: Any) -> _Site:
    (folder / "token").write_text("the token")
    site = _Site(folder / "token", token, 1, None)
    vars(site).update(keys)
    return site


def _content(paths: dict[str, Path]) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in paths.values()}


def _without_seconds(outcome: Outcome) -> dict[str, Any]:
    assert outcome.line is not None, outcome.error
    return {key: value for key, value in outcome.line.items() if key != "seconds"}


def test_a_machine_that_sees_the_folder_works_in_it(tmp_path: Path, notes: Any) -> None:
    asked = order(tmp_path)
    outcome, files = _carry_out(asked, _site(tmp_path, "the token"), {}, notes)
    assert outcome.line is not None
    assert files == {}
    assert (asked.folder / "final.pt").exists()


def test_of_another_machine_the_files_are_brought_back(tmp_path: Path, notes: Any) -> None:
    here, there = _site(tmp_path, "the token"), _site(tmp_path, "another token")
    first = order(tmp_path, key="a", folder=tmp_path / "a")
    _carry_out(first, here, {}, notes)
    given = {"start": first.folder / "final.pt"}
    asked = order(tmp_path, start=given["start"], data=data(2))
    outcome, files = _carry_out(asked, there, _content(given), notes)
    assert not asked.folder.exists()
    done: Future[Outcome] = Future()
    found: Future[Any] = Future()
    found.set_result((outcome, files))
    _take(found, done, asked.folder)
    assert done.result() == outcome
    whole = order(tmp_path, folder=tmp_path / "whole", start=given["start"], data=data(2))
    expected, _ = _carry_out(whole, here, {}, notes)
    assert _without_seconds(outcome) == _without_seconds(expected)
    for name in ("final.pt", "config.yaml"):
        assert (asked.folder / name).read_bytes() == (whole.folder / name).read_bytes()
    for name in ("metrics.jsonl", "summary.json", "summary.txt"):
        assert (asked.folder / name).exists()


def test_members_are_sent_to_another_machine(tmp_path: Path, notes: Any) -> None:
    from sparsenet.config.load import from_data
    from sparsenet.workflows.joined import joined_configuration

    here, there = _site(tmp_path, "the token"), _site(tmp_path, "another token")
    members = {}
    for seed in (1, 2):
        one = order(tmp_path, key=str(seed), folder=tmp_path / str(seed), data=data(seed))
        _carry_out(one, here, {}, notes)
        members[str(seed)] = one.folder / "final.pt"
    joined = joined_configuration(from_data(data(), "small"), 2).data
    asked = Order(
        "whole", "", joined, tmp_path / "w", members=tuple(members.values()), trains=False
    )
    outcome, files = _carry_out(asked, there, _content(members), notes)
    assert outcome.line is not None
    assert outcome.line["params"] == 2 * (64 * 12 + 12 + 120 + 10)
    assert "final.pt" in files


def test_an_error_on_the_way_back_reaches_who_waits(tmp_path: Path) -> None:
    found: Future[Any] = Future()
    found.set_exception(RuntimeError("the machine is gone"))
    done: Future[Outcome] = Future()
    _take(found, done, tmp_path / "k")
    with pytest.raises(RuntimeError, match="the machine is gone"):
        done.result()


def test_another_version_is_refused(tmp_path: Path, notes: Any) -> None:
    outcome, _ = _carry_out(order(tmp_path), _site(tmp_path, "x", version="0.0.1"), {}, notes)
    assert outcome.exit_code == 2
    assert str(outcome.error).startswith("--cluster: a machine has sparsenet ")


def test_a_machines_own_data_folder_wins_over_the_commands(
    tmp_path: Path, notes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(
        cluster, "carry_out", lambda *_: seen.append(cluster.os.environ["SPARSENET_DATA"])
    )
    monkeypatch.setenv("SPARSENET_DATA", "its own")
    _carry_out(order(tmp_path), _site(tmp_path, "the token", data="the command's"), {}, notes)
    monkeypatch.delenv("SPARSENET_DATA")
    _carry_out(order(tmp_path), _site(tmp_path, "the token", data="the command's"), {}, notes)
    assert seen == ["its own", "the command's"]


def test_the_notes_tell_where_trials_stand_and_when_to_stop(tmp_path: Path, notes: Any) -> None:
    asked = order(tmp_path)
    kept = notes.kept
    kept.stop()
    outcome, _ = _carry_out(asked, _site(tmp_path, "the token"), {}, notes)
    assert outcome.stopped == 15
    assert kept.read("k") is None
    assert list(asked.folder.glob("iter_*.pt"))
