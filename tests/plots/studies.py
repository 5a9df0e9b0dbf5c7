"""Study and run folders as the commands leave them, made up without any training."""

from __future__ import annotations

import csv
import hashlib
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from sparsenet.checkpoint import Checkpoint, save_checkpoint
from sparsenet.results.rows import Candidate, Trial

QUICK = {"conv1": 2400, "conv2": 25600, "conv3": 51200, "ip1": 65536, "ip2": 640}
"""The weights of cifar10_quick by layer."""
DEEP = {f"layer{block}/{unit}/conv{n}": 9 * 4 ** (3 + block) for block in (1, 2, 3)
        for unit in (0, 1) for n in (1, 2)}  # fmt: skip
"""Twelve layers with long names."""
DENSE = 0.7585


def key_of(*parts: object) -> str:
    """The key of a trial."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def decimal(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


def candidate(
    size: int | None, val: float | None, test: float | None, counts: Mapping[str, int] | None = None
) -> Candidate:
    """The dense start of a search, as it is read."""
    return Candidate("greedy", 0, "", True, 9, 1.0, size, val, test, None, None, 9, 9, "0" * 16,
                     {}, counts or {})  # fmt: skip


def trial(
    method: str, grid: Mapping[str, str], test: float | None, seed: int = 0, **other: Any
) -> Trial:
    """A trial of a sweep, as it is read."""
    unknown = dict.fromkeys(("samples", "nonzeros", "density", "bytes", "train_accuracy",
                             "val_accuracy", "val_loss", "test_loss", "iterations"))  # fmt: skip
    keys = unknown | {"failed": "", "key": "0" * 16} | other
    return Trial(method=method, grid=grid, seed=seed, test_accuracy=test, **keys)


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_study(
    folder: Path, command: str, weights: Mapping[str, int] = QUICK, **settings: object
) -> None:
    layers = {name: {"shape": [count], "weights": count, "biases": 1}
              for name, count in weights.items()}  # fmt: skip
    study = {"command": command, "solver": "solver.yaml", "net": "made up", "layers": layers,
             "settings": settings, "configuration": {}}  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.json").write_text(json.dumps(study))


def accuracy_at(density: float, dense: float = DENSE) -> float:
    """Falls slowly first, then fast."""
    return 0.1 + (dense - 0.1) * (1 - 0.5 * (1 - density) ** 9)


def front_row(
    weights: Mapping[str, int],
    counts: Mapping[str, int],
    *,
    strategy: str = "greedy",
    layer: str = "",
    accepted: bool = True,
    test: float | None = None,
    val: float | None = None,
    number: int = 0,
) -> dict[str, object]:
    """A row of front.csv; bytes as of indexed layers."""
    total, kept = sum(weights.values()), sum(counts.values())
    size = sum(min(4 * all_, all_ // 8 + 4 * counts[name]) for name, all_ in weights.items())
    return {
        "strategy": strategy, "round": number, "layer": layer, "accepted": int(accepted),
        "nonzeros": kept, "density": decimal(kept / total), "bytes": size + 712,
        "val_accuracy": decimal(val), "test_accuracy": decimal(test),
        "val_loss": "", "test_loss": "", "iterations": 4000, "spent": 4000 * (number + 1),
        "key": key_of(strategy, number, layer),
        **{f"t.{name}": count for name, count in counts.items()},
        **{f"nonzeros.{name}": count for name, count in counts.items()},
    }  # fmt: skip


def write_search(
    folder: Path,
    *,
    strategy: str = "greedy",
    rounds: int = 12,
    cut: float = 0.3,
    weights: Mapping[str, int] = QUICK,
    gain: float = 0.0,
    seed: int = 0,
) -> list[dict[str, object]]:
    """A greedy search: in each round every layer is cut in turn, the best cut is accepted."""
    rng = random.Random(seed)
    counts = dict(weights)
    rows = [front_row(weights, counts, strategy=strategy, test=DENSE, val=DENSE + 0.004)]
    for number in range(1, rounds + 1):
        trials = []
        for layer in weights:
            cut_counts = counts | {layer: max(1, int(counts[layer] * (1 - cut)))}
            mean = sum(cut_counts[name] / weights[name] for name in weights) / len(weights)
            test = accuracy_at(mean) + gain * (1 - mean) + rng.gauss(0, 0.004)
            trials.append((test, layer, cut_counts))
        best = max(trials)
        for trial in trials:
            test, layer, cut_counts = trial
            rows.append(
                front_row(weights, cut_counts, strategy=strategy, layer=layer,
                          accepted=trial is best, test=test, val=test + 0.004, number=number)
            )  # fmt: skip
        counts = best[2]
    write_csv(folder / "front.csv", rows)
    write_study(folder, "search", weights, strategy=strategy, figure=None)
    return rows


def sweep_row(
    method: str,
    grid: Mapping[str, object],
    seed: int,
    nonzeros: int | None,
    test: float | None,
    *,
    train: float | None = None,
    failed: str = "",
) -> dict[str, object]:
    return {
        "method": method, **grid, "seed": seed, "weights": 145376,
        "nonzeros": "" if nonzeros is None else nonzeros, "density": "", "bytes": "",
        "train_accuracy": decimal(train), "val_accuracy": "", "test_accuracy": decimal(test),
        "train_loss": "", "val_loss": "", "test_loss": "", "iterations": 4000, "failed": failed,
        "key": key_of(method, dict(grid), seed),
    }  # fmt: skip


def write_sweep(
    folder: Path,
    *,
    methods: Iterable[str] = ("l0", "l1", "shrink", "threshold"),
    places: Iterable[str | None] = ("ip1", "all"),
    seeds: int = 5,
    figure: str | None = "sweep",
) -> list[dict[str, object]]:
    """Methods at seven strengths in each place, and a dense reference; places None: no column."""
    rng = random.Random(1)
    places = tuple(places)
    named = places != (None,)

    def grid(place: str | None, strength: object) -> dict[str, object]:
        return ({"layers": place or ""} if named else {}) | {"strength": strength}

    rows = [
        sweep_row("dense", grid(None, ""), seed, 145376, rng.gauss(DENSE, 0.004))
        for seed in range(seeds)
    ]
    for nth, method in enumerate(methods):
        for place in places:
            for step in range(7):
                for seed in range(seeds):
                    wobble = 1 if method == "l0" else rng.uniform(0.85, 1.15)
                    kept = 0.6**step * 0.5 * wobble
                    nonzeros = 0 if method == "l1" and step == 6 else int(145376 * kept)
                    test = accuracy_at(kept) - 0.01 * nth + rng.gauss(0, 0.004)
                    rows.append(sweep_row(method, grid(place, f"{step}"), seed, nonzeros, test))
    rows.append(sweep_row("shrink", grid(places[0], "9"), 0, None, None, failed="diverged"))
    write_csv(folder / "sweep.csv", rows)
    write_study(folder, "sweep", figure=figure)
    return rows


def write_datasize(
    folder: Path, *, methods: Sequence[str] = ("dense", "l0"), seeds: int = 5
) -> list[dict[str, object]]:
    """Training sets from 500 to 50,000 samples."""
    rng = random.Random(2)
    rows = []
    for nth, method in enumerate(methods):
        for place, samples in enumerate((500, 1000, 2000, 5000, 10000, 20000, 50000)):
            for seed in range(seeds):
                test = 0.32 + 0.07 * place + nth * 0.02 * (3 - place) / 3
                train = 1.0 - 0.02 * place - 0.03 * nth
                noisy = [min(1.0, value + rng.gauss(0, 0.006)) for value in (test, train)]
                grid = {"samples": samples}
                rows.append(sweep_row(method, grid, seed, 100, noisy[0], train=noisy[1]))
    write_csv(folder / "sweep.csv", rows)
    write_study(folder, "sweep", figure="datasize")
    return rows


def write_metrics(
    path: Path, *, iterations: int, display: int, rate: float, rng: random.Random
) -> Path:
    """The log of a run: a loss at each display, an accuracy at each fifth of them."""
    lines: list[dict[str, Any]] = []
    for step in range(0, iterations + 1, display):
        loss = 0.6 + 1.7 * 2 ** (-step * rate / iterations) + rng.gauss(0, 0.06)
        head = {"iter": step, "epoch": step / 500, "lr": 0.001, "stage": None, "t": {}}
        if step % (5 * display) == 0:
            accuracy = 0.76 - 0.66 * 2 ** (-step * rate / iterations) + rng.gauss(0, 0.006)
            lines.append(head | {"phase": "VAL", "accuracy": accuracy, "loss": loss})
        lines.append(head | {"loss": loss})
    lines.append({"iter": iterations, "stage_end": {"stage": "dense"}})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def write_convergence(
    folder: Path, *, methods: Sequence[str] = ("dense", "l0", "l1", "shrink"), seeds: int = 10
) -> list[dict[str, object]]:
    """Repetitions of each method with their logs; one more has failed."""
    rng = random.Random(3)
    rows = []
    for nth, method in enumerate(methods):
        for seed in range(seeds):
            row = sweep_row(method, {}, seed, 100, 0.7)
            log = folder / "trials" / str(row["key"]) / "metrics.jsonl"
            write_metrics(log, iterations=4000, display=100, rate=9 - nth, rng=rng)
            rows.append(row)
    rows.append(sweep_row(methods[-1], {}, seeds, None, None, failed="diverged"))
    write_csv(folder / "sweep.csv", rows)
    write_study(folder, "sweep", figure="convergence")
    return rows


def write_thresholds(folder: Path) -> None:
    rows = [
        {"label": label, "weights": 430500, "nonzeros": nonzeros, "test_accuracy": test,
         "retrained_nonzeros": nonzeros or "", "retrained_test_accuracy": again}
        for label, nonzeros, test, again in (
            ("unpruned", 430500, 0.99, ""), ("delta 0.02", 120000, 0.985, 0.99),
            ("delta 0.05", 30697, 0.93, 0.985), ("delta 0.07", 4852, 0.475, 0.97),
            ("delta 0.5", 0, 0.1, ""),
        )
    ]  # fmt: skip
    write_csv(folder / "threshold.csv", rows)


def write_prunings(folder: Path) -> None:
    rows = [
        {"checkpoint": net, "criterion": "filter-norm", "scope": "layer", "fraction": tenths / 10,
         "test_accuracy": 0.95 - slope * tenths**2,
         "shrunk_test_accuracy": 0.94 - slope * tenths**2 if tenths else "",
         "finetuned_test_accuracy": 0.95 - slope * tenths if tuned else "", "training": net}
        for net, slope, tuned in (
            ("dense/best.pt", 0.01, True), ("bridgeout/best.pt", 0.004, False),
        )
        for tenths in range(10)
    ]  # fmt: skip
    write_csv(folder / "prune.csv", rows)


def filters(count: int = 32, channels: int = 3, size: int = 5, seed: int = 0) -> torch.Tensor:
    """Smooth waves in random directions, as first filters look."""
    generator = torch.Generator().manual_seed(seed)
    axis = torch.linspace(-1, 1, size)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    angle, phase = torch.rand(2, count, 1, 1, generator=generator) * 6.28
    wave = torch.sin(3 * (x * angle.cos() + y * angle.sin()) + phase)
    tint = torch.randn(count, channels, 1, 1, generator=generator) * 0.1 + 0.1
    return wave[:, None] * tint


def sparse_filters(dense: torch.Tensor, zero: int, limit: float = 0.08) -> torch.Tensor:
    """The same with the first filters zero, and in the others what is below a limit."""
    sparse = dense * (dense.abs() > limit)
    sparse[:zero] = 0
    return sparse


def write_model(path: Path, weights: Mapping[str, torch.Tensor]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    named = {f"{name}.weight": weight for name, weight in weights.items()}
    save_checkpoint(path, Checkpoint(config={"net": {"layers": []}}, iter=1, weights=named))
    return path
