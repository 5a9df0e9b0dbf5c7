"""The means of `prune` over networks that only their seed tells apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sparsenet.results.words import MISSING, known, spread
from sparsenet.tables import aligned
from sparsenet.workflows.decimals import plain
from sparsenet.workflows.prune_points import Point

_TITLE = "Mean over the seeds, ± the standard deviation:"
_COLUMNS: dict[str, Callable[[Point], float | None]] = {
    "TEST": lambda point: point.scores["TEST"].accuracy,
    "left TEST": lambda point: point.shrunk.scores["TEST"].accuracy if point.shrunk else None,
    "tuned TEST": lambda point: point.finetuned.accuracy.get("TEST") if point.finetuned else None,
}


def mean_lines(points: Sequence[Point]) -> list[str]:
    """A table of the trainings of several seeds, and a blank line; nothing without any."""
    groups: dict[tuple[str, str], list[Point]] = {}
    for point in points:
        groups.setdefault((point.training, plain(point.fraction)), []).append(point)
    groups = {key: found for key, found in groups.items() if len(found) > 1}
    if not groups:
        return []
    columns = {
        title: [spread(known(map(value, found))) for found in groups.values()]
        for title, value in _COLUMNS.items()
    }
    columns = {title: cells for title, cells in columns.items() if set(cells) != {MISSING}}
    rows = zip(*columns.values(), strict=True)
    table = [("training", "fraction", *columns)]
    table += [(*key, *cells) for key, cells in zip(groups, rows, strict=True)]
    return [_TITLE, *aligned(table), ""]
