"""Made up folders of the shape in which `train`, `search`, `ensemble` and `sweep` leave them."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.plots.studies import decimal, write_csv

LAYERS = {
    "conv1": ([32, 3, 5, 5], 32),
    "conv2": ([32, 32, 5, 5], 32),
    "conv3": ([64, 32, 5, 5], 64),
    "ip1": ([64, 1024], 64),
    "ip2": ([10, 64], 10),
}
DEEP = {f"layer{i // 4 + 1}/{i % 4 // 2}/conv{i % 2 + 1}": ([64, 64, 3, 3], 64) for i in range(12)}
EVIL = "<script>alert(1)</script>"

Layers = Mapping[str, tuple[list[int], int]]


def sizes(layers: Layers) -> dict[str, int]:
    """Weights by layer."""
    return {name: math.prod(shape) for name, (shape, _) in layers.items()}


def study(folder: Path, command: str, layers: Layers = LAYERS, **settings: Any) -> Path:
    """The folder with its study.json."""
    folder.mkdir(parents=True, exist_ok=True)
    described = {
        name: {"shape": shape, "weights": math.prod(shape), "biases": biases}
        for name, (shape, biases) in layers.items()
    }
    net = {"name": "CIFAR10_quick", "layers": [{"name": name} for name in layers]}
    document = {
        "command": command,
        "solver": "configs/cifar10/quick.yaml",
        "net": "CIFAR10_quick",
        "layers": described,
        "settings": settings,
        "configuration": {"net": net, "max_iter": 5000, "base_lr": 0.001},
    }
    (folder / "study.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def candidate(
    layers: Layers, counts: Mapping[str, int], accuracy: float | None, **keys: Any
) -> dict[str, Any]:
    """A row of front.csv."""
    kept, total = sum(counts.values()), sum(sizes(layers).values())
    biases = sum(biases for _, biases in layers.values())
    stored = 4 * min(total, 2 * kept, total // 32 + kept) + 4 * biases
    row = {"strategy": "greedy", "round": 0, "layer": "", "accepted": 1}
    row |= {"nonzeros": kept, "density": decimal(kept / total), "bytes": stored}
    row |= {"val_accuracy": decimal(accuracy)}
    row |= {"test_accuracy": decimal(accuracy and accuracy - 0.004)}
    row |= {"val_loss": decimal(accuracy and 1.5 - accuracy)}
    row |= {"test_loss": decimal(accuracy and 1.52 - accuracy)}
    row |= {"iterations": 1000, "spent": 1000, "key": f"{kept:016x}"}
    row |= keys
    row |= {f"t.{name}": count for name, count in counts.items()}
    return row | {f"nonzeros.{name}": count for name, count in counts.items()}


def front(layers: Layers, rounds: int, seed: int = 1) -> list[dict[str, Any]]:
    """A greedy search: each round every layer is cut, and the one that hurts least is taken."""
    rng = random.Random(seed)
    counts = sizes(layers)
    whole = sum(counts.values())
    rows = [candidate(layers, counts, 0.761)]
    for turn in range(1, rounds + 1):
        tried = []
        for name in layers:
            cut = counts | {name: max(1, counts[name] * 7 // 10)}
            density = sum(cut.values()) / whole
            accuracy = 0.765 - 0.012 * density**-0.55 + rng.gauss(0, 0.004)
            spoilt = rng.random() < 0.02
            tried.append((None if spoilt else max(0.1, accuracy), name, cut))
        best = max(tried, key=lambda one: one[0] or 0)
        for accuracy, name, cut in tried:
            keys = {"round": turn, "layer": name, "accepted": int(name == best[1])}
            rows.append(candidate(layers, cut, accuracy, **keys, spent=1000 * (len(rows) + 1)))
        counts = best[2]
    return rows


def search(folder: Path, rounds: int = 10, layers: Layers = LAYERS) -> Path:
    study(folder, "search", layers, strategy="greedy", cut=0.3, iters=1000, seeds=[1])
    write_csv(folder / "front.csv", front(layers, rounds))
    return folder


def ensemble(folder: Path) -> Path:
    study(folder, "ensemble", members=[1, 2, 3], trials=2)
    rng, rows = random.Random(2), []
    for members in (1, 2, 3):
        for trial in (1, 2):
            for member in (*range(1, members + 1), None):
                share = members if member is None else 1
                gain = 0.012 * (members - 1) ** 0.5 if member is None else 0
                accuracy = 0.74 + gain + rng.gauss(0, 0.003)
                row = {"members": members, "trial": trial, "member": member}
                row |= {"seed": "" if member is None else 10 * trial + member}
                row |= {"nonzeros": 14000 * share, "bytes": 52000 * share}
                row |= {"val_accuracy": decimal(accuracy + 0.01)}
                row |= {"test_accuracy": decimal(accuracy), "val_loss": "0.790000"}
                rows.append(row | {"test_loss": "0.800000", "key": f"{len(rows):016x}"})
    write_csv(folder / "ensemble.csv", rows)
    return folder


def sweep(folder: Path) -> Path:
    study(folder, "sweep", figure="sweep", seeds=[1, 2, 3])
    rng, rows = random.Random(3), []
    grid = [("dense", "", "")]
    grid += [(m, where, s) for m in ("l0", "l1") for where in ("ip1", "all")
             for s in ("0.5", "0.05", "0.005")]  # fmt: skip
    for method, where, strength in grid:
        for seed in (1, 2, 3):
            density = float(strength or 1)
            failed = "the loss is not finite" if (method, density, seed) == ("l1", 0.5, 3) else ""
            accuracy = 0.76 - 0.01 * density**-0.5 * (2 if method == "l1" else 1)
            accuracy += rng.gauss(0, 0.002)
            shown = None if failed else accuracy
            row = {"method": method, "layers": where, "strength": strength, "seed": seed}
            row |= {"weights": 145376, "nonzeros": "" if failed else round(145376 * density)}
            row |= {"density": "" if failed else decimal(density)}
            row |= {"bytes": "" if failed else round(800000 * density) + 800}
            row |= {f"{split}_accuracy": decimal(shown) for split in ("train", "val", "test")}
            row |= {f"{split}_loss": decimal(shown) for split in ("train", "val", "test")}
            rows.append(row | {"iterations": 5000, "failed": failed, "key": f"{len(rows):016x}"})
    write_csv(folder / "sweep.csv", rows)
    return folder


def log_lines(updates: int = 1000, every: int = 10, stage: str = "sparse") -> list[dict[str, Any]]:
    """Display and test lines of a run whose stage `dense` ends half way."""
    rng, lines = random.Random(4), []
    for i in range(0, updates + 1, every):
        name = "dense" if i < updates / 2 else stage
        line = {"iter": i, "epoch": i / 100, "lr": 0.01, "stage": name, "in_stage": i, "t": {}}
        line |= {"seconds": i / 50}
        loss = 2.3 * math.exp(-3 * i / updates) + abs(rng.gauss(0, 0.05))
        lines.append(line | {"loss": loss})
        if i % (10 * every) == 0:
            accuracy = 0.9 - 0.8 * math.exp(-6 * i / updates)
            outputs = {"accuracy": accuracy, "loss": loss}
            tested = {"phase": "VAL", **outputs, "outputs": outputs, "nonzeros": sizes(LAYERS)}
            lines.append(line | tested)
        if i == updates // 2:
            lines.append({"iter": i, "stage_end": {"stage": "dense", "outcome": "iters"}})
    return lines


def summary(layers: Layers = LAYERS) -> dict[str, Any]:
    """summary.json of a run that kept a tenth of each layer."""
    described, total = [], {"params": 0, "nonzeros": 0}
    for name, size in sizes(layers).items():
        kept = size // 10
        sizes_by_format = {"dense": 4 * size, "bitmask": size // 8 + 4 * kept, "indexed": 8 * kept}
        sizes_by_format |= {"csr": 8 * kept + 4, "best": size // 8 + 4 * kept, "floor": 5 * kept}
        shape, biases = layers[name]
        layer = {"name": name, "shape": shape, "params": size, "nonzeros": kept}
        described.append(layer | {"bytes": sizes_by_format, "best": "bitmask", "biases": biases})
        total = {"params": total["params"] + size, "nonzeros": total["nonzeros"] + kept}
    summed = {key: sum(layer["bytes"][key] for layer in described) for key in ("dense", "best")}
    scores = {"samples": 360, "accuracy": 0.981, "loss": 0.05}
    return {
        "net": "LeNet", "random_seed": 1, "folder": "runs/digits", "seconds": 27.3,
        "final": {"iter": 1000, "VAL": scores, "TEST": scores | {"accuracy": 0.9861}},
        "best": {"iter": 900, "VAL": scores, "TEST": scores},
        "stages": [{"stage": "dense", "began": 0, "ended": 500, "outcome": "iters",
                    "accuracy": 0.96}],
        "missed": [],
        "memory": {"layers": described, "total": total | {"bytes": summed, "ratio": 6.2,
                                                          "weights": total}},
    }  # fmt: skip


def run(folder: Path, layers: Layers = LAYERS, lines: Sequence[Mapping[str, Any]] = ()) -> Path:
    """A run folder that has ended."""
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(line) + "\n" for line in lines or log_lines())
    (folder / "metrics.jsonl").write_text(text, encoding="utf-8")
    (folder / "summary.json").write_text(json.dumps(summary(layers), indent=1), encoding="utf-8")
    (folder / "config.yaml").write_text(yaml.safe_dump({"net": {"name": "LeNet"}, "max_iter": 9}))
    return folder


def figure(folder: Path, name: str = "tradeoff", inside: str = "") -> Path:
    """An SVG in the folder's plots."""
    (folder / "plots").mkdir(exist_ok=True)
    size = 'xmlns="http://www.w3.org/2000/svg" width="320" height="200" viewBox="0 0 320 200"'
    style = "<style>rect { fill: #0072b2 }</style>"
    shape = f'{style}<rect x="20" y="20" width="280" height="160"/>{inside}'
    path = folder / "plots" / f"{name}.svg"
    path.write_text(f"<svg {size}>{shape}</svg>", encoding="utf-8")
    return path
