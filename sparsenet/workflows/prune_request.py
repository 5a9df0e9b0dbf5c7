"""What `sparsenet prune` is asked for, checked before anything is computed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from sparsenet.config.constraints import weight_shapes
from sparsenet.config.net import NetConfig
from sparsenet.errors import ConfigError, Problem, listed, nearest
from sparsenet.layers.convolution import Convolution
from sparsenet.plots.style import LINES
from sparsenet.workflows.criteria import Rule
from sparsenet.workflows.decimals import decimals, plain

PAPER_FRACTIONS = "0:0.9:0.1"


@dataclass(frozen=True)
class PruneRequest:
    """The command line: `layers` left out are all convolutions, `output` the checkpoints' folder.

    `finetune` is how many updates each pruned net is trained for, 0 as many as its configuration
    says and None no training. `shrink` removes filters for good, `save` writes the pruned nets.
    """

    rule: Rule
    fraction: str = PAPER_FRACTIONS
    layers: tuple[str, ...] | None = None
    overrides: Sequence[str] = ()
    output: Path | None = None
    device: str | None = None
    finetune: int | None = None
    shrink: bool = False
    save: bool = False

    def fractions(self) -> list[Decimal]:
        """The parts to prune, in the order given. Raises ConfigError for one of 1 or more."""
        found = decimals("--fraction", self.fraction)
        for value in found:
            if value >= 1:
                words = f"{plain(value)} must be below 1: no layer is pruned whole"
                raise ConfigError(Problem("--fraction", "", words))
        return found

    def check(self) -> None:
        """Raise ConfigError for options that exclude each other."""
        if self.shrink and not self.rule.by_filter:
            words = "removes whole filters, so it goes with --criterion filter-norm or random"
            raise ConfigError(f"--shrink {words}")

    def layers_of(self, net: NetConfig, source: str) -> list[str]:
        """The layers to prune, in the net's order. Raises ConfigError for a name it lacks."""
        shapes = weight_shapes(net)
        if self.layers is None:
            found = [n for n, (layer, _) in shapes.items() if isinstance(layer, Convolution)]
            if not found:
                words = f"its net has no Convolution; give --layers, of {listed(shapes)}"
                raise ConfigError(f"{source}: {words}")
            return found
        unknown = [name for name in self.layers if name not in shapes]
        if unknown:
            words, has = "the net has no such layer with weights", f"; it has {listed(shapes)}"
            raise ConfigError(
                [
                    Problem(f"{source}: --layers", name, words + (nearest(name, shapes) or has))
                    for name in unknown
                ]
            )
        return [name for name in shapes if name in self.layers]

    def folder(self, checkpoints: Sequence[Path]) -> Path:
        """Where to write. Raises ConfigError where the checkpoints are of several folders."""
        if self.output is not None:
            return self.output
        folders = {path.resolve().parent: path.parent for path in checkpoints}
        if len(folders) > 1:
            raise ConfigError(
                "the checkpoints are in several folders: say where to write by --output"
            )
        return next(iter(folders.values()))


def labels_of(checkpoints: Sequence[Path]) -> list[str]:
    """What each checkpoint is called: its folder and name, or its path where these are not enough.

    Raises ConfigError where one is given twice.
    """
    counts = Counter(path.resolve() for path in checkpoints)
    twice = [str(path) for path, count in counts.items() if count > 1]
    if twice:
        raise ConfigError(f"{twice[0]} is given more than once")
    short = [f"{path.resolve().parent.name}/{path.name}" for path in checkpoints]
    return short if len(set(short)) == len(short) else list(map(str, checkpoints))


def require_drawable(trainings: Sequence[str]) -> None:
    """Raise ConfigError where there are more trainings than a figure can show."""
    if (count := len(set(trainings))) > len(LINES):
        words = f"are more than the {len(LINES)} that one figure can show"
        raise ConfigError(f"checkpoints of {count} trainings {words}")


def stems_of(labels: Sequence[str]) -> list[str]:
    """The labels as beginnings of file names, all different."""
    stems = [
        re.sub(r"[^\w.=]+", "-", label.removesuffix(".pt"))[-80:].strip("-.") for label in labels
    ]
    counts = Counter(stems)
    return [
        f"{place}-{stem}" if counts[stem] > 1 else stem for place, stem in enumerate(stems, start=1)
    ]
