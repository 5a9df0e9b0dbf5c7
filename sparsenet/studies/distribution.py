"""Which distribution of nonzeros over the layers a network is to have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sparsenet.errors import ConfigError
from sparsenet.results.rows import Point
from sparsenet.results.study import read_path
from sparsenet.studies.study import read_study
from sparsenet.study_folder import StudyFolder
from sparsenet.workflows.pruning_options import PruningOptions

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class DistributionOptions:
    """A search's folder, counts by layer (`conv1=300,ip1=5%`), or a density of every layer."""

    search: Path | None = None
    t: str | None = None
    density: str | None = None

    @property
    def given(self) -> list[str]:
        """The flags that are given."""
        flags = {"--from": self.search, "--t": self.t, "--density": self.density}
        return [flag for flag, value in flags.items() if value is not None]

    def counts(self, shapes: Shapes, sizes: Mapping[str, int], most: int) -> dict[str, int]:
        """t by layer for at most `most` nonzero weights; a layer left out stays dense.

        `sizes` is how many weights each layer learns.

        Of a search it is the network of its path with the most nonzeros that are no more. Raises
        ConfigError where what is given has more, or is none; FileError for a damaged path.csv.
        """
        if len(self.given) != 1:
            words = f"{' and '.join(self.given)} exclude each other" if self.given else "is missing"
            raise ConfigError(f"the distribution: {words}; give one of --from, --t, --density")
        if self.search is not None:
            return _of_search(self.search, shapes, sizes, most)
        chosen = PruningOptions(t=self.t, density=self.density).prunings(shapes, sizes)
        if len(chosen) > 1:
            raise ConfigError(f"--density {self.density}: one density is needed here")
        counts = dict(chosen[0].counts)
        whole = sum(counts.get(name, size) for name, size in sizes.items())
        if whole > most:
            words = f"{whole:,} nonzero weights are more than the {most:,} of its share"
            raise ConfigError(f"{self.given[0]} {self.t or self.density}: {words}")
        return counts


def _of_search(folder: Path, shapes: Shapes, sizes: Mapping[str, int], most: int) -> dict[str, int]:
    points = searched(folder)
    _require_same_net(folder, points, shapes, sizes)
    # A layer that a search over all layers together has emptied cannot be asked for so.
    networks = [
        dict(sizes) | {n: max(1, count) for n, count in point.counts.items()} for point in points
    ]
    fitting = [counts for counts in networks if sum(counts.values()) <= most]
    if not fitting:
        least = min(sum(counts.values()) for counts in networks)
        words = f"its sparsest network has {least:,} nonzero weights, more than {most:,}"
        raise ConfigError(f"--from {folder}: {words}; let the search go on to fewer")
    best = max(fitting, key=lambda counts: sum(counts.values()))
    return {name: count for name, count in best.items() if count < sizes[name]}


def _require_same_net(
    folder: Path, points: list[Point], shapes: Shapes, sizes: Mapping[str, int]
) -> None:
    theirs = (read_study(StudyFolder(folder)) or {}).get("layers")
    for name in sorted({name for point in points for name in point.counts}):
        if name not in shapes:
            raise ConfigError(f"--from {folder}: is of another net, with a layer {name}")
        layer = theirs.get(name) if isinstance(theirs, dict) else None
        shape = layer.get("shape") if isinstance(layer, dict) else None
        other = shape is not None and shape != list(shapes[name])
        if other or any(point.counts.get(name, 0) > sizes[name] for point in points):
            raise ConfigError(f"--from {folder}: is of another net, with another shape of {name}")


def searched(folder: Path) -> list[Point]:
    """The path of a search. Raises ConfigError where the folder has none, and FileError."""
    path = StudyFolder(folder).accepted
    if not path.is_file():
        raise ConfigError(f"{folder}: is not the folder of a search: it has no {path.name}")
    return read_path(path)
