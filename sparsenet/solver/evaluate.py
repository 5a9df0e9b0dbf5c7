"""The accuracy and loss of a net on the batches of a phase."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest

import torch
from torch import Tensor

from sparsenet import ranks
from sparsenet.data.batches import Batches
from sparsenet.data.raw import NO_IMAGE, DataError
from sparsenet.layers.base import Phase
from sparsenet.net import Net
from sparsenet.solver.tf32 import tf32


@dataclass(frozen=True)
class Score:
    """Means over samples: `outputs` by blob name, among them the accuracy (None: no such layer)."""

    phase: Phase
    samples: int
    accuracy: float | None
    loss: float | None
    outputs: dict[str, float]


@torch.inference_mode()
def evaluate(net: Net, batches: Batches, phase: Phase, test_iter: int | None = None) -> Score:
    """Scores of the whole set, or of `test_iter` batches of it.

    Processes that train together share the batches, each of which one of them computes alone: so
    the score is in all of them the one that a single process would come to, bit for bit. Raises
    DataError where no image can be read.
    """
    names = net.scalar_outputs(phase)
    sizes: list[int] = []
    scalars: list[Tensor] = []
    with ranks.apart(), tf32(False, batches.device):
        for images, labels in batches.sweep(test_iter):
            outputs = net(images, labels, phase)
            sizes.append(len(labels))
            scalars.extend(outputs.blobs[name].double() for name in names)
    values = iter(_fetched(scalars))
    own = [[samples, *(next(values) * samples for _ in names)] for samples in sizes]
    if not (scored := _in_order(own)):
        raise DataError(f"{phase}: {NO_IMAGE}")
    samples, *sums = (sum(column) for column in zip(*scored, strict=True))
    means = {name: total / samples for name, total in zip(names, sums, strict=True)}
    accuracy, weights = net.accuracy_blob(phase), net.loss_weights(phase)
    return Score(
        phase=phase,
        samples=int(samples),
        accuracy=means[accuracy] if accuracy else None,
        loss=sum(w * means[name] for name, w in weights.items()) if weights else None,
        outputs=means,
    )


def _fetched(scalars: list[Tensor]) -> list[float]:
    """The values, all at once: to look at each batch's on a GPU would be to wait for each batch."""
    values: list[float] = torch.stack(scalars).tolist() if scalars else []
    return values


def _in_order(own: list[list[float]]) -> list[list[float]]:
    """What all processes have of their batches, in the order of these: rank r has each r-th."""
    rounds = zip_longest(*ranks.gathered(own))
    return [values for each in rounds for values in each if values is not None]
