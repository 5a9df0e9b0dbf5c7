"""Training speed against plain PyTorch, in alternating blocks of one process.

    python scripts/bench_train.py [--nets lenet,quick] [--rounds N] [--block N] [--threads N]

For each net, iterations/s of
  a   sparsenet's own loop: l0 every 100 updates, log, display
  a0  the same loop without l0, log and display
  b   a hand-written loop: the same net in torch.nn, contiguous NCHW, tensors in memory, torch's SGD
  c   the usual loop: DataLoader workers, torchvision transforms, torch.nn.utils.prune (LeNet only)
and the medians over rounds of the ratios a/b and a/c and of the overhead 1 - a/a0. The images are
MNIST's where SPARSENET_DATA or the cache folder has them, else random ones of the same shape.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import prune
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from sparsenet.config.load import Configuration, load_solver
from sparsenet.data.memory import InMemory
from sparsenet.data.raw import DataError
from sparsenet.data.sources import load_source
from sparsenet.layout import memory_format_of
from sparsenet.metrics import MetricsLog
from sparsenet.progress import Lines
from sparsenet.run_folder import RunFolder
from sparsenet.workflows.build import Parts, build_net, schedule_of
from sparsenet.workflows.recorder import Recorder

CONFIGS = Path(__file__).parent.parent / "configs"
Advance = Callable[[int], None]
"""Makes so many updates."""


@dataclass(frozen=True)
class Case:
    """A net to time: its solver file, its plain twin, and the layers to be sparse."""

    solver: Path
    source: str
    shape: tuple[int, int, int]
    plain: Callable[[], nn.Module]
    layers: tuple[str, ...]


def plain_lenet() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 20, 5), nn.MaxPool2d(2, 2), nn.Conv2d(20, 50, 5), nn.MaxPool2d(2, 2)),
        *(nn.Flatten(), nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10)),
    )


def plain_quick() -> nn.Module:
    def ave() -> nn.Module:
        return nn.AvgPool2d(3, 2, ceil_mode=True)

    return nn.Sequential(
        *(nn.Conv2d(3, 32, 5, padding=2), nn.MaxPool2d(3, 2, ceil_mode=True), nn.ReLU()),
        *(nn.Conv2d(32, 32, 5, padding=2), nn.ReLU(), ave()),
        *(nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), ave()),
        *(nn.Flatten(), nn.Linear(1024, 64), nn.Linear(64, 10)),
    )


CASES = {
    "lenet": Case(
        CONFIGS / "mnist" / "dense.yaml",
        "MNIST",
        (1, 28, 28),
        plain_lenet,
        ("conv1", "conv2", "ip1", "ip2"),
    ),
    "quick": Case(
        CONFIGS / "cifar10" / "quick.yaml",
        "CIFAR10",
        (3, 32, 32),
        plain_quick,
        ("conv1", "conv2", "conv3", "ip1", "ip2"),
    ),
}


def images_of(case: Case) -> tuple[Tensor, Tensor, str]:
    try:
        raw = load_source(case.source, None, train=True, download=False)
    except DataError:
        generator = torch.Generator().manual_seed(0)
        images = torch.randint(0, 256, (20000, *case.shape), generator=generator, dtype=torch.uint8)
        return images, torch.randint(0, 10, (20000,), generator=generator), "random images"
    return raw.images, raw.labels, case.source


def sparsenet_loop(
    case: Case, images: Tensor, labels: Tensor, folder: Path | None, device: str
) -> Advance:
    """Loop a, or a0 where there is no folder to log to."""
    sparse = [f"regularization.{layer}={{type: l0, t: 5%}}" for layer in case.layers]
    settings = [
        "max_iter=1000000",
        "test_interval=0",
        "snapshot=0",
        f"display={100 if folder else 0}",
    ]
    configuration = load_solver(case.solver, [*settings, *(sparse if folder else [])])
    parts = parts_of(configuration, images, labels, torch.device(device))
    loop = parts.loop()
    target = RunFolder(folder or Path(tempfile.mkdtemp()))
    log = MetricsLog(target.metrics)
    recorder = Recorder(parts, target, log, Lines(open("/dev/null", "w")))  # noqa: PTH123, SIM115

    def advance(updates: int) -> None:
        end = loop.step + updates
        loop.run(recorder, lambda: loop.step >= end)

    return advance


def parts_of(
    configuration: Configuration, images: Tensor, labels: Tensor, device: torch.device
) -> Parts:
    solver = configuration.solver
    net = build_net(solver.net, solver.random_seed, device)
    data = net.graphs["TRAIN"].data
    transform = data.transform.model_copy(update={"mean": None, "scale": 1 / 256})
    batches = InMemory(
        images,
        labels,
        data.batch_size,
        transform=transform,
        train=True,
        shuffle=True,
        device=device,
        memory_format=memory_format_of(device),
    )
    return Parts(configuration, net, {"TRAIN": batches}, schedule_of(solver), device)


def plain_loop(case: Case, images: Tensor, labels: Tensor, batch: int, device: str) -> Advance:
    """Loop b."""
    net = case.plain().to(device)
    images, labels = images.to(device), labels.to(device)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=0.0005)

    def advance(updates: int) -> None:
        for _ in range(updates):
            chosen = torch.randint(0, len(labels), (batch,), device=device)
            x, y = images[chosen].float().div_(256), labels[chosen]
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()

    return advance


class PerSample(Dataset[tuple[Tensor, int]]):
    """Images as torchvision's data sets give them: one at a time, through a transform."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images, self.labels = images, labels
        self.transform = transforms.Compose(
            [transforms.ToPILImage(), transforms.ToTensor(), transforms.Normalize(0.0, 1.0)]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(self.images[index]), int(self.labels[index])


def usual_loop(case: Case, images: Tensor, labels: Tensor, batch: int, device: str) -> Advance:
    """Loop c."""
    net = case.plain().to(device)
    layers = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    for layer in layers:
        prune.l1_unstructured(layer, "weight", amount=0.95)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=0.0005)
    loader = DataLoader(
        PerSample(images, labels), batch, shuffle=True, num_workers=2, persistent_workers=True
    )

    def forever() -> Iterator[list[Tensor]]:
        while True:
            yield from loader

    source = forever()

    def advance(updates: int) -> None:
        for _ in range(updates):
            x, y = next(source)
            optimizer.zero_grad()
            F.cross_entropy(net(x.to(device)), y.to(device)).backward()
            optimizer.step()

    return advance


def measure(loops: dict[str, Advance], rounds: int, block: int) -> dict[str, list[float]]:
    """Iterations/s of each loop in each round, the loops taking turns in changing order."""
    for advance in loops.values():
        advance(block // 5 + 1)
    rates: dict[str, list[float]] = {name: [] for name in loops}
    for turn in range(rounds):
        for name in list(loops)[:: 1 if turn % 2 == 0 else -1]:
            began = time.perf_counter()
            loops[name](block)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            rates[name].append(block / (time.perf_counter() - began))
    return rates


def report(name: str, data: str, rates: dict[str, list[float]]) -> None:
    print(f"{name} on {data}, {torch.get_num_threads()} thread(s)")
    for loop, values in rates.items():
        middle = statistics.median(values)
        print(f"  {loop:3} {middle:8.1f} it/s  [{min(values):.1f} .. {max(values):.1f}]")
    for other, bar in (("b", {"lenet": 1.2, "quick": 1.3}), ("c", {"lenet": 1.8})):
        if other in rates:
            ratios = [a / x for a, x in zip(rates["a"], rates[other], strict=True)]
            goal = bar.get(name, math.nan)
            print(f"  a/{other} {statistics.median(ratios):.3f}  (bar {goal})")
    overhead = [1 - a / x for a, x in zip(rates["a"], rates["a0"], strict=True)]
    print(f"  l0, log and display take {100 * statistics.median(overhead):.1f} % of a0 (bar 3 %)")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", default="lenet,quick")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--block", type=int, default=100, help="updates a turn")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    for name in options.nets.split(","):
        case = CASES[name]
        images, labels, data = images_of(case)
        batch = 64 if name == "lenet" else 100
        with tempfile.TemporaryDirectory() as folder:
            loops = {
                "a": sparsenet_loop(case, images, labels, Path(folder), options.device),
                "a0": sparsenet_loop(case, images, labels, None, options.device),
                "b": plain_loop(case, images, labels, batch, options.device),
            }
            if name == "lenet":
                loops["c"] = usual_loop(case, images, labels, batch, options.device)
            report(name, data, measure(loops, options.rounds, options.block))


if __name__ == "__main__":
    main()
