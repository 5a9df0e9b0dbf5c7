"""When each l0 constraint holds with which t: pure in the step and in the recorded test results."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sparsenet.amounts import resolve_amount
from sparsenet.regularization.stages import Ramp, Stage


@dataclass(frozen=True)
class Ball:
    """An l0 ball {W : ||W||_0 <= t} over the weights of one layer, or of one group's layers.

    `weights` are parameter names in the net's order, `size` their number of elements, `t` the
    bound before any stage (None: not yet constrained), `interval` the updates between projections.
    """

    name: str
    weights: tuple[str, ...]
    size: int
    t: int | None
    interval: int
    velocity: Literal["keep", "clear"]


@dataclass(frozen=True)
class StageEnd:
    """How a stage ended: `reached` its accuracy, `missed` it, or took its `iters`."""

    stage: str
    began: int
    ended: int
    outcome: Literal["iters", "reached", "missed"]
    accuracy: float | None


@dataclass(frozen=True)
class Progress:
    """Where a run stands in its stages; all that a snapshot must hold of them.

    `index` the present stage, `began` the update it began at, `reached` how many tests in a row
    were good enough, `accuracy` that of the stage's last test, `dense` the reference accuracy,
    `history` the stages that ended, `finished` whether training is to end.
    """

    index: int = 0
    began: int = 0
    reached: int = 0
    accuracy: float | None = None
    dense: float | None = None
    history: tuple[StageEnd, ...] = ()
    finished: bool = False

    @property
    def missed(self) -> tuple[StageEnd, ...]:
        """The stages that did not get to their accuracy."""
        return tuple(end for end in self.history if end.outcome == "missed")

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the checkpoint."""
        return dataclasses.asdict(self) | {"history": [dataclasses.asdict(e) for e in self.history]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Progress:
        """The inverse of `to_dict`; raises KeyError or TypeError for other data."""
        history = tuple(StageEnd(**end) for end in data["history"])
        return cls(**{**data, "history": history})


class Schedule:
    """The constraints of a run over time. `step` is the number of updates made so far."""

    def __init__(self, balls: Sequence[Ball], stages: Sequence[Stage]) -> None:
        self.balls, self.stages = tuple(balls), tuple(stages)
        measured = (i for i, stage in enumerate(self.stages) if stage.t or _waits_for_dense(stage))
        self._reference_stage = next(measured, 0)

    def counts(self, progress: Progress, step: int) -> dict[str, int]:
        """t of every ball that is constrained at `step`, by name."""
        found: dict[str, int] = {b.name: b.t for b in self.balls if b.t is not None}
        for index, stage in enumerate(self.stages[: progress.index + 1]):
            now = index == progress.index
            found |= self._stage_counts(stage, step - progress.began if now else None)
        return found

    def final_counts(self) -> dict[str, int]:
        """t of every ball when the last stage has been tightened all the way."""
        return self.counts(Progress(index=max(0, len(self.stages) - 1)), step=2**62)

    def _stage_counts(self, stage: Stage, elapsed: int | None) -> dict[str, int]:
        sizes = {ball.name: ball.size for ball in self.balls}
        counts = {}
        for name, target in stage.t.items():
            if isinstance(target, Ramp):
                counts[name] = target.at(target.over if elapsed is None else elapsed, sizes[name])
            else:
                counts[name] = resolve_amount(target, sizes[name])
        return counts

    def due(self, progress: Progress, step: int) -> list[tuple[Ball, int]]:
        """The balls to project on after update number `step`, each with its t."""
        if not self.balls:
            return []
        override = self.stages[progress.index].interval if self.stages else None
        due = [ball for ball in self.balls if step % (override or ball.interval) == 0]
        if not due:
            return []
        counts = self.counts(progress, step)
        return [(ball, counts[ball.name]) for ball in due if ball.name in counts]

    def needs_dense(self, progress: Progress) -> bool:
        """Whether the reference accuracy must be measured now: before a stage first constrains.

        Or before one first waits for it, so that none waits for an accuracy it will not know.
        """
        wanted = any(_waits_for_dense(stage) for stage in self.stages)
        return wanted and progress.dense is None and progress.index == self._reference_stage

    def with_dense(self, progress: Progress, accuracy: float | None) -> Progress:
        """Take note of the reference accuracy."""
        return dataclasses.replace(progress, dense=accuracy)

    def is_tight(self, progress: Progress, step: int) -> bool:
        """Whether the constraints are the last stage's, ramped all the way."""
        return self.counts(progress, step) == self.final_counts()

    def after_test(self, progress: Progress, step: int, accuracy: float) -> Progress:
        """Take note of a validation accuracy measured at `step`; the stage may end by it."""
        progress = dataclasses.replace(progress, accuracy=accuracy)
        goal = self.goal(progress)
        if goal is None or not self.stages:
            return progress
        settled = self.counts(progress, step) == self.counts(progress, 2**62)
        reached = progress.reached + 1 if settled and accuracy >= goal else 0
        progress = dataclasses.replace(progress, reached=reached)
        until = self.stages[progress.index].until
        if until is not None and reached >= (until.patience or 1):
            return self._next(progress, step, "reached")
        return progress

    def goal(self, progress: Progress) -> float | None:
        """The accuracy that the present stage waits for, if it waits for one."""
        until = self.stages[progress.index].until if self.stages else None
        if progress.finished or until is None or until.accuracy is None:
            return None
        of = progress.dense if until.accuracy.of == "dense" else until.accuracy.of
        return None if of is None else float(of) - until.accuracy.within

    def at(self, progress: Progress, step: int) -> Progress:
        """Progress when update `step` is about to be made: stages end by their time."""
        while self.stages and not progress.finished:
            until = self.stages[progress.index].until
            elapsed = step - progress.began
            if until is not None and until.iters is not None and elapsed >= until.iters:
                progress = self._next(progress, step, "iters")
            elif until is not None and until.max_iters is not None and elapsed >= until.max_iters:
                progress = self._next(progress, step, "missed")
            else:
                break
        return progress

    def closed(self, progress: Progress, step: int) -> Progress:
        """Progress when max_iter ends the run, which misses what is left of the stages.

        That is an accuracy still waited for, a stage that never began, a ramp that did not end.
        """
        if progress.finished or not self.stages:
            return progress
        last = progress.index == len(self.stages) - 1
        until = self.stages[progress.index].until
        waiting = until is not None and until.accuracy is not None
        if last and not waiting and self.is_tight(progress, step):
            return progress
        return self._ended(progress, step, "missed")

    def _next(
        self, progress: Progress, step: int, outcome: Literal["iters", "reached", "missed"]
    ) -> Progress:
        ended = self._ended(progress, step, outcome)
        stop = outcome == "missed" and self.stages[progress.index].on_miss == "stop"
        if stop or progress.index == len(self.stages) - 1:
            return dataclasses.replace(ended, finished=True)
        following = progress.index + 1
        return dataclasses.replace(ended, index=following, began=step, reached=0, accuracy=None)

    def _ended(
        self, progress: Progress, step: int, outcome: Literal["iters", "reached", "missed"]
    ) -> Progress:
        name = self.stage_name(progress)
        end = StageEnd(name, progress.began, step, outcome, progress.accuracy)
        return dataclasses.replace(progress, history=(*progress.history, end))

    def stage_name(self, progress: Progress) -> str:
        """The present stage's name, or its number from 1; empty where there are no stages."""
        if not self.stages:
            return ""
        return self.stages[progress.index].name or str(progress.index + 1)


def _waits_for_dense(stage: Stage) -> bool:
    goal = stage.until.accuracy if stage.until else None
    return goal is not None and goal.of == "dense"
