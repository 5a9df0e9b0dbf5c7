"""The runs of a study in docs/results.md, several at once, going on where they were stopped.

    SPARSENET_DATA=DIR python scripts/reproduce.py mnist [--output runs/mnist] [--jobs 2]

Each run is `sparsenet train configs/.../X.yaml --set random_seed=S` with the settings below, in one
thread; then each sparse net's counts are imposed on the dense net of the same seed by thresholding.
Prints the table: means and standard deviations over the seeds. `--set KEY=VALUE` goes to all runs.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONFIGS = Path(__file__).parent.parent / "configs"
LENET = ("conv1", "conv2", "ip1", "ip2")


@dataclass(frozen=True)
class Study:
    """Runs by name: a solver file in `folder` and settings; `dense` is the one to be thresholded.

    `network` is which of a run's two is reported: best, on validation data, or final. With
    `from_dense` the other runs start from the dense network of their seed.
    """

    folder: str
    runs: dict[str, tuple[str, list[str]]]
    network: str = "best"
    from_dense: bool = False
    settings: tuple[str, ...] = ()


def everywhere(key: str, value: object) -> list[str]:
    return [f"regularization.{layer}.{key}={value}" for layer in LENET]


STUDIES = {
    "mnist": Study(
        "mnist",
        {
            "dense": ("dense.yaml", []),
            "l0-5": ("l0-5.yaml", []),
            "l0-1": ("l0-1.yaml", []),
            "l0-1-clear": ("l0-1.yaml", everywhere("velocity", "clear")),
            # Momentum 0.9 makes ten times as much of l1's gradient, and no more of shrink's
            # threshold.
            **{
                f"l1-{s}": ("l1.yaml", everywhere("weight_decay", s))
                for s in ("0.0001", "0.0003", "0.001")
            },
            **{
                f"shrink-{s}": ("shrink.yaml", everywhere("strength", s))
                for s in ("0.001", "0.003", "0.01")
            },
        },
    ),
    "lenet-300-100": Study(
        "mnist", {"dense": ("lenet-300-100.yaml", []), "l0-2": ("lenet-300-100-l0-2.yaml", [])}
    ),
    # As Caffe's own runs: on all 50,000 training images, nothing held out, nothing selected.
    "cifar10": Study(
        "cifar10",
        {
            "dense": ("quick.yaml", []),
            # What the further updates alone do, with which the sparse nets are trained.
            "dense-longer": ("quick.yaml", []),
            **{f"l0-{p}": (f"quick-l0-{p}.yaml", []) for p in (50, 20, 10, 5)},
        },
        network="final",
        from_dense=True,
        settings=("net.layers.cifar.split=null",),
    ),
}


@dataclass(frozen=True)
class Runs:
    """A study in a folder."""

    study: Study
    output: Path
    settings: tuple[str, ...]

    def folder(self, name: str, seed: int) -> Path:
        return self.output / f"{name}-seed{seed}"

    def network(self, name: str, seed: int) -> Path:
        return self.folder(name, seed) / f"{self.study.network}.pt"

    def train(self, name: str, seed: int) -> None:
        config, own = self.study.runs[name]
        folder = self.folder(name, seed)
        started = any(folder.glob("iter_*.pt"))
        start: Sequence[object] = ("--resume", "auto")
        if self.study.from_dense and name != "dense" and not started:
            start = ("--overwrite", "--weights", self.network("dense", seed))
        code = command(
            *("train", CONFIGS / self.study.folder / config),
            *(f"--set={setting}" for setting in (f"random_seed={seed}", *self.settings, *own)),
            *("--output", folder, "--quiet", *start),
        )
        print(f"{folder}: exit code {code}", file=sys.stderr, flush=True)

    def threshold(self, name: str, seed: int) -> None:
        target = self.output / f"threshold-{name}-seed{seed}"
        if not (target / "threshold.csv").exists():
            command(
                *("prune-threshold", CONFIGS / self.study.folder / self.study.runs["dense"][0]),
                *(self.network("dense", seed), "--like", self.network(name, seed)),
                *(f"--set={setting}" for setting in self.settings),
                *("--output", target, "--quiet"),
            )

    def thresholded(self, name: str, seeds: list[int]) -> str:
        """Test accuracy of the dense nets thresholded to the same counts."""
        found = []
        for seed in seeds:
            table = self.output / f"threshold-{name}-seed{seed}" / "threshold.csv"
            if table.exists():
                with table.open(newline="") as stream:
                    (point,) = [row for row in csv.DictReader(stream) if row["label"] != "unpruned"]
                found.append(100 * float(point["test_accuracy"]))
        return spread(found) if found else "—"

    def row(self, name: str, seeds: list[int]) -> str:
        runs = [summary(self.folder(name, seed)) for seed in seeds]
        accuracy = [self._accuracy(runs, phase) for phase in ("VAL", "TEST")]
        weights = [run["memory"]["total"]["weights"] for run in runs]
        nonzeros = statistics.mean(total["nonzeros"] for total in weights)
        size = statistics.mean(run["memory"]["total"]["bytes"]["best"] for run in runs)
        cells = [name, *accuracy, self.thresholded(name, seeds), f"{nonzeros:,.0f}"]
        density = f"{100 * nonzeros / weights[0]['params']:.2f} %"
        return " | ".join(["", *cells, density, f"{size / 1024:.1f} KiB", ""]).strip()

    def _accuracy(self, runs: list[dict[str, Any]], phase: str) -> str:
        found = [run[self.study.network].get(phase) for run in runs]
        return spread([100 * score["accuracy"] for score in found]) if all(found) else "—"


def command(*arguments: object) -> int:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-m", "sparsenet", *map(str, arguments)]
    return subprocess.run(line, env=environment, stdout=subprocess.DEVNULL, check=False).returncode


def summary(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return loaded


def spread(values: list[float], digits: int = 2) -> str:
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.{digits}f} ± {deviation:.{digits}f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("--output", type=Path, help="default runs/STUDY")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", help="comma list of runs")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    study = STUDIES[options.study]
    output = options.output or Path("runs") / options.study
    runs = Runs(study, output, (*study.settings, *options.set))
    seeds = [int(seed) for seed in options.seeds.split(",")]
    names = options.only.split(",") if options.only else list(study.runs)
    pairs = [(name, seed) for name in names for seed in seeds]
    dense = [pair for pair in pairs if pair[0] == "dense"]
    others = [pair for pair in pairs if pair[0] != "dense"]
    with ThreadPoolExecutor(options.jobs) as pool:
        for several in (dense, others) if study.from_dense else (pairs,):
            list(pool.map(lambda pair: runs.train(*pair), several))
        sparse = [pair for pair in others if not pair[0].startswith("dense")]
        list(pool.map(lambda pair: runs.threshold(*pair), sparse))
    heads = ["run", "validation %", "test %", "thresholded to its counts, test %"]
    heads += ["nonzero weights", "density", "best formats"]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for name in names:
        print(runs.row(name, seeds))


if __name__ == "__main__":
    main()
