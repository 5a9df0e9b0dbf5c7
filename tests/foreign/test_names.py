"""torchvision's names and ours: every tensor of its nets, and no net taken for another."""

from __future__ import annotations

import pytest
import torch
import torchvision

from sparsenet.foreign.names import our_names


def names_of(model: str) -> list[str]:
    with torch.device("meta"):
        return list(getattr(torchvision.models, model)().state_dict())


@pytest.mark.parametrize(
    ("model", "net", "some"),
    [
        ("alexnet", "AlexNet", {"features.3.bias": "conv2.bias", "classifier.6.bias": "fc8.bias"}),
        ("vgg16", "VGG16", {"features.28.bias": "conv5_3.bias", "classifier.3.bias": "fc7.bias"}),
        ("resnet18", "ResNet", {"layer4.1.bn2.running_var": "layer4/1/bn2.variance"}),
        ("resnet50", "ResNet", {"layer2.0.downsample.1.bias": "layer2/0/downsample_bn.bias"}),
        ("mobilenet_v2", "MobileNetV2", {
            "features.0.1.running_mean": "stem_bn.mean",
            "features.1.conv.1.weight": "stage1/0/project.weight",
            "features.17.conv.0.0.weight": "stage7/0/expand.weight",
            "features.5.conv.3.running_var": "stage3/1/project_bn.variance",
            "features.18.1.bias": "head_bn.bias",
        }),
    ],
)  # fmt: skip
def test_every_tensor_has_one_name(model: str, net: str, some: dict[str, str]) -> None:
    theirs = names_of(model)
    ours, whose = our_names(theirs)
    assert whose == net
    assert list(ours) == [name for name in theirs if not name.endswith("num_batches_tracked")]
    assert len(set(ours.values())) == len(ours)
    assert some.items() <= ours.items()
    body = [name for name in theirs if not name.startswith(("classifier", "fc"))]
    assert our_names(body)[1] == net  # without its head


@pytest.mark.parametrize("model", ["vgg11", "vgg16_bn", "vgg19", "densenet121", "squeezenet1_0"])
def test_a_net_without_a_map_keeps_its_names(model: str) -> None:
    ours, whose = our_names(names_of(model))
    assert whose is None
    assert all("." not in name.rpartition(".")[0] for name in ours.values())


@pytest.mark.parametrize("names", [["conv1.weight", "fc.bias"], ["classifier.1.weight"]])
def test_what_many_nets_have_is_no_nets(names: list[str]) -> None:
    ours, whose = our_names(names)
    assert whose is None
    assert list(ours.values()) == [name.replace("classifier.1", "classifier/1") for name in names]


def test_names_without_layers_stay() -> None:
    ours = {"logit_scale": "logit_scale", "fc6.weight": "fc6.weight"}
    assert our_names([*ours, "a.num_batches_tracked"]) == (ours, None)
    assert our_names([]) == ({}, None)
