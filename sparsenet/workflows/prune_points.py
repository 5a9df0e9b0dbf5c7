"""What `prune` measures: a net at a fraction, and which nets are the same training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from sparsenet.config.solver import NOT_TRAJECTORY
from sparsenet.layers.base import Phase
from sparsenet.shrinking.plan import Kept
from sparsenet.solver.evaluate import Score
from sparsenet.storage.accounting import ModelMemory
from sparsenet.workflows.retrain import Retrained


@dataclass(frozen=True)
class Shrunk:
    """The smaller dense net: how many filters it lacks, of how many, and which it had to keep."""

    path: Path
    removed: int
    of: int
    kept: tuple[Kept, ...]
    scores: dict[Phase, Score]
    memory: ModelMemory


@dataclass(frozen=True)
class Point:
    """One net at one fraction.

    `units` are the filters or weights that were ranked, `pruned` those that became zero; `filters`
    those of the pruned layers, `zero_filters` the ones without a weight. `path` is its checkpoint.
    `training` is the name that nets share which nothing but their seed tells apart.
    """

    source: str
    training: str
    fraction: Decimal
    units: int
    pruned: int
    filters: int
    zero_filters: int
    scores: dict[Phase, Score]
    memory: ModelMemory
    path: Path | None = None
    shrunk: Shrunk | None = None
    finetuned: Retrained | None = None


def trainings_of(labels: Sequence[str], solvers: Sequence[dict[str, Any]]) -> list[str]:
    """What each net's training is called: that of several seeds by its first net and their number.

    Nets are of one training where their solvers are alike but for `random_seed` and keys that touch
    no weight, and no two have the same seed, as a run's best and final network have.
    """
    alike: list[tuple[dict[str, Any], list[int]]] = []
    for place, solver in enumerate(solvers):
        kept = {k: v for k, v in solver.items() if k not in (*NOT_TRAJECTORY, "random_seed")}
        places = next((found for known, found in alike if known == kept), None)
        if places is None:
            alike.append((kept, places := []))
        places.append(place)
    names = list(labels)
    for _, places in alike:
        seeds = {solvers[place].get("random_seed", 0) for place in places}
        if 1 < len(places) == len(seeds):
            for place in places:
                names[place] = f"{labels[places[0]]}, {len(places)} seeds"
    return names
