"""Training speed against plain PyTorch, in alternating turns of one process.

    python scripts/bench_train.py [--nets lenet,quick,alexnet,resnet18] [--rounds N] [--block N]
        [--threads N] [--device cuda] [--set KEY=VALUE]

For each net, iterations/s of
  a   sparsenet's own loop: l0, log and display every 100 updates, or once a turn where that is less
  a0  the same loop without l0, log and display (LeNet and cifar10_quick)
  b   a hand-written loop: the same net in torch.nn, contiguous NCHW, tensors in memory, torch's SGD
  c   the usual loop: DataLoader workers, torchvision transforms, torch.nn.utils.prune (LeNet only)
and the medians over rounds of the ratios a/b and a/c and of the overhead 1 - a/a0. The images are
MNIST's where SPARSENET_DATA or the cache folder has them, else random ones of the same shape.

On a GPU also the part of the time of a and of b in which it idles. `--set` is that of the command
line, for a and a0: precision=bf16, precision=tf32, compile=true. The precision is b's too.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from gpu_time import busy_seconds, idle_fraction
from plain_loops import Advance, plain_loop, usual_loop
from plain_nets import plain_alexnet, plain_lenet, plain_quick, plain_resnet18
from torch import Tensor, nn
from turns import Rates, in_turns, lines, ratio

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


@dataclass(frozen=True)
class Case:
    """A net to time: its solver file, images, plain twin, the layers to be sparse, and turns."""

    solver: str
    source: str | None
    shape: tuple[int, int, int]
    classes: int
    samples: int
    batch: int
    plain: Callable[[], nn.Module]
    sparse: tuple[str, ...]
    loops: tuple[str, ...]
    rounds: int
    block: int
    bars: dict[str, float]


CASES = {
    "lenet": Case(
        *("mnist/dense.yaml", "MNIST", (1, 28, 28), 10, 20000, 64, plain_lenet),
        ("conv1", "conv2", "ip1", "ip2"),
        *(("a", "a0", "b", "c"), 15, 100, {"b": 1.2, "c": 1.8}),
    ),
    "quick": Case(
        *("cifar10/quick.yaml", "CIFAR10", (3, 32, 32), 10, 20000, 100, plain_quick),
        ("conv1", "conv2", "conv3", "ip1", "ip2"),
        *(("a", "a0", "b"), 15, 100, {"b": 1.3}),
    ),
    "alexnet": Case(
        *("imagenet/alexnet.yaml", None, (3, 256, 256), 1000, 512, 32, plain_alexnet),
        ("fc6", "fc7", "fc8"),
        *(("a", "b"), 7, 4, {}),
    ),
    "resnet18": Case(
        *("cifar10/resnet18.yaml", "CIFAR10", (3, 32, 32), 10, 20000, 128, plain_resnet18),
        ("layer4/0/conv2", "layer4/1/conv1", "layer4/1/conv2"),
        *(("a", "b"), 7, 2, {}),
    ),
}


def images_of(case: Case) -> tuple[Tensor, Tensor, str]:
    try:
        if case.source:
            raw = load_source(case.source, None, train=True, download=False)
            return raw.images, raw.labels, case.source
    except DataError:
        pass
    generator = torch.Generator().manual_seed(0)
    size = (case.samples, *case.shape)
    images = torch.randint(0, 256, size, generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, case.classes, (case.samples,), generator=generator)
    return images, labels, "random images"


def configuration_of(
    case: Case, settings: list[str], every: int, *, whole: bool = True
) -> Configuration:
    """What loop a trains, or where it is not whole, a0."""
    keys = ["max_iter=1000000", "test_interval=0", "snapshot=0", f"display={every * whole}"]
    ball = f"{{type: l0, t: 5%, interval: {every}}}"
    keys += [f"regularization.{layer}={ball}" for layer in case.sparse * whole]
    return load_solver(CONFIGS / case.solver, [*keys, *settings])


def sparsenet_loop(
    configuration: Configuration,
    images: Tensor,
    labels: Tensor,
    batch: int,
    device: str,
    folder: Path,
) -> tuple[Advance, nn.Module]:
    """Loop a or a0, which logs to the folder, and its net."""
    parts = parts_of(configuration, images, labels, batch, torch.device(device))
    loop = parts.loop()
    target = RunFolder(folder)
    log = MetricsLog(target.metrics)
    recorder = Recorder(parts, target, log, Lines(open("/dev/null", "w")))  # noqa: PTH123, SIM115

    def advance(updates: int) -> None:
        end = loop.step + updates
        loop.run(recorder, lambda: loop.step >= end)

    return advance, parts.net


def parts_of(
    configuration: Configuration, images: Tensor, labels: Tensor, batch: int, device: torch.device
) -> Parts:
    solver = configuration.solver
    net = build_net(solver.net, solver.random_seed, device)
    plain = {"mean": None, "mean_value": None, "std": None, "scale": 1 / 256}
    batches = InMemory(
        images,
        labels,
        batch,
        transform=net.graphs["TRAIN"].data.transform.model_copy(update=plain),
        train=True,
        shuffle=True,
        device=device,
        memory_format=memory_format_of(device),
    )
    return Parts(configuration, net, {"TRAIN": batches}, schedule_of(solver), device)


def loops_of(
    case: Case, settings: list[str], block: int, device: str, folder: Path
) -> tuple[dict[str, Advance], str]:
    """The loops by name, and what they train on."""
    images, labels, data = images_of(case)
    every = min(100, block)
    whole = configuration_of(case, settings, every)
    own, net = sparsenet_loop(whole, images, labels, case.batch, device, folder)
    twin = case.plain()
    counts = [sum(p.numel() for p in each.parameters()) for each in (net, twin)]
    assert counts[0] == counts[1], f"the twin has {counts[1]} parameters, not {counts[0]}"
    loops = {"a": own}
    if "a0" in case.loops:
        bare = configuration_of(case, settings, every, whole=False)
        loops["a0"], _ = sparsenet_loop(bare, images, labels, case.batch, device, folder)
    transform = whole.solver.net.layers[0].transform  # type: ignore[attr-defined]
    loops["b"] = plain_loop(
        twin,
        images,
        labels,
        case.batch,
        crop=transform.crop_size,
        pad=transform.pad,
        bf16=whole.solver.precision == "bf16",
        device=device,
    )
    if "c" in case.loops:
        loops["c"] = usual_loop(case.plain(), images, labels, case.batch, device=device)
    if device != "cpu":  # b's; in its own updates sparsenet sets them itself
        tf32 = whole.solver.precision == "tf32"
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
    return loops, data


def timed(advance: Advance, block: int, device: str) -> Callable[[], float]:
    """A turn of a loop: iterations/s over a block of updates, all that a GPU has to do included."""

    def turn() -> float:
        began = time.perf_counter()
        advance(block)
        if device != "cpu":
            torch.cuda.synchronize()
        return block / (time.perf_counter() - began)

    return turn


def report(name: str, rates: Rates) -> None:
    print(lines(rates, "it/s"))
    for other in ("b", "c"):
        if other in rates:
            bar = CASES[name].bars.get(other)
            goal = f"  (bar {bar})" if bar else ""
            print(f"  a/{other} {ratio(rates, 'a', other):.3f}{goal}")
    if "a0" in rates:
        overhead = 100 * (1 - ratio(rates, "a", "a0"))
        print(f"  l0, log and display take {overhead:.1f} % of a0 (bar 3 %)", flush=True)


def report_idle(name: str, advance: Advance, block: int, rates: Rates) -> None:
    """The part of its unprofiled time in which a loop leaves the GPU without work."""
    busy = busy_seconds(lambda: advance(block)) / block
    wall = 1 / sorted(rates[name])[len(rates[name]) // 2]
    words = f"the GPU computes {1000 * busy:.3f} ms of {1000 * wall:.3f} ms an update"
    print(f"  {name}: {words}, and idles {100 * idle_fraction(busy, wall):.1f} %", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", default="lenet,quick", help=f"of {', '.join(CASES)}")
    parser.add_argument("--rounds", type=int, help="left out: what suits the net")
    parser.add_argument("--block", type=int, help="updates a turn; left out: what suits the net")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("torch finds no GPU here")
    if options.threads:
        torch.set_num_threads(options.threads)
    for name in options.nets.split(","):
        with tempfile.TemporaryDirectory() as folder:
            bench(name, options, Path(folder))


def bench(name: str, options: argparse.Namespace, folder: Path) -> None:
    case, device = CASES[name], options.device
    is_gpu = device != "cpu"
    block = options.block or (100 if is_gpu else case.block)
    loops, data = loops_of(case, options.settings, block, device, folder)
    where = device if is_gpu else f"{torch.get_num_threads()} threads"
    print(f"{name} on {data}", where, *options.settings, sep=", ", flush=True)
    for advance in loops.values():
        advance(block // 5 + 1)
    turns = {key: timed(loop, block, device) for key, loop in loops.items()}
    rates = in_turns(turns, options.rounds or case.rounds)
    report(name, rates)
    for key in "ab" if is_gpu else "":
        report_idle(key, loops[key], block, rates)


if __name__ == "__main__":
    main()
