"""What the processes of a run tell one another, so that all of them make the same updates."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from sparsenet import ranks
from sparsenet.errors import SparsenetError


class UnequalError(SparsenetError):
    """The processes of a run do not have the same weights any more."""


class Exchange:
    """In every update: gradients, loss and wishes, to stop or to save, all of it in one sum.

    torch's DistributedDataParallel is not used: it sums in groups of gradients that it forms anew
    after the first update, so that a resumed run would round otherwise than an undisturbed one.
    """

    def __init__(self) -> None:
        self.stopping: Callable[[], bool] = lambda: False
        """Whether this process is to stop."""
        self.saving: Callable[[], bool] = lambda: False
        """Whether it has been asked for a snapshot since the last look."""
        self._agreed = (False, False)

    def stop(self) -> bool:
        """Whether to stop after this update: in all processes where it is asked of one."""
        return self._agreed[0] if ranks.size() > 1 else self.stopping()

    def save(self) -> bool:
        """Whether to save after this update: in all processes where it is asked of one."""
        return self._agreed[1] if ranks.size() > 1 else self.saving()

    def mean_(self, gradients: Sequence[Tensor], loss: Tensor) -> Tensor:
        """Replace gradients by their means over the processes; the mean of the loss.

        Every process has as many samples of the batch, so these are the whole batch's.
        """
        if ranks.size() == 1:
            return loss
        wishes = torch.tensor([float(self.stopping()), float(self.saving())])
        parts = [*gradients, loss]
        if loss.is_cuda:
            # By the CPUs: to look at it in a buffer on the GPU would be to wait for the GPU.
            ranks.sum_(wishes)
        else:
            parts.append(wishes)
        buffer = ranks.sum_(torch.cat([part.flatten() for part in parts]))
        stop, save = (wishes if loss.is_cuda else buffer[-len(wishes) :]).tolist()
        self._agreed = stop > 0, save > 0
        means = torch.split(buffer.div_(ranks.size()), [part.numel() for part in parts])
        for gradient, mean in zip(gradients, means, strict=False):
            gradient.copy_(mean.view_as(gradient))
        return means[len(gradients)].view_as(loss).clone()


def require_same(weights: Mapping[str, Tensor], step: int) -> None:
    """Compare the weights of all processes by their SHA-256; raises UnequalError in each."""
    if ranks.size() == 1:
        return
    everywhere = ranks.gathered({name: _sha256(tensor) for name, tensor in weights.items()})
    for name, digest in everywhere[0].items():
        for rank, digests in enumerate(everywhere):
            if digests[name] != digest:
                words = f"{name} is not the same in process {rank} as in process 0"
                raise UnequalError(f"after {step} updates {words}: the run cannot go on")


def _sha256(tensor: Tensor) -> str:
    values = tensor.detach().cpu().contiguous().reshape(-1)
    return hashlib.sha256(values.view(torch.uint8).numpy().data).hexdigest()
