"""The training loop: what happens when, and nothing of how it is shown or stored."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from sparsenet.config.solver import SolverConfig
from sparsenet.data.batches import Batches
from sparsenet.data.raw import DataError
from sparsenet.errors import SparsenetError
from sparsenet.layers.base import Phase
from sparsenet.net import Net
from sparsenet.regularization.schedule import Ball, Progress, Schedule
from sparsenet.solver.constrained import constrained
from sparsenet.solver.evaluate import Score, evaluate
from sparsenet.solver.exchange import require_same
from sparsenet.solver.lr_policies import learning_rate
from sparsenet.solver.step import Stepper


class NotFiniteError(SparsenetError):
    """The loss became infinite or NaN."""


class Listener(Protocol):
    """What is told of a run as it goes; it must not change anything of it."""

    def displayed(self, line: dict[str, Any]) -> None:
        """Every `display` updates: iter, epoch, loss, lr, stage, density."""

    def tested(self, line: dict[str, Any], score: Score) -> None:
        """After a test of the constrained net."""

    def stage_began(self, loop: Loop) -> None:
        """When the stage has changed."""

    def snapshot(self, loop: Loop) -> None:
        """When the state is to be saved."""

    def best(self, loop: Loop, score: Score) -> None:
        """When a test was the best so far among those with the last stage's constraints."""

    def advanced(self, loop: Loop) -> None:
        """After every update."""


@dataclass
class Clock:
    """Seconds of training, those before a resume included."""

    before: float = 0.0
    began: float | None = None

    def start(self) -> None:
        """Begin to count, or go on."""
        self.before, self.began = self.seconds, time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds counted so far."""
        return self.before + (0.0 if self.began is None else time.monotonic() - self.began)


class Loop:
    """A run: `step` updates made, `progress` in the stages, `best` validation accuracy so far."""

    def __init__(
        self,
        config: SolverConfig,
        net: Net,
        train: Batches,
        tested: tuple[Phase, Batches] | None,
        schedule: Schedule,
    ) -> None:
        self.config, self.net, self.train, self.schedule = config, net, train, schedule
        self.tested = tested
        self.stepper = Stepper(config, net, train, schedule)
        self.step = 0
        self.progress = Progress()
        self.best: float | None = None
        self.clock = Clock()

    def run(
        self,
        listener: Listener,
        stopping: Callable[[], bool],
        saving: Callable[[], bool] = lambda: False,
    ) -> None:
        """Train until max_iter, the end of the stages, or `stopping()`; may be called again.

        After each update for which `saving()` there is a snapshot too. Processes that train
        together stop and save after the same update. Raises NotFiniteError at the
        first loss that is not finite, on a GPU at the first that is shown, and rather than leave or
        have saved weights that are not finite; UnequalError where the processes' weights differ;
        DataError, with the state of the last update, but for what `stepper.spoilt` says.
        """
        config = self.config
        self.stepper.exchange.stopping, self.stepper.exchange.saving = stopping, saving
        require_same(self.net.weights(), self.step)
        self.clock.start()
        while self.step < config.max_iter and not self.progress.finished:
            before = self.progress, self.best
            try:
                if self._advance(listener):
                    break
            except DataError:
                # A test may have been made since the last update: who goes on makes it again.
                self.progress, self.best = before
                raise
        self._require_finite()
        require_same(self.net.weights(), self.step)

    def _advance(self, listener: Listener) -> bool:
        """What is due, and one update; True when training is to end."""
        config = self.config
        if self._test_due():
            self._test(listener)
        if self._enter_stage(listener):
            return True
        loss = self._update()
        shown = config.display and self.step % config.display == 0
        # On a GPU to look at the loss is to wait for it: there it is looked at when shown.
        if (shown or self.stepper.watchful) and not math.isfinite(float(loss)):
            words = f"the loss is not finite at iteration {self.step}"
            raise NotFiniteError(f"{words}: {self._cause()}")
        if shown:
            listener.displayed(self._line(self.step) | {"loss": float(loss)})
        self.step += 1
        listener.advanced(self)
        asked = self.stepper.exchange.save()
        if asked or (config.snapshot and self.step % config.snapshot == 0):
            self._require_finite()
            listener.snapshot(self)
        return self.stepper.exchange.stop()

    @property
    def over(self) -> bool:
        """Whether nothing is left to train."""
        return self.step >= self.config.max_iter or self.progress.finished

    def close(self, listener: Listener) -> None:
        """The last test, unless `run` ended with it, and the verdict on stages left unfinished."""
        tested_last = self.progress.finished and self._test_due()
        if self.config.test_interval and not tested_last:
            self._test(listener)
        self._move(self.schedule.closed(self.progress, self.step), listener)

    def balls_in_force(self) -> list[tuple[Ball, int]]:
        """Every constrained ball with its present t."""
        counts = self.schedule.counts(self.progress, self.step)
        return [(ball, counts[ball.name]) for ball in self.schedule.balls if ball.name in counts]

    def nonzeros(self) -> dict[str, int]:
        """Nonzero weights by layer, as the weights are now."""
        return {
            blob.layer.name: int(torch.count_nonzero(blob.tensor))
            for blob in self.net.blobs
            if blob.is_weight
        }

    def _update(self) -> torch.Tensor:
        """Make one update; raises NotFiniteError for a factor that float32 cannot hold."""
        try:
            return self.stepper.step(self.step, self.progress)
        except (RuntimeError, ValueError) as error:
            # torch refuses such a factor in words only; soft_threshold_ names its delta.
            if "without overflow" not in str(error) and not str(error).startswith("delta is"):
                raise
            words = "the learning rate or a strength is beyond what float32 holds"
            raise NotFiniteError(f"at iteration {self.step} {words}: {error}") from None

    def _test_due(self) -> bool:
        interval = self.config.test_interval
        if not interval or self.step % interval:
            return False
        return self.step > 0 or self.config.test_initialization

    def _test(self, listener: Listener) -> None:
        """Test the net as its constraints want it, and let the stages and the selection know."""
        require_same(self.net.weights(), self.step)
        with constrained(self.net.weights(), self.balls_in_force()):
            require_same(self.net.weights(), self.step)
            score = self._evaluate()
            nonzeros = self.nonzeros()
        if score is None:
            return
        line = self._line(self.step) | {
            "phase": score.phase,
            "accuracy": score.accuracy,
            "loss": score.loss,
            "outputs": score.outputs,
            "nonzeros": nonzeros,
        }
        listener.tested(line, score)
        if score.phase == "VAL" and score.accuracy is not None:
            better = self.best is None or score.accuracy > self.best
            if better and self.schedule.is_tight(self.progress, self.step):
                self.best = score.accuracy
                listener.best(self, score)
            self._move(self.schedule.after_test(self.progress, self.step, score.accuracy), listener)

    def _enter_stage(self, listener: Listener) -> bool:
        """Let stages end by their time; True when training is over."""
        self._move(self.schedule.at(self.progress, self.step), listener)
        if self.schedule.needs_dense(self.progress) and (score := self._evaluate()):
            self.progress = self.schedule.with_dense(self.progress, score.accuracy)
        return self.progress.finished

    def _evaluate(self) -> Score | None:
        if self.tested is None:
            return None
        phase, batches = self.tested
        return evaluate(self.net, batches, phase, self.config.test_iter)

    def _move(self, progress: Progress, listener: Listener) -> None:
        changed = progress.history != self.progress.history
        self.progress = progress
        if changed:
            listener.stage_began(self)

    def _line(self, step: int) -> dict[str, Any]:
        counts = self.schedule.counts(self.progress, step)
        return {
            "iter": step,
            "epoch": self.train.epoch(step * self.config.iter_size),
            "lr": learning_rate(self.config, step),
            "stage": self.schedule.stage_name(self.progress),
            "in_stage": step - self.progress.began,
            "t": counts,
            "seconds": round(self.clock.seconds, 3),
        }

    def _cause(self) -> str:
        """What the loss that is not finite came from."""
        # The batch of this loss has changed all statistics: they say nothing of its cause.
        spoilt = self.net.first_not_finite(statistics=False)
        if spoilt is not None:
            # On a GPU updates have been made since, and what the loss spoilt by them is not known.
            first = "went first" if self.train.device.type == "cpu" else "are not finite either"
            return f"{spoilt} {first}"
        blob = self.stepper.first_blob_not_finite(self.step) or "the sum of the losses"
        return f"all weights are still finite, the first blob that is not is {blob}"

    def _require_finite(self) -> None:
        """Raise NotFiniteError rather than have weights saved that nothing can be trained from."""
        if (spoilt := self.net.first_not_finite()) is not None:
            raise NotFiniteError(f"after {self.step} updates {spoilt} are not finite")
