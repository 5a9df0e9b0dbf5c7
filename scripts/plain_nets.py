"""The nets of the benchmarks in torch.nn, as one writes them by hand."""

from __future__ import annotations

from torch import nn
from torchvision.models import resnet18


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


def plain_alexnet() -> nn.Module:
    """BVLC's, for images of 227x227."""

    def normalized_and_pooled() -> list[nn.Module]:
        return [nn.LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=1.0), nn.MaxPool2d(3, 2)]

    def full(inputs: int) -> list[nn.Module]:
        return [nn.Linear(inputs, 4096), nn.ReLU(), nn.Dropout()]

    return nn.Sequential(
        *(nn.Conv2d(3, 96, 11, stride=4), nn.ReLU(), *normalized_and_pooled()),
        *(nn.Conv2d(96, 256, 5, padding=2, groups=2), nn.ReLU(), *normalized_and_pooled()),
        *(nn.Conv2d(256, 384, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(384, 384, 3, padding=1, groups=2), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, padding=1, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Flatten(), *full(9216), *full(4096), nn.Linear(4096, 1000)),
    )


def plain_resnet18() -> nn.Module:
    """torchvision's, which for images of 32x32 begins with a 3x3 convolution and does not pool."""
    net = resnet18(num_classes=10)
    net.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    net.maxpool = nn.Identity()
    return net
