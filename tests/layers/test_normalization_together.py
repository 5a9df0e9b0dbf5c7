"""Two processes that normalise each their half of a batch are one that normalises it all."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch import distributed as dist

from sparsenet import ranks
from sparsenet.layers.fillers import Uniform
from sparsenet.layers.normalization import BatchNorm, BatchNormScale

SPREAD = Uniform(min=0.5, max=2)
LAYERS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "caffe image": (BatchNorm(name="bn", moving_average_fraction=0.7), (3, 4, 2)),
    "caffe features": (BatchNorm(name="bn"), (5,)),
    "torch image": (BatchNormScale(name="bn", weight_filler=SPREAD, bias_filler=SPREAD), (3, 4, 2)),
    "torch features": (BatchNormScale(name="bn", weight_filler=SPREAD), (5,)),
    "fixed": (BatchNormScale(name="bn", weight_filler=SPREAD, use_global_stats=True), (3, 4, 2)),
}
BATCH, UPDATES = 6, 3
Halves = list[tuple[Any, list[Tensor]]]


def trained(name: str, rank: int, size: int, dtype: torch.dtype) -> dict[str, Tensor]:
    """Outputs, gradients and statistics of this process's rows; its loss is their sum."""
    layer, bottom = LAYERS[name]
    module = layer.build((bottom,), torch.Generator().manual_seed(3)).to(dtype)
    generator = torch.Generator().manual_seed(4)
    found: dict[str, Tensor] = {}
    for update in range(UPDATES):
        whole = torch.randn(BATCH, *bottom, generator=generator, dtype=torch.float64) * 3 + 50
        factors = torch.randn(BATCH, *bottom, generator=generator, dtype=torch.float64)
        rows = slice(rank * BATCH // size, (rank + 1) * BATCH // size)
        x = whole[rows].to(dtype).requires_grad_()
        y = module(x)
        loss = (y * factors[rows].to(dtype)).sin().sum()
        parameters = dict(module.named_parameters())
        gradients = torch.autograd.grad(loss, [x, *parameters.values()])
        found |= {f"{k}{update}": g for k, g in zip(["x", *parameters], gradients, strict=True)}
        found[f"y{update}"] = y.detach()
    return found | {f"statistic {k}": b.clone() for k, b in module.named_buffers()}


def of_pairs(rank: int) -> list[Tensor]:
    """What one example a process becomes in training, in a test by its own batch, and apart."""
    x = torch.tensor([[-1.0, 5.0], [1.0, 3.0]])[[rank]]
    own = BatchNorm(name="own", use_global_stats=False).build(((2,),), torch.Generator())
    found = [own(x), own.eval()(x)]
    with ranks.apart():
        return [*found, own(x)]


def process(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    everything = {
        (name, dtype): trained(name, rank, 2, dtype)
        for name in LAYERS
        for dtype in (torch.float64, torch.float32)
    }
    torch.save((everything, of_pairs(rank)), folder / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> Halves:
    folder = tmp_path_factory.mktemp("together")
    context = multiprocessing.get_context("spawn")
    started = [context.Process(target=process, args=(rank, folder)) for rank in range(2)]
    for one in started:
        one.start()
    for one in started:
        one.join(60)
        assert one.exitcode == 0
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", LAYERS)
def test_outputs_gradients_and_statistics_are_those_of_the_whole_batch(
    name: str, dtype: torch.dtype, halves: Halves
) -> None:
    whole = trained(name, 0, 1, dtype)
    first, second = (everything[name, dtype] for everything, _ in halves)
    assert whole.keys() == first.keys()
    for key, expected in whole.items():
        if key[0] in "xy":
            found = torch.cat([first[key], second[key]])
        elif key.startswith("statistic"):
            assert torch.equal(first[key], second[key])
            found = first[key]
        else:  # of a parameter: the loss is a sum over the examples, and so is its gradient
            found = first[key] + second[key]
        atol, rtol = (1e-12, 1e-11) if dtype == torch.float64 else (2e-5, 1e-4)
        torch.testing.assert_close(found, expected, atol=atol, rtol=rtol)


def test_one_example_a_process_is_a_batch_of_two_unless_apart(halves: Halves) -> None:
    for sign, (_, found) in zip((-1.0, 1.0), halves, strict=True):
        pair = torch.tensor([[sign, -sign]])
        torch.testing.assert_close(found, [pair, pair, torch.zeros(1, 2)], atol=1e-3, rtol=0)
