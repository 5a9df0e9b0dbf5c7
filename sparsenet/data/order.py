"""Which sample stands at which place of an epoch, and which window of it is seen there."""

from __future__ import annotations

import torch
from torch import Tensor

from sparsenet.data.seeding import seeded
from sparsenet.data.windows import Windows


class Order:
    """The samples as they follow one another, epoch after epoch: pure in (seed, epoch).

    Position p is place p mod N of epoch p div N, as of Caffe's cursor. With `shuffle` each epoch
    has an order of its own; else it is that of the files. The draws of `windows` are by place.
    """

    def __init__(
        self,
        samples: int,
        seed: int,
        *,
        shuffle: bool,
        windows: Windows | None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.samples, self.seed, self.shuffle = samples, seed, shuffle
        self.windows, self.device = windows, device
        self._epochs: dict[int, Tensor] = {}

    def between(self, start: int, stop: int) -> Tensor:
        """The samples of positions start..stop - 1, int64 (1, n), or with their windows (4, n)."""
        pieces = []
        while start < stop:
            epoch, first = divmod(start, self.samples)
            last = min(self.samples, first + stop - start)
            pieces.append(self._epoch(epoch)[:, first:last])
            start += last - first
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=1)

    def _epoch(self, epoch: int) -> Tensor:
        """All places of an epoch, as in `between`."""
        if epoch not in self._epochs:
            while len(self._epochs) > 1:  # two are in use where a batch straddles them
                del self._epochs[next(iter(self._epochs))]
            generator = seeded("batches", self.seed, epoch)
            order = torch.randperm(self.samples, generator=generator)
            rows = [(order if self.shuffle else torch.arange(self.samples))[None]]
            if self.windows is not None:
                rows.append(self.windows.draw(self.samples, generator))
            self._epochs[epoch] = torch.cat(rows).to(self.device)
        return self._epochs[epoch]
