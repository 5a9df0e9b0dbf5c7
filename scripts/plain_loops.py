"""Training loops over tensors in memory as one writes them by hand, in plain PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import prune
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

Advance = Callable[[int], None]
"""Makes so many updates."""


def plain_loop(
    net: nn.Module,
    images: Tensor,
    labels: Tensor,
    batch: int,
    *,
    crop: int | None = None,
    pad: int = 0,
    bf16: bool = False,
    device: str = "cpu",
) -> Advance:
    """The hand-written loop: contiguous NCHW, nothing that waits for a GPU.

    With `crop` each image is padded, cut at a random place and mirrored half the time.
    """
    net = net.to(device)
    images, labels = images.to(device), labels.to(device)
    optimizer = _sgd(net)

    def precision() -> AbstractContextManager[object]:
        return torch.autocast(device, dtype=torch.bfloat16) if bf16 else nullcontext()

    def advance(updates: int) -> None:
        for _ in range(updates):
            chosen = torch.randint(0, len(labels), (batch,), device=device)
            pixels = images[chosen]
            pixels = pixels if crop is None else _augmented(pixels, crop, pad)
            optimizer.zero_grad()
            with precision():
                loss = F.cross_entropy(net(pixels.float().div_(256)), labels[chosen])
            loss.backward()
            optimizer.step()

    return advance


def _sgd(net: nn.Module) -> torch.optim.SGD:
    return torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=0.0005)


def _augmented(pixels: Tensor, crop: int, pad: int) -> Tensor:
    pixels = F.pad(pixels, [pad] * 4) if pad else pixels
    batch, places = len(pixels), pixels.shape[-1] - crop + 1
    each = torch.arange(batch, device=pixels.device)
    top, left = torch.randint(0, places, (2, batch), device=pixels.device)
    windows = pixels.unfold(2, crop, 1).unfold(3, crop, 1)[each, :, top, left]
    mirrored = torch.rand(batch, 1, 1, 1, device=pixels.device) < 0.5
    return torch.where(mirrored, windows.flip(-1), windows)


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


def usual_loop(
    net: nn.Module, images: Tensor, labels: Tensor, batch: int, *, device: str = "cpu"
) -> Advance:
    """The usual loop: two DataLoader workers, torchvision transforms, torch.nn.utils.prune."""
    net = net.to(device)
    for layer in [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]:
        prune.l1_unstructured(layer, "weight", amount=0.95)
    optimizer = _sgd(net)
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
