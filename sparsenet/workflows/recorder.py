"""What a run leaves behind as it goes: log lines, snapshots, the best model."""

from __future__ import annotations

from typing import Any

from sparsenet.checkpoint import Checkpoint, Constraint, SolverState, save_checkpoint
from sparsenet.metrics import MetricsLog
from sparsenet.progress import Display
from sparsenet.run_folder import RunFolder
from sparsenet.solver.constrained import constrained
from sparsenet.solver.evaluate import Score
from sparsenet.solver.loop import Loop, NotFiniteError
from sparsenet.workflows.build import Parts
from sparsenet.workflows.tensorboard import EventFiles


def checkpoint_of(
    parts: Parts,
    loop: Loop,
    accuracy: dict[str, float] | None = None,
    *,
    lines: int | None = None,
) -> Checkpoint:
    """The net as its constraints want it; with the log's `lines`, a snapshot.

    Raises NotFiniteError: the updates may have spoilt the weights before a loss has shown it.
    """
    if (spoilt := parts.net.first_not_finite()) is not None:
        raise NotFiniteError(f"after {loop.step} updates {spoilt} are not finite")
    weights = parts.net.weights()
    in_force = loop.balls_in_force()
    with constrained(weights, in_force) as pending:
        saved = {name: tensor.clone() for name, tensor in weights.items()}
    state = SolverState(
        history=loop.stepper.history,
        pending=pending,
        progress=loop.progress.to_dict(),
        best=loop.best,
        lines=lines or 0,
        seconds=loop.clock.seconds,
    )
    return Checkpoint(
        config=parts.configuration.data,
        iter=loop.step,
        weights=saved,
        constraints=tuple(Constraint(ball.name, ball.weights, t) for ball, t in in_force),
        accuracy=accuracy or {},
        mean_image=parts.mean_image,
        classes=parts.batches["TRAIN"].classes,
        solver=None if lines is None else state,
    )


class Follower:
    """Listens in a process that trains beside the one that records."""

    def displayed(self, line: dict[str, Any]) -> None:
        """Nothing."""

    def tested(self, line: dict[str, Any], score: Score) -> None:
        """Nothing."""

    def stage_began(self, loop: Loop) -> None:
        """Nothing."""

    def snapshot(self, loop: Loop) -> None:
        """Nothing."""

    def interrupted(self, loop: Loop) -> None:
        """Nothing."""

    def best(self, loop: Loop, score: Score) -> None:
        """Nothing."""

    def advanced(self, loop: Loop) -> None:
        """Nothing."""


class Recorder(Follower):
    """Listens to the loop, writes the run folder and shows the run."""

    def __init__(
        self,
        parts: Parts,
        folder: RunFolder,
        log: MetricsLog,
        display: Display,
        events: EventFiles | None = None,
    ) -> None:
        self.parts, self.folder, self.log, self.display = parts, folder, log, display
        self.events = events
        weights = [blob for blob in parts.net.blobs if blob.is_weight]
        self._sizes = {blob.layer.name: blob.tensor.numel() for blob in weights}
        self._saved: tuple[object, ...] = ()
        self._lines = log.lines

    def displayed(self, line: dict[str, Any]) -> None:
        """Log and show loss and learning rate."""
        self.log.append(line)
        self.display.displayed(line, self._promised(line["t"]))
        if self.events:
            self.events.displayed(line)

    def tested(self, line: dict[str, Any], score: Score) -> None:
        """Log and show a test."""
        self.log.append(line)
        density = sum(line["nonzeros"].values()) / sum(self._sizes.values())
        self.display.tested(line, density)
        if self.events:
            self.events.tested(line)

    def stage_began(self, loop: Loop) -> None:
        """Log and show how the last stage ended and which one begins."""
        ended = loop.progress.history[-1]
        self.log.append({"iter": loop.step, "stage_end": vars(ended)})
        accuracy = "" if ended.accuracy is None else f", VAL accuracy = {ended.accuracy:.6g}"
        following = "" if loop.over else f"; {self._stage_text(loop)}"
        took = ended.ended - ended.began
        words = {"iters": "is over", "reached": "reached its accuracy", "missed": "missed its goal"}
        self.display.note(
            f"Iteration {loop.step}, stage {ended.stage} {words[ended.outcome]} after {took} "
            f"updates{accuracy}{following}"
        )

    def snapshot(self, loop: Loop) -> None:
        """Save all that the run needs to go on from here, if that has not just been done.

        Raises FileError, and NotFiniteError rather than save weights that are not finite.
        """
        self._save(loop, self.log.lines)

    def interrupted(self, loop: Loop) -> None:
        """Save the state of the last update; what was logged after it will be made again."""
        self._save(loop, self._lines)

    def _save(self, loop: Loop, lines: int) -> None:
        now = (loop.step, loop.progress, lines)
        if now == self._saved:
            return
        path = self.folder.snapshot(loop.step)
        self.log.sync()
        save_checkpoint(path, checkpoint_of(self.parts, loop, lines=lines))
        self.folder.keep_newest(self.parts.config.snapshot_keep)
        self._saved = now
        self.display.note(f"Snapshot {path}")

    def best(self, loop: Loop, score: Score) -> None:
        """Save the net that did best on the validation data."""
        assert score.accuracy is not None
        model = checkpoint_of(self.parts, loop, {score.phase: score.accuracy})
        save_checkpoint(self.folder.best, model)

    def advanced(self, loop: Loop) -> None:
        """Move the bar."""
        self._lines = self.log.lines
        self.display.advanced(loop.step)

    def _promised(self, counts: dict[str, int]) -> float:
        """The density of weights that the constraints in force allow."""
        removed = sum(
            ball.size - counts[ball.name]
            for ball in self.parts.schedule.balls
            if ball.name in counts
        )
        total = sum(self._sizes.values())
        return (total - removed) / total

    def _stage_text(self, loop: Loop) -> str:
        schedule = self.parts.schedule
        counts = schedule.counts(loop.progress, loop.step)
        bounds = ", ".join(f"{name} {t}" for name, t in counts.items())
        return f"stage {schedule.stage_name(loop.progress)} begins with t = {bounds or 'all'}"
