"""Every MNIST run of docs/results.md, several at once, going on where it was stopped.

    SPARSENET_DATA=DIR python scripts/reproduce_mnist.py [--output runs/mnist] [--jobs 2]

Each run is `sparsenet train configs/mnist/X.yaml --set random_seed=S --resume auto` with the
settings below, in one thread; then each sparse net's counts are imposed on the dense net of the
same seed by thresholding. Prints the table: means and standard deviations over the seeds.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

CONFIGS = Path(__file__).parent.parent / "configs" / "mnist"
LAYERS = ("conv1", "conv2", "ip1", "ip2")


def everywhere(key: str, value: object) -> list[str]:
    return [f"regularization.{layer}.{key}={value}" for layer in LAYERS]


RUNS: dict[str, tuple[str, list[str]]] = {
    "dense": ("dense.yaml", []),
    "l0-5": ("l0-5.yaml", []),
    "l0-1": ("l0-1.yaml", []),
    "l0-1-clear": ("l0-1.yaml", everywhere("velocity", "clear")),
    # Momentum 0.9 makes ten times as much of l1's gradient, and no more of shrink's threshold.
    **{
        f"l1-{s}": ("l1.yaml", everywhere("weight_decay", s)) for s in ("0.0001", "0.0003", "0.001")
    },
    **{
        f"shrink-{s}": ("shrink.yaml", everywhere("strength", s))
        for s in ("0.001", "0.003", "0.01")
    },
}


def command(*arguments: object) -> int:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-m", "sparsenet", *map(str, arguments)]
    return subprocess.run(line, env=environment, stdout=subprocess.DEVNULL, check=False).returncode


def train(name: str, seed: int, output: Path) -> None:
    config, settings = RUNS[name]
    chosen = [f"--set={setting}" for setting in (f"random_seed={seed}", *settings)]
    folder = output / f"{name}-seed{seed}"
    code = command(
        *("train", CONFIGS / config, *chosen),
        *("--output", folder, "--resume", "auto", "--quiet"),
    )
    print(f"{folder}: exit code {code}", file=sys.stderr, flush=True)


def threshold(name: str, seed: int, output: Path) -> None:
    dense, like = output / f"dense-seed{seed}", output / f"{name}-seed{seed}"
    target = output / f"threshold-{name}-seed{seed}"
    if not (target / "threshold.csv").exists():
        command(
            *("prune-threshold", CONFIGS / "dense.yaml", dense / "best.pt"),
            *("--like", like / "best.pt", "--output", target, "--quiet"),
        )


def summary(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return loaded


def spread(values: list[float], digits: int = 2) -> str:
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.{digits}f} ± {deviation:.{digits}f}"


def row(name: str, seeds: list[int], output: Path) -> str:
    runs = [summary(output / f"{name}-seed{seed}") for seed in seeds]
    accuracy = spread([100 * run["best"]["TEST"]["accuracy"] for run in runs])
    validation = spread([100 * run["best"]["VAL"]["accuracy"] for run in runs])
    weights = [run["memory"]["total"]["weights"] for run in runs]
    nonzeros = statistics.mean(total["nonzeros"] for total in weights)
    size = statistics.mean(run["memory"]["total"]["bytes"]["best"] for run in runs)
    cells = [name, validation, accuracy, thresholded(name, seeds, output), f"{nonzeros:,.0f}"]
    density = f"{100 * nonzeros / weights[0]['params']:.2f} %"
    return " | ".join(["", *cells, density, f"{size / 1024:.1f} KiB", ""]).strip()


def thresholded(name: str, seeds: list[int], output: Path) -> str:
    """Test accuracy of the dense nets thresholded to the same counts."""
    found = []
    for seed in seeds:
        table = output / f"threshold-{name}-seed{seed}" / "threshold.csv"
        if table.exists():
            with table.open(newline="") as stream:
                (point,) = [row for row in csv.DictReader(stream) if row["label"] != "unpruned"]
            found.append(100 * float(point["test_accuracy"]))
    return spread(found) if found else "—"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("runs/mnist"))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", help="comma list of runs, of: " + ", ".join(RUNS))
    parser.add_argument("--seeds", default="1,2,3")
    options = parser.parse_args()
    seeds = [int(seed) for seed in options.seeds.split(",")]
    names = options.only.split(",") if options.only else list(RUNS)
    with ThreadPoolExecutor(options.jobs) as pool:
        pairs = [(name, seed) for name in names for seed in seeds]
        list(pool.map(lambda pair: train(*pair, options.output), pairs))
        sparse = [pair for pair in pairs if pair[0] != "dense"]
        list(pool.map(lambda pair: threshold(*pair, options.output), sparse))
    heads = ["run", "validation %", "test %", "thresholded to its counts, test %"]
    heads += ["nonzero weights", "density", "best formats"]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for name in names:
        print(row(name, seeds, options.output))


if __name__ == "__main__":
    main()
