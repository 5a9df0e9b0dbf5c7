"""The accuracy and loss of a net on the batches of a phase."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from sparsenet.data.batches import Batches
from sparsenet.layers.base import Phase
from sparsenet.net import Net


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
    """Scores of the whole set, or of `test_iter` batches of it."""
    names = net.scalar_outputs(phase)
    sums = dict.fromkeys(names, 0.0)
    samples = 0
    for images, labels in batches.sweep(test_iter):
        outputs = net(images, labels, phase)
        for name in names:
            sums[name] += float(outputs.blobs[name]) * len(labels)
        samples += len(labels)
    means = {name: total / samples for name, total in sums.items()}
    accuracy, loss = net.accuracy_blob(phase), net.loss_blobs(phase)
    return Score(
        phase=phase,
        samples=samples,
        accuracy=means[accuracy] if accuracy else None,
        loss=sum(means[name] for name in loss) if loss else None,
        outputs=means,
    )
