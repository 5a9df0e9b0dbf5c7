"""For each pruning the network that is trained under its counts: Figure 5's other curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sparsenet.config.load import Configuration
from sparsenet.progress import Display
from sparsenet.workflows.pruning import Pruning
from sparsenet.workflows.retrain import check_same_run, constrained_configuration, retrain
from sparsenet.workflows.signals import StoppedError
from sparsenet.workflows.threshold_files import ThresholdFiles
from sparsenet.workflows.threshold_report import Measured


def retrain_all(
    configuration: Configuration,
    points: list[Measured],
    prunings: Sequence[Pruning],
    files: ThresholdFiles,
    device: str | None,
    display: Display,
) -> None:
    """Fill in `retrained` or a note why not, in place, for `prunings`, the last of the `points`.

    All trainings are checked before the first begins, and the files are written after each. Raises
    what `check_same_run` and `retrain` raise.
    """
    first = len(points) - len(prunings)
    points[first:] = [replace(point, note=_why_not(point)) for point in points[first:]]
    files.write(points)
    trainings = []
    for index, pruning in enumerate(prunings, start=first):
        if not points[index].note:
            folder = files.folder.retrained(pruning.slug)
            constrained = constrained_configuration(configuration, points[index].counts)
            check_same_run(folder, constrained)
            trainings.append((index, folder, constrained))
    for number, (index, folder, constrained) in enumerate(trainings, start=1):
        label = points[index].label
        display.note(f"Training {number} of {len(trainings)}: {label}, in {folder.path}")
        try:
            trained = retrain(constrained, folder, device, display)
        except StoppedError as error:
            words = f"stopped while training {label}; the same command goes on from what is saved"
            raise StoppedError(error.exit_code - 128, words) from None
        points[index] = replace(points[index], retrained=trained)
        files.write(points)


def _why_not(point: Measured) -> str:
    empty = [name for name, count in point.counts.items() if count == 0]
    if not empty:
        return ""
    return f"not retrained: no weight of {', '.join(empty)} is left, and an l0 keeps at least one"
