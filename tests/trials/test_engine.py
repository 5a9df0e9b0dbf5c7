"""What the engine runs, in which order, and what it makes of the outcomes."""

from __future__ import annotations

import signal
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from sparsenet.errors import ConfigError
from sparsenet.study_folder import StudyFolder
from sparsenet.trials.engine import TrialError
from sparsenet.trials.journal import read_results
from sparsenet.trials.show import QuietStudy
from sparsenet.trials.trial import Trial
from sparsenet.trials.work import Order, Outcome
from sparsenet.workflows.signals import StoppedError
from tests.trials.trials import FakePool, data, engine, line, run, trial, weights_written


def test_results_come_in_the_order_asked_for_whatever_ends_first(tmp_path: Path) -> None:
    asked = [trial(seed) for seed in (3, 1, 2, 5, 4)]
    found = run(tmp_path, FakePool(line, slots=3), asked)
    assert [one.key for one in found] == [one.key for one in asked]


@pytest.mark.parametrize("slots", [1, 2, 4, None])
def test_no_more_run_at_a_time_than_there_are_slots(tmp_path: Path, slots: int | None) -> None:
    pool = FakePool(line, slots)
    run(tmp_path, pool, [trial(seed) for seed in range(6)])
    assert pool.at_most == (slots or 6)


def test_what_is_in_the_journal_is_not_run_again(tmp_path: Path) -> None:
    first = FakePool(line)
    asked = [trial(1), trial(2)]
    run(tmp_path, first, asked)
    again = FakePool(line)
    found = run(tmp_path, again, [*asked, trial(3)])
    assert [order.label for order in again.orders] == ["seed 3"]
    assert [one.key for one in found] == [*(one.key for one in asked), trial(3).key]


def test_the_same_trial_twice_is_run_once(tmp_path: Path) -> None:
    pool = FakePool(line)
    found = run(tmp_path, pool, [trial(1), trial(1)])
    assert len(pool.orders) == 1
    assert len(found) == 2


def test_a_trial_that_others_need_comes_first_and_gives_its_weights(tmp_path: Path) -> None:
    start, member = trial(1), trial(2)
    asked = Trial(data(3), start=start, members=(member,), label="last")
    pool = FakePool(weights_written, slots=None)
    study = StudyFolder(tmp_path)
    run(tmp_path, pool, [asked])
    assert {order.label for order in pool.orders[:2]} == {"seed 1", "seed 2"}
    last = pool.orders[2]
    assert (last.label, last.start) == ("last", study.run(start.key).final)
    assert last.members == (study.run(member.key).final,)


def test_weights_that_are_gone_are_made_again_only_where_they_are_needed(tmp_path: Path) -> None:
    start = trial(1)
    child = Trial(data(2), start=start, label="child")
    run(tmp_path, FakePool(weights_written), [start])
    StudyFolder(tmp_path).run(start.key).final.unlink()
    again = FakePool(weights_written)
    run(tmp_path, again, [start])
    assert not again.orders
    run(tmp_path, again, [child])
    assert [order.label for order in again.orders] == ["seed 1", "child"]


def _diverging(order: Order) -> Outcome:
    return line(order, failed="the loss is not finite")


def test_what_needs_a_trial_that_diverged_has_failed_for_that_reason(tmp_path: Path) -> None:
    child = Trial(data(2), start=trial(1), label="child")
    grandchild = Trial(data(3), members=(child,), label="grandchild")
    pool = FakePool(_diverging)
    found = run(tmp_path, pool, [grandchild, trial(1)])
    assert [order.label for order in pool.orders] == ["seed 1"]
    assert found[0].failed == "child: seed 1: the loss is not finite"
    assert len(read_results(StudyFolder(tmp_path))) == 3


def test_after_an_error_the_others_save_what_they_have(tmp_path: Path) -> None:
    def answer(order: Order) -> Outcome:
        return Outcome(error="no file x", exit_code=1) if order.label == "seed 1" else line(order)

    pool = FakePool(answer, slots=3)
    pool.ends = lambda order: order.label == "seed 1"
    with pytest.raises(TrialError):
        run(tmp_path, pool, [trial(1), trial(2), trial(3), trial(4)])
    assert pool.stopped == 1
    assert len(pool.orders) == 3
    found = [one.key for one in read_results(StudyFolder(tmp_path))]
    assert sorted(found) == sorted([trial(2).key, trial(3).key])


@pytest.mark.parametrize(("code", "kind"), [(1, TrialError), (2, ConfigError)])
def test_an_error_of_a_trial_is_raised_with_its_name(
    tmp_path: Path, code: int, kind: type[Exception]
) -> None:
    def answer(order: Order) -> Outcome:
        return Outcome(error="no file x", exit_code=code)

    with pytest.raises(kind, match=r"^seed 1: no file x$"):
        run(tmp_path, FakePool(answer), [trial(1)])
    assert read_results(StudyFolder(tmp_path)) == []


def test_a_process_that_dies_is_an_error_with_advice(tmp_path: Path) -> None:
    def answer(order: Order) -> Outcome:
        raise RuntimeError("killed by SIGKILL\nand more lines")

    with pytest.raises(TrialError) as raised:
        run(tmp_path, FakePool(answer), [trial(1)])
    said = str(raised.value)
    assert said.startswith("seed 1: its process ended: killed by SIGKILL; ")
    assert "fewer --jobs" in said


def test_a_pool_that_takes_no_more_is_an_error_of_the_same_words(tmp_path: Path) -> None:
    pool = FakePool(line, slots=1)
    taken = pool.submit

    def submit(order: Order) -> Future[Outcome]:
        if pool.orders:
            raise RuntimeError("a worker was killed")
        return taken(order)

    pool.submit = submit  # type: ignore[method-assign]
    with pytest.raises(TrialError, match=r"^seed 2: its process ended: a worker was killed; "):
        run(tmp_path, pool, [trial(1), trial(2)])
    assert [one.key for one in read_results(StudyFolder(tmp_path))] == [trial(1).key]


def test_a_stop_lets_the_running_ones_end_and_starts_no_more(tmp_path: Path) -> None:
    def answer(order: Order) -> Outcome:
        return line(order) if order.label == "seed 1" else Outcome(stopped=15)

    pool = FakePool(answer, slots=2)
    pool.ends = lambda order: False
    with (
        engine(tmp_path, pool, stopping=signal.SIGTERM) as own,
        pytest.raises(StoppedError) as raised,
    ):
        own.run([trial(1), trial(2), trial(3)])
    assert raised.value.exit_code == 128 + signal.SIGTERM
    assert pool.stopped == 1
    assert [order.label for order in pool.orders] == ["seed 1", "seed 2"]
    assert [one.key for one in read_results(StudyFolder(tmp_path))] == [trial(1).key]


def test_snapshots_of_a_finished_trial_are_removed(tmp_path: Path) -> None:
    def answer(order: Order) -> Outcome:
        order.folder.mkdir(parents=True)
        for name in ("iter_3.pt", "iter_6.pt", "final.pt"):
            (order.folder / name).touch()
        return line(order)

    run(tmp_path, FakePool(answer), [trial(1)])
    folder = StudyFolder(tmp_path).run(trial(1).key).path
    assert [path.name for path in folder.iterdir()] == ["final.pt"]


class _Shown(QuietStudy):
    def __init__(self) -> None:
        self.said: list[Any] = []

    def warn(self, text: str) -> None:
        self.said.append(text)

    def queued(self, updates: Any) -> None:
        self.said.append(list(updates))

    def finished(self, label: str, result: Any) -> None:
        self.said.append((label, result.key))


def test_the_show_is_told_what_is_queued_what_ended_and_every_warning(tmp_path: Path) -> None:
    def answer(order: Order) -> Outcome:
        return Outcome(line=line(order).line, warnings=["a bad image"])

    show = _Shown()
    run(tmp_path, FakePool(answer), [trial(1), Trial(data(2), start=trial(1))], show)
    assert show.said == [
        [6, 6],
        "seed 1: a bad image",
        ("seed 1", trial(1).key),
        f"{Trial(data(2), start=trial(1)).key}: a bad image",
        ("", Trial(data(2), start=trial(1)).key),
    ]
