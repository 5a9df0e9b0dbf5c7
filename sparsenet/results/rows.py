"""What runs and studies have come to, a frozen record a row; what was not measured is None.

Accuracies and densities are fractions. `bytes` are those of the best storage formats, biases
included; `nonzeros` count weights without biases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

DENSE = "dense"
"""The method of a sweep that keeps all weights: the others are held against it."""


@dataclass(frozen=True)
class StudyLayer:
    """A layer with weights: its weight's shape and the counts of weights and biases."""

    name: str
    shape: tuple[int, ...]
    weights: int
    biases: int


@dataclass(frozen=True)
class Study:
    """study.json; `settings` are the flags of the command as texts, `figure` is what it is for.

    `sets` are the layers that each name of a sweep's `layers` stands for.
    """

    command: str = ""
    solver: str = ""
    net: str = ""
    layers: tuple[StudyLayer, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    strategy: str = ""
    figure: str = ""
    sets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    configuration: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Candidate:
    """A row of front.csv; `t` and `counts` (nonzeros) are by layer, empty if it diverged."""

    strategy: str
    round: int
    layer: str
    accepted: bool
    nonzeros: int | None
    density: float | None
    bytes: int | None
    val_accuracy: float | None
    test_accuracy: float | None
    val_loss: float | None
    test_loss: float | None
    iterations: int | None
    spent: int | None
    key: str
    t: Mapping[str, int]
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Point:
    """A row of path.csv: a network that a search went on from, with its nonzeros by layer."""

    round: int
    nonzeros: int
    bytes: int
    val_accuracy: float
    test_accuracy: float | None
    key: str
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Member:
    """A row of ensemble.csv; `member` is None for the whole. `nonzeros` count biases too."""

    members: int
    trial: int
    member: int | None
    seed: int | None
    nonzeros: int
    bytes: int
    val_accuracy: float | None
    test_accuracy: float | None
    val_loss: float | None
    test_loss: float | None
    key: str


@dataclass(frozen=True)
class Trial:
    """A row of sweep.csv; `grid` are the columns of what was varied, as texts.

    `samples` are those trained on; `failed` is the reason or empty; `counts` are the nonzeros of
    each layer.
    """

    method: str
    grid: Mapping[str, str]
    seed: int
    samples: int | None
    nonzeros: int | None
    density: float | None
    bytes: int | None
    train_accuracy: float | None
    val_accuracy: float | None
    test_accuracy: float | None
    val_loss: float | None
    test_loss: float | None
    iterations: int | None
    failed: str
    key: str
    counts: Mapping[str, int] = field(default_factory=dict)


Measured = Candidate | Member | Trial
"""What has accuracies and losses, and a run folder named by its key."""


@dataclass(frozen=True)
class Thresholded:
    """A row of threshold.csv: a pruned network, and one trained under l0 with its counts."""

    weights: int
    nonzeros: int
    test_accuracy: float | None
    retrained_nonzeros: int | None
    retrained_test_accuracy: float | None


@dataclass(frozen=True)
class PrunedRow:
    """A row of prune.csv: a net at one fraction, and what it came to when shrunk or fine-tuned.

    `training` is the name of all nets that only their seed tells apart.
    """

    training: str
    criterion: str
    scope: str
    fraction: float
    test_accuracy: float | None
    shrunk_test_accuracy: float | None
    finetuned_test_accuracy: float | None


@dataclass(frozen=True)
class LogTest:
    """A test in the log: after how many updates, on which phase, with how many nonzero weights."""

    iteration: int
    stage: str
    phase: str
    accuracy: float | None
    loss: float | None
    nonzeros: int
    seconds: float | None


@dataclass(frozen=True)
class Log:
    """metrics.jsonl: (updates, training loss), the tests, and (updates, stage) where one ended."""

    losses: Sequence[tuple[int, float]] = ()
    tests: Sequence[LogTest] = ()
    stage_ends: Sequence[tuple[int, str]] = ()


@dataclass(frozen=True)
class Model:
    """A checkpoint in the summary, `best` or `final`, and by phase what its net puts out."""

    name: str
    iteration: int
    outputs: Mapping[str, Mapping[str, float | None]]


@dataclass(frozen=True)
class Stage:
    """A stage of a run: after how many updates it began and ended, and how."""

    name: str
    began: int | None
    ended: int | None
    outcome: str
    accuracy: float | None


@dataclass(frozen=True)
class LayerBytes:
    """A layer's weight, its bytes by storage format (`best` and `floor` too) and the best one."""

    name: str
    shape: tuple[int, ...]
    params: int
    nonzeros: int
    bytes: Mapping[str, int]
    format: str
    biases: int


@dataclass(frozen=True)
class Summary:
    """summary.json. `nonzeros` of `weights` are without biases, the bytes of `total` with them."""

    net: str
    seed: int | None
    models: Sequence[Model]
    stages: Sequence[Stage]
    missed: Sequence[str]
    layers: Sequence[LayerBytes]
    nonzeros: int
    weights: int
    total: Mapping[str, int]
