"""The l0 projection against torch.topk on one large tensor, in alternating runs."""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from sparsenet.regularization.projections import keep_largest_

SIZE = 37_748_736  # AlexNet's fc6
DENSITY = 0.08


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    values = torch.randn(SIZE, generator=torch.Generator().manual_seed(0))
    t = int(SIZE * DENSITY)
    ratios, own = [], []
    for _ in range(options.rounds + 1):
        weight = values.clone()
        began = time.perf_counter()
        keep_largest_(weight, t)
        middle = time.perf_counter()
        torch.topk(values.abs(), t)
        ended = time.perf_counter()
        own.append(1000 * (middle - began))
        ratios.append((ended - middle) / (middle - began))
    ratios, own = ratios[1:], own[1:]  # the first round warms up
    print(
        f"{torch.get_num_threads()} thread(s): keep_largest_ {statistics.median(own):.0f} ms, "
        f"topk takes {statistics.median(ratios):.1f} times as long "
        f"[{min(ratios):.1f} .. {max(ratios):.1f}]"
    )


if __name__ == "__main__":
    main()
