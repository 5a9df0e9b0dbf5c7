"""The nets of torchvision compute what torchvision's modules do, by its own state dicts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn

from sparsenet.config.load import load_net
from sparsenet.workflows.build import build_net
from sparsenet.workflows.weights import load_weights, take_weights

NETS = Path(__file__).parents[2] / "configs" / "imagenet" / "nets"
SIDES = {"alexnet": 96, "vgg16": 32, "resnet18": 64, "resnet50": 64, "mobilenet_v2": 96}
"""Small images, for little time."""
FIRST_LINEAR = {"alexnet": (1, 256 * 2 * 2), "vgg16": (0, 512)}
"""Where torchvision would pool them up to the size of larger ones, its place and its inputs."""
FILES = {
    "alexnet": "alexnet-torchvision",
    "mobilenet_v2": "mobilenetv2",
    **{name: name for name in ("vgg16", "resnet18", "resnet50")},
}


def torchvisions(name: str) -> nn.Module:
    """The module with random weights and random statistics, for images of its side."""
    with torch.device("meta"):
        module = getattr(torchvision.models, name)()
        if name in FIRST_LINEAR:
            module.avgpool = nn.Identity()
            place, inputs = FIRST_LINEAR[name]
            module.classifier[place] = nn.Linear(inputs, 4096)
    module.to_empty(device="cpu")
    torch.manual_seed(7)
    for parameter in module.parameters():
        if parameter.dim() > 1:
            bound = (6 / parameter[0].numel()) ** 0.5
            nn.init.uniform_(parameter, -bound, bound)
        else:
            nn.init.uniform_(parameter, 0.1, 0.9)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.running_mean, -0.5, 0.5)
            nn.init.uniform_(part.running_var, 0.5, 2.0)
            part.num_batches_tracked.zero_()
    return module.eval()


@torch.no_grad()
@pytest.mark.parametrize("name", FILES)
def test_a_twin_computes_what_torchvision_does(name: str, tmp_path: Path) -> None:
    theirs = torchvisions(name)
    torch.save(theirs.state_dict(), tmp_path / "weights.pth")
    crop = f"layers.data.transform.crop_size={SIDES[name]}"
    ours = build_net(load_net(NETS / f"{FILES[name]}.yaml", [crop]), 0, torch.device("cpu"))
    told = take_weights(ours, load_weights(tmp_path / "weights.pth"))
    assert [line.split(":")[0] for line in told[1:]] == ["Weights copied"]
    images = torch.randn(2, 3, SIDES[name], SIDES[name])
    wanted = theirs(images)
    found = ours(images, torch.zeros(2, dtype=torch.int64), "TEST").blobs["scores"]
    assert wanted.std() > 1e-3
    assert (found - wanted).abs().max() <= 1e-5 * wanted.abs().max()
