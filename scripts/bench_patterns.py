"""Updates under a kernel pattern against masked dense convolutions, in alternating turns.

    python scripts/bench_patterns.py [--solver FILE] [--pattern NAME] [--batch N] [--rounds N]
        [--block N] [--threads N] [--device cuda]

Updates/s of one net, on random images, with
  pattern  sparsenet's kernel_pattern: weights that are zero, and their gradients set to zero
  masked   F.conv2d(x, w * mask), which autograd differentiates, in the same places
  dense    neither
and the medians over rounds of the ratios pattern/masked (at least 0.97) and pattern/dense.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F
from turns import in_turns, lines, ratio

from sparsenet.config.load import load_solver
from sparsenet.data.memory import InMemory
from sparsenet.layers.convolution import ConvolutionModule
from sparsenet.layout import memory_format_of
from sparsenet.net import Net
from sparsenet.solver.loop import Loop
from sparsenet.workflows.build import build_net, schedule_of

SOLVER = Path(__file__).parent.parent / "configs" / "cifar10" / "vgg16.yaml"


class Masked(ConvolutionModule):
    """A convolution that has its weight multiplied by a mask each time."""

    mask: Tensor

    def forward(self, images: Tensor) -> Tensor:
        """The convolved images."""
        weight = self.weight * self.mask
        window = (self.stride, self.pad, self.dilation, self.group)
        return F.conv2d(images, weight, self.bias, *window)


def masks_of(net: Net) -> dict[str, Tensor]:
    """Where each layer with a pattern learns, by name."""
    found = {blob.layer.name: blob.learnt for blob in net.blobs}
    return {name: learnt for name, learnt in found.items() if learnt is not None}


def mask_(net: Net, masks: Mapping[str, Tensor]) -> None:
    """Let the convolutions of a dense net multiply their weights by masks."""
    names = {blob.tensor: blob.layer.name for blob in net.blobs}
    for module in net.modules():
        if isinstance(module, ConvolutionModule) and names[module.weight] in masks:
            module.__class__ = Masked
            module.mask = torch.empty_like(module.weight).copy_(masks[names[module.weight]])


def loops_of(options: argparse.Namespace) -> dict[str, Loop]:
    """The trainings by name, none of which tests or writes anything."""
    loops = {}
    for name, pattern in (("pattern", options.pattern), ("masked", "dense"), ("dense", "dense")):
        keys = [f"net.kernel_pattern={pattern}", "display=0", "test_interval=0", "snapshot=0"]
        config = load_solver(options.solver, [*keys, "max_iter=1000000"]).solver
        net = build_net(config.net, config.random_seed, torch.device(options.device))
        if name == "masked":
            mask_(net, masks_of(loops["pattern"].net))
        batches = batches_of(net, options)
        loops[name] = Loop(config, net, batches, None, schedule_of(config))
    return loops


def batches_of(net: Net, options: argparse.Namespace) -> InMemory:
    data = net.graphs["TRAIN"].data
    generator = torch.Generator().manual_seed(0)
    device, size = torch.device(options.device), (512, *data.image_shape)
    return InMemory(
        torch.randint(256, size, generator=generator, dtype=torch.uint8),
        torch.randint(10, (512,), generator=generator),
        options.batch,
        transform=data.transform,
        train=True,
        shuffle=True,
        device=device,
        memory_format=memory_format_of(device),
    )


def timed(loop: Loop, block: int, device: str) -> Callable[[], float]:
    """A turn: updates/s over a block of them, all that a GPU has to do included."""

    def turn() -> float:
        began = time.perf_counter()
        for _ in range(block):
            loop.stepper.step(loop.step, loop.progress)
            loop.step += 1
        if device != "cpu":
            torch.cuda.synchronize()
        return block / (time.perf_counter() - began)

    return turn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--solver", type=Path, default=SOLVER)
    parser.add_argument("--pattern", default="PSD4_P16")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--block", type=int, default=2)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    turns = {
        name: timed(loop, options.block, options.device) for name, loop in loops_of(options).items()
    }
    in_turns(turns, 1)
    rates = in_turns(turns, options.rounds)
    print(f"{options.solver}, {options.pattern}, batches of {options.batch}, {options.device}")
    print(lines(rates, "updates/s"))
    print(f"  pattern/masked {ratio(rates, 'pattern', 'masked'):.3f}  (bar 0.97)")
    print(f"  pattern/dense  {ratio(rates, 'pattern', 'dense'):.3f}")


if __name__ == "__main__":
    main()
