"""From a configuration to the live parts."""

from __future__ import annotations

import pytest
import torch

from sparsenet.checkpoint import Checkpoint
from sparsenet.errors import ConfigError
from sparsenet.regularization.schedule import Progress
from sparsenet.workflows import build as build_module
from sparsenet.workflows.build import (
    build,
    build_net,
    choose_device,
    counted_memory,
    promised_memory,
    restored_net,
    schedule_of,
)
from tests.small import configured, convolution, inner_product, net_data, parts

CPU = torch.device("cpu")
SHARED = {"type": "l0", "group": "g", "t": "10%"}


def small(**keys):
    return net_data(
        convolution("conv", 4, regularization={"type": "l0", "t": 9}),
        inner_product("ip1", 12, regularization=SHARED, **keys),
        {"name": "relu", "type": "ReLU"},
        inner_product("ip2", 10, regularization=SHARED, bias_term=False),
    )


# The device.


def test_the_device_is_the_arguments_else_the_modes(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto", None) == choose_device("cpu", None) == CPU
    assert choose_device("gpu", "cpu") == CPU


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize(
    ("mode", "device", "asked"),
    [
        ("gpu", None, "solver_mode gpu"),
        ("auto", "cuda", "--device cuda"),
        ("gpu", "cuda:1", "--device cuda:1"),
        ("cpu", "cuda", "--device cuda"),
    ],
)
def test_a_gpu_that_is_not_there_is_named_by_what_asked_for_it(mode, device, asked):
    with pytest.raises(ConfigError, match=f"^{asked} cannot be used here: ") as caught:
        choose_device(mode, device)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("device", ["gpu", "cpu:x", "", "cpu cuda"])
def test_what_is_no_device_is_refused(device):
    with pytest.raises(ConfigError, match=f"^--device {device} cannot be used here: "):
        choose_device("gpu", device)


# The parts.


def test_the_same_seed_builds_the_same_weights_and_batches():
    one, same = parts(small(), random_seed=3), parts(small(), random_seed=3)
    other = parts(small(), random_seed=4)
    assert torch.equal(one.net.weights()["ip1.weight"], same.net.weights()["ip1.weight"])
    assert not torch.equal(one.net.weights()["ip1.weight"], other.net.weights()["ip1.weight"])
    images, _ = one.batches["TRAIN"].batch(5)
    assert torch.equal(images, same.batches["TRAIN"].batch(5)[0])
    assert not torch.equal(images, other.batches["TRAIN"].batch(5)[0])


def test_a_net_on_a_cpu_is_laid_out_and_so_are_its_images():
    run = parts(small())
    assert run.net.weights()["conv.weight"].stride() == (9, 1, 3, 1)
    assert run.batches["TRAIN"].batch(0)[0].stride() == (64, 1, 8, 1)


def test_the_validation_data_is_tested_while_training_else_the_test_data():
    assert parts(small()).tested_phase == "TEST"
    assert set(parts(small()).batches) == {"TRAIN", "TEST"}
    data = small()
    data["layers"][0]["split"] = 100
    run = parts(data)
    assert run.tested_phase == "VAL"
    assert len(run.batches["VAL"]) == 100
    loop = run.loop()
    assert loop.tested == ("VAL", run.batches["VAL"])
    data["layers"][0]["phase"] = "TRAIN"
    data["layers"][0].pop("split")
    alone = parts(data)
    assert alone.tested_phase is None
    assert alone.loop().tested is None


def test_a_mean_image_given_is_the_one_subtracted():
    data = small()
    data["layers"][0]["transform"] = {"mean": "train"}
    fresh = parts(data)
    assert fresh.mean_image.shape == (1, 8, 8)
    given = build(configured(data), CPU, torch.full((1, 8, 8), 3.0))
    assert torch.equal(given.mean_image, torch.full((1, 8, 8), 3.0))
    difference = given.batches["TEST"].batch(0)[0] - fresh.batches["TEST"].batch(0)[0]
    torch.testing.assert_close(difference[0], fresh.mean_image - 3)
    assert parts(small()).mean_image is None


def test_targets_are_no_classes():
    data = net_data(inner_product("ip", 1))
    loss = {"type": "SigmoidCrossEntropyLoss", "bottom": ["ip", "label"]}
    data["layers"][2:] = [{"name": "loss", **loss}]
    assert torch.isfinite(parts(data).loop().stepper.step(0, Progress()))


def test_the_schedule_has_a_ball_for_each_layer_and_group():
    schedule = schedule_of(configured(small()).solver)
    assert [(b.name, b.weights, b.size, b.t) for b in schedule.balls] == [
        ("conv", ("conv.weight",), 36, 9),
        ("g", ("ip1.weight", "ip2.weight"), 12 * 144 + 120, 184),
    ]


# A checkpoint's net.


def weights_of(data, seed=1):
    return build_net(configured(data).solver.net, seed, CPU).weights()


def test_a_checkpoints_net_is_restored_whole_or_not_at_all():
    configuration = configured(small(), random_seed=5)
    given = weights_of(small(), seed=9)
    net = restored_net(Checkpoint(configuration.data, 7, given), configuration, CPU)
    for name, weight in net.weights().items():
        assert torch.equal(weight, given[name])
    given.pop("ip1.bias")
    given.pop("ip2.weight")
    with pytest.raises(ConfigError, match=r"^the checkpoint lacks ip1.bias, ip2$"):
        restored_net(Checkpoint(configuration.data, 7, given), configuration, CPU)


# Memory.


def test_memory_is_counted_from_the_values_as_they_are():
    net = parts(small()).net
    net.weights()["conv.weight"][0].zero_()
    net.weights()["ip1.weight"].zero_()[3, 5] = -1.0
    memory = counted_memory(net)
    assert [(item.name, item.shape, item.nonzeros, item.biases) for item in memory.layers] == [
        ("conv", (4, 1, 3, 3), 27, 4),
        ("ip1", (12, 144), 1, 12),
        ("ip2", (10, 12), 120, 0),
    ]
    assert memory.total.params == 36 + 4 + 12 * 144 + 12 + 120


def test_memory_is_promised_from_the_counts_with_groups_at_equal_density():
    net = configured(small()).solver.net
    memory = promised_memory(net, {"conv": 9, "g": 184})
    assert [(item.name, item.nonzeros, item.biases) for item in memory.layers] == [
        ("conv", 9, 4),
        ("ip1", 172, 12),
        ("ip2", 12, 0),
    ]
    dense = promised_memory(net, {"conv": 9})
    assert [item.nonzeros for item in dense.layers] == [9, 1728, 120]


def test_what_is_promised_is_what_is_counted_when_the_constraints_hold():
    run = parts(small(), max_iter=1)
    assert {ball.name: t for ball, t in run.loop().balls_in_force()} == {"conv": 9, "g": 184}
    promised = promised_memory(run.config.net, run.schedule.final_counts())
    for item in promised.layers:
        flat = torch.zeros(item.params)
        flat[: item.nonzeros] = 1
        run.net.weights()[f"{item.name}.weight"].copy_(flat.reshape(item.shape))
    counted = counted_memory(run.net)
    assert counted.others == promised.others
    for real, bound in zip(counted.layers, promised.layers, strict=True):
        assert (real.name, real.nonzeros, real.biases) == (bound.name, bound.nonzeros, bound.biases)
        for name, size in real.bytes.items():
            assert size <= bound.bytes[name]
            assert size == bound.bytes[name] or name.startswith(("relative", "periodic", "best"))


def test_the_data_know_how_many_processes_share_the_memory(monkeypatch):
    opened = []
    monkeypatch.setattr(build_module.ranks, "on_machine", lambda: (0, 3))
    monkeypatch.setattr(
        build_module, "open_phases", lambda layers, **keys: opened.append(keys) or {}
    )
    build(configured(net_data(inner_product("ip", 10))), CPU)
    assert [keys["processes"] for keys in opened] == [3]
