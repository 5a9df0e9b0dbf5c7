"""An ensemble as one net: its outputs are the mean of its members', whatever they are made of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sparsenet.checkpoint import Checkpoint, Constraint, load_checkpoint, save_checkpoint
from sparsenet.cli.main import run
from sparsenet.config.graph import has_phase
from sparsenet.config.load import Configuration, from_data
from sparsenet.errors import ConfigError
from sparsenet.net import Net
from sparsenet.workflows.build import build_net, counted_memory, restored_net
from sparsenet.workflows.joined import joined_checkpoint, joined_configuration
from tests.small import configured, convolution, inner_product, net_data

CPU = torch.device("cpu")
L0_A = {"type": "l0", "t": 60, "group": "pair"}
HIDDEN = [inner_product("ip1", 8), {"name": "relu", "type": "ReLU", "bottom": "ip1", "top": "ip1"}]
PLAIN = net_data(*HIDDEN, inner_product("ip", 10, bottom="ip1"), split=100)
RICH = net_data(
    convolution("conv", 4),
    {"name": "bn", "type": "BatchNorm"},
    {"name": "scale", "type": "Scale", "bias_term": True},
    {"name": "pool", "type": "Pooling", "kernel_size": 2, "stride": 2},
    {"name": "drop", "type": "Dropout", "bottom": "pool", "top": "pool"},
    inner_product("ip1", 8, bottom="pool", regularization=L0_A),
    inner_product("ip", 10, regularization=L0_A),
    split=100,
)


def two_data_layers() -> dict[str, Any]:
    """A Data layer for TRAIN and one for TEST, and layers of one phase alone."""
    net = net_data(inner_product("ip", 10), split=100, phase="TRAIN", bootstrap=3)
    layers = net["layers"]
    test = {k: v for k, v in layers[0].items() if k not in ("split", "bootstrap", "phase")}
    layers.insert(1, {**test, "name": "tested", "phase": "TEST"})
    layers.insert(3, {"name": "drop", "type": "Dropout", "bottom": "ip", "top": "dropped"})
    layers[3]["phase"] = "TRAIN"
    layers[-1]["bottom"] = ["ip", "label"]
    return net


def in_place() -> dict[str, Any]:
    """A layer that rewrites the images where they stand."""
    whole = {"name": "power", "type": "Power", "scale": 2.0, "shift": 0.5}
    return net_data(
        {**whole, "bottom": "data", "top": "data"}, inner_product("ip", 10, bottom="data")
    )


NETS = {
    "plain": PLAIN,
    "rich": RICH,
    "two data layers": two_data_layers(),
    "in place": in_place(),
}


def members(configuration: Configuration, count: int, **keys: Any) -> list[Checkpoint]:
    """Nets with weights, and statistics, at random."""
    made = []
    for seed in range(count):
        net = build_net(configuration.solver.net, seed, CPU)
        generator = torch.Generator().manual_seed(seed)
        for name, tensor in net.weights().items():
            noise = torch.rand(tensor.shape, generator=generator)
            tensor.copy_(
                0.5 + noise
                if name in ("bn.variance", "bn.factor")
                else tensor + 0.2 * (noise - 0.5)
            )
        weights = {name: tensor.clone() for name, tensor in net.weights().items()}
        made.append(Checkpoint(config=configuration.data, iter=seed, weights=weights, **keys))
    return made


def joined(configuration: Configuration, given: list[Checkpoint]) -> tuple[Configuration, Net]:
    made = joined_configuration(configuration, len(given))
    return made, restored_net(joined_checkpoint(made, given), made, CPU)


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("name", NETS)
def test_outputs_are_the_mean_of_the_members_probabilities(name: str, count: int) -> None:
    configuration = configured(NETS[name])
    given = members(configuration, count)
    made, net = joined(configuration, given)
    generator = torch.Generator().manual_seed(7)
    images = torch.rand((6, 1, 8, 8), generator=generator)
    labels = torch.tensor([0, 3, 9, 3, 5, 1])
    net.eval()
    for phase in ("TEST", "VAL"):
        if not has_phase(configuration.solver.net, phase):
            continue
        scores = []
        for one in given:
            member = restored_net(one, configuration, CPU).eval()
            blobs = member(images.clone(), labels, phase).blobs
            scores.append(softmax(blobs["ip"].detach().double().numpy()))
        mean = np.mean(scores, axis=0)
        assert np.isfinite(mean).all()
        outputs = net(images.clone(), labels, phase)
        np.testing.assert_allclose(outputs.blobs["prob"].detach().numpy(), mean, rtol=1e-5)
        right = (mean.argmax(1) == labels.numpy()).mean()
        assert outputs.blobs["accuracy"].item() == pytest.approx(right)
        loss = -np.log(mean[np.arange(6), labels]).mean()
        assert outputs.blobs["loss"].item() == pytest.approx(loss, rel=1e-5)
    assert made.data == from_data(made.data, "again").data


def test_memory_adds_up() -> None:
    configuration = configured(RICH)
    given = members(configuration, 3)
    alone = counted_memory(restored_net(given[0], configuration, CPU)).total
    whole = counted_memory(joined(configuration, given)[1]).total
    assert whole.params == 3 * alone.params
    assert whole.bytes["dense"] == 3 * alone.bytes["dense"]


def test_the_layers_of_members_stand_side_by_side_over_the_same_data() -> None:
    made = joined_configuration(configured(two_data_layers()), 2)
    layers = made.data["net"]["layers"]
    assert [layer["name"] for layer in layers] == [
        *("digits", "tested", "member1/ip", "member2/ip", "member1/prob", "member2/prob"),
        *("prob", "accuracy", "loss"),
    ]
    assert "bootstrap" not in layers[0]
    assert made.data["net"]["name"] == "small, 2 members"


def test_groups_of_l0_are_each_members_own() -> None:
    configuration = configured(RICH, stages=[{"until": {"iters": 3}}])
    made = joined_configuration(configuration, 2)
    rules = {layer.name: getattr(layer, "regularization", None) for layer in made.solver.net.layers}
    assert rules["member1/ip"].group == rules["member1/ip1"].group == "member1/pair"
    assert rules["member2/ip1"].group == "member2/pair"
    assert made.solver.stages == ()
    ball = Constraint("pair", ("ip1.weight", "ip.weight"), 10_000)
    found = joined_checkpoint(made, members(configuration, 2, constraints=(ball,)))
    assert found.constraints == (
        Constraint("member1/pair", ("member1/ip1.weight", "member1/ip.weight"), 10_000),
        Constraint("member2/pair", ("member2/ip1.weight", "member2/ip.weight"), 10_000),
    )
    assert found.iter == 1


def test_what_the_loss_says_of_labels_is_kept() -> None:
    net = net_data(inner_product("ip", 10))
    net["layers"][-1] |= {"ignore_label": 3, "loss_weight": 0.5, "normalization": "FULL"}
    layer = joined_configuration(configured(net), 2).data["net"]["layers"][-1]
    assert (layer["type"], layer["bottom"]) == ("MultinomialLogisticLoss", ["prob", "label"])
    assert (layer["ignore_label"], layer["loss_weight"], layer["normalization"]) == (3, 0.5, "FULL")


def test_a_net_without_one_softmax_loss_is_refused() -> None:
    none = net_data(inner_product("ip", 10))
    none["layers"][-1] = {
        "name": "loss",
        "type": "MultinomialLogisticLoss",
        "bottom": ["ip", "label"],
    }
    two = net_data(inner_product("ip", 10))
    two["layers"].append({"name": "more", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"]})
    for net, count in ((none, 0), (two, 2)):
        with pytest.raises(ConfigError) as raised:
            joined_configuration(configured(net), 2)
        assert str(raised.value) == (
            f"small: the net has {count} SoftmaxWithLoss in its tests; an ensemble averages what "
            "one reads"
        )


def test_members_that_see_other_images_are_refused() -> None:
    configuration = configured(PLAIN)
    made = joined_configuration(configuration, 2)
    mean = torch.zeros(1, 8, 8)
    images: list[torch.Tensor | None] = [mean, mean + 1, None]
    for one, other in ((0, 1), (0, 2), (2, 0)):
        pair = members(configuration, 1, mean_image=images[one])
        pair += members(configuration, 1, mean_image=images[other])
        with pytest.raises(ConfigError) as raised:
            joined_checkpoint(made, pair)
        words = "the members do not see the same images: their mean image or classes differ"
        assert str(raised.value) == words
    same = members(configuration, 2, mean_image=mean, classes=("a", "b"))
    found = joined_checkpoint(made, same)
    assert torch.equal(found.mean_image, mean)  # type: ignore[arg-type]
    assert found.classes == ("a", "b")
    other_classes = members(configuration, 1, mean_image=mean, classes=("b", "a"))
    with pytest.raises(ConfigError, match="classes differ"):
        joined_checkpoint(made, [same[0], *other_classes])


def test_the_checkpoint_is_one_as_any_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configuration = configured(PLAIN, solver_mode="cpu")
    given = members(configuration, 2)
    path = tmp_path / "ensemble.pt"
    made = joined_configuration(configuration, 2)
    save_checkpoint(path, joined_checkpoint(made, given))
    assert load_checkpoint(path).weights.keys() >= {"member1/ip1.weight", "member2/ip.bias"}
    assert run(["test", str(path), "--json"]) == 0
    tested = json.loads(capsys.readouterr().out)
    assert "TEST" in json.dumps(tested)
    assert run(["memsize", str(path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["total"]["params"] == 2 * (512 + 80 + 18)
    assert run(["summary", str(path)]) == 0
    assert "member2/ip1" in capsys.readouterr().out
