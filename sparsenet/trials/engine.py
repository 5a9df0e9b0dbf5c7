"""Many trials: each run once, several at a time, going on where they were stopped."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from sparsenet.errors import ConfigError, SparsenetError
from sparsenet.study_folder import StudyFolder
from sparsenet.trials.board import Status
from sparsenet.trials.journal import Journal
from sparsenet.trials.result import Result, as_result
from sparsenet.trials.show import Show
from sparsenet.trials.trial import Trial
from sparsenet.trials.work import Order, Outcome
from sparsenet.workflows.signals import StoppedError, StopRequest

_POLL = 0.2  # seconds between looks at running trials
_LAST = 60.0  # seconds that trials have to save what they have when they are to stop


class TrialError(SparsenetError):
    """A trial could not be carried out."""


class Pool(Protocol):
    """Carries out orders."""

    @property
    def slots(self) -> int | None:
        """How many at a time; None: as many as there are."""

    def submit(self, order: Order) -> Future[Outcome]:
        """Carry out an order as soon as there is room."""

    def status(self, key: str) -> Status | None:
        """Where a trial stands, None where that is not known."""

    def stop(self) -> None:
        """Ask all running trials to save what they have and stop."""

    def close(self) -> None:
        """Let go of what the pool has; what still runs is lost."""


class Engine:
    """The trials of one study: results from its journal, or from a pool that makes them.

    With the same trials the results are the same whatever runs at the same time, since each trial
    is computed by itself. `stopping` is asked between looks at the trials.
    """

    def __init__(
        self,
        folder: StudyFolder,
        journal: Journal,
        pool: Pool,
        show: Show,
        stopping: StopRequest,
        device: str | None = None,
    ) -> None:
        self.folder, self.journal, self.pool, self.show = folder, journal, pool, show
        self.stopping, self.device = stopping, device

    def run(self, trials: Sequence[Trial]) -> list[Result]:
        """The results of the trials, in their order; those that are there already are not run.

        A trial that others start from is run before them. Raises TrialError, or ConfigError, where
        one cannot be carried out, and StoppedError after a signal: when the others that are running
        have saved what they have.
        """
        todo = self._missing(trials)
        self.show.queued([trial.updates for trial in todo.values()])
        running: dict[Future[Outcome], Trial] = {}
        try:
            while todo or running:
                self._fill(todo, running)
                self._look(running)
                if self.stopping():
                    words = "stopped; the same command goes on from what is saved"
                    raise StoppedError(self.stopping.signal or 0, words)
        except SparsenetError:
            self._settle(running)
            raise
        return [self.journal.results[trial.key] for trial in trials]

    def _look(self, running: dict[Future[Outcome], Trial]) -> None:
        """Take in what has ended, waiting a little for it, and show what goes on."""
        done, _ = wait(running, _POLL, FIRST_COMPLETED)
        for future in done:
            self._take(running.pop(future), future)
        states = [(trial, self.pool.status(trial.key)) for trial in running.values()]
        self.show.running([(trial.label, state) for trial, state in states if state])

    def weights_of(self, trial: Trial) -> Path:
        """The checkpoint of a trial's net."""
        return self.folder.run(trial.key).final

    def _missing(self, trials: Sequence[Trial]) -> dict[str, Trial]:
        """What has to be run, by key: without a result, or without the weights others need."""
        todo: dict[str, Trial] = {}
        for trial in trials:
            if trial.key not in self.journal.results:
                self._add(trial, todo)
        return todo

    def _add(self, trial: Trial, todo: dict[str, Trial]) -> None:
        for other in trial.needs:
            if other.key not in todo and not self._is_ready(other):
                self._add(other, todo)
        todo.setdefault(trial.key, trial)

    def _is_ready(self, needed: Trial) -> bool:
        """Whether a trial has ended so that others may begin, or need not begin any more."""
        result = self.journal.results.get(needed.key)
        return result is not None and (
            result.failed is not None or self.weights_of(needed).exists()
        )

    def _fill(self, todo: dict[str, Trial], running: dict[Future[Outcome], Trial]) -> None:
        """Submit what can begin, in order, as far as there is room."""
        for key, trial in list(todo.items()):
            if self.pool.slots is not None and len(running) >= self.pool.slots:
                return
            before = {*todo, *(other.key for other in running.values())}
            if any(other.key in before for other in trial.needs):
                continue
            if failed := self._failed(trial):
                self._keep(todo.pop(key), Result(key, trial.label, trial.seed, failed=failed))
                continue
            running[self._submitted(todo.pop(key))] = trial

    def _submitted(self, trial: Trial) -> Future[Outcome]:
        try:
            return self.pool.submit(self._order(trial))
        except Exception as error:  # as when an idle process was killed
            raise _ended(trial, error) from error

    def _failed(self, trial: Trial) -> str | None:
        """Why a trial cannot be made: one that it needs has failed."""
        for other in trial.needs:
            if failed := self.journal.results[other.key].failed:
                return f"{other.label or other.key}: {failed}"
        return None

    def _order(self, trial: Trial) -> Order:
        start = trial.start
        return Order(
            key=trial.key,
            label=trial.label,
            data=trial.data,
            folder=self.folder.run(trial.key).path,
            start=self.weights_of(start) if isinstance(start, Trial) else start,
            members=tuple(map(self.weights_of, trial.members)),
            trains=trial.trains,
            pruning=trial.pruning,
            measured=trial.measured,
            device=self.device,
        )

    def _take(self, trial: Trial, future: Future[Outcome]) -> None:
        """Keep what a trial came to. Raises TrialError and ConfigError where it came to nothing."""
        try:
            outcome = future.result()
        except Exception as error:
            raise _ended(trial, error) from error
        for warning in outcome.warnings:
            self.show.warn(f"{trial.label or trial.key}: {warning}")
        if outcome.line is not None:
            self._keep(trial, as_result(outcome.line))
        elif outcome.error is not None:
            kind = ConfigError if outcome.exit_code == ConfigError.exit_code else TrialError
            raise kind(f"{trial.label or trial.key}: {outcome.error}")

    def _keep(self, trial: Trial, result: Result) -> None:
        self.journal.add(result)
        self.folder.run(trial.key).keep_newest(0)
        self.show.finished(trial.label, result)

    def _settle(self, running: dict[Future[Outcome], Trial]) -> None:
        """Let the running trials save what they have, and take in those that end by themselves."""
        if not running:
            return
        self.show.note("Stopping: the running trials save what they have")
        self.pool.stop()
        done, _ = wait(running, _LAST)
        for future in done:
            with suppress(SparsenetError):
                self._take(running[future], future)


def _ended(trial: Trial, error: Exception) -> TrialError:
    """What the pool itself has to say: a process that was killed, a machine that is gone."""
    first = str(error).strip().partition("\n")[0]
    words = f"{trial.label or trial.key}: its process ended: {first}"
    advice = "with too little memory, fewer --jobs help; the same command goes on"
    return TrialError(f"{words}; {advice}")
