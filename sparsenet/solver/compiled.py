"""The training's forward and backward pass compiled by torch: the same but for rounding.

Tests are not compiled: what a run says of its net is what `sparsenet test` says of the file, and
forward passes alone do not earn back the time that it takes to compile them.

It is for GPUs: on one AVX-512 core LeNet trains at 0.91 and cifar10_quick at 0.73 of the speed that
they have without it, medians of 15 rounds in turn on a busy machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from sparsenet.errors import SparsenetError
from sparsenet.net import Net


class CompileError(SparsenetError):
    """torch.compile could not compile the net."""


class Compiled:
    """The loss of TRAIN as a function that is compiled when it is first called.

    On a GPU its kernels, forward and backward, are CUDA graphs, which the next call overwrites:
    what is to outlive it must be copied. Dropout draws what it draws without compilation.
    """

    def __init__(self, net: Net, device: torch.device, backend: str = "inductor") -> None:
        self._net, self.replays = net, device.type == "cuda"
        options = _options(self.replays) if backend == "inductor" else None
        self._loss = torch.compile(
            self._computed, fullgraph=True, dynamic=False, backend=backend, options=options
        )

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        """The loss of a batch."""
        self._net.enter("TRAIN")
        if self.replays:
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        return self._loss(images, labels)

    def _computed(self, images: Tensor, labels: Tensor) -> Tensor:
        loss, _ = self._net.compute(images, labels, "TRAIN")
        assert loss is not None, "a checked net has a loss in TRAIN"
        return loss


def _options(replays: bool) -> dict[str, Any]:
    """Of torch's compiler: what makes a resumed run the same, bit for bit, and CUDA graphs."""
    wanted = {
        "fallback_random": True,  # torch's own draws
        "shape_padding": False,  # decided by measured times
        "deterministic": True,  # the other such decisions, since torch 2.10
        "triton.cudagraphs": replays,  # all that the mode reduce-overhead is
    }
    known = torch._inductor.list_options()
    return {key: value for key, value in wanted.items() if key in known}


@contextmanager
def compiling() -> Iterator[None]:
    """Around the calls and their backward passes: what cannot be compiled is one CompileError."""
    from torch._dynamo.exc import TorchDynamoException  # noqa: PLC0415  slow to import

    try:
        yield
    except TorchDynamoException as error:
        words = f"torch cannot compile this net here: {_reason(str(error))}"
        raise CompileError(f"{words}; compile: false trains without it") from None


def _reason(text: str) -> str:
    """The line that says most: a compiler's first error, else the first that is no heading."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "error: " in line]
    others = [line for line in lines if not line.startswith("backend=")]
    return (errors or others or ["no reason given"])[0]
