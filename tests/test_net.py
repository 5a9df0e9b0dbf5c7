"""From a net's records to a module: phases, blobs, seeds, and what is not finite."""

import math

import pytest
import torch

from sparsenet.net import Net
from tests.small import configured, convolution, inner_product, net_data

TWICE = [{"lr_mult": 1, "decay_mult": 3}, {"lr_mult": 2, "decay_mult": 0}]


def made(data, seed=0):
    return Net(configured(data).solver.net, torch.Generator().manual_seed(seed))


def small(**data):
    return net_data(
        convolution("conv", 3, param=TWICE),
        {"name": "drop", "type": "Dropout"},
        inner_product("hidden", 12, bias_term=False),
        {"name": "relu", "type": "ReLU", "top": "hidden"},
        inner_product("ip", 10),
        **data,
    )


def batch(count=4):
    generator = torch.Generator().manual_seed(7)
    return torch.randn(count, 1, 8, 8, generator=generator), torch.arange(count)


def test_a_seed_fixes_every_weight():
    one, same, other = made(small(), 5), made(small(), 5), made(small(), 6)
    for name, weight in one.weights().items():
        assert torch.equal(weight, same.weights()[name])
        if name.endswith(".weight"):
            assert not torch.equal(weight, other.weights()[name])


def test_the_seed_is_all_that_weights_depend_on():
    torch.manual_seed(1)
    one = made(small())
    torch.manual_seed(2)
    torch.rand(5)
    state = torch.get_rng_state()
    assert torch.equal(one.weights()["ip.weight"], made(small()).weights()["ip.weight"])
    assert torch.equal(torch.get_rng_state(), state)


def test_blobs_are_named_by_layer_in_the_nets_order():
    net = made(small())
    assert [(blob.name, blob.index) for blob in net.blobs] == [
        ("conv.weight", 0),
        ("conv.bias", 1),
        ("hidden.weight", 0),
        ("ip.weight", 0),
        ("ip.bias", 1),
    ]
    assert [(blob.lr_mult, blob.decay_mult) for blob in net.blobs] == [
        (1, 3),
        (2, 0),
        (1, 1),
        (1, 1),
        (1, 1),
    ]
    assert list(net.weights()) == [blob.name for blob in net.blobs]
    assert len(net.state_dict()) == len(net.blobs)


def test_weights_share_memory_with_the_net_and_know_no_gradient():
    net = made(small())
    net.weights()["ip.weight"].fill_(2.0)
    assert (net.blobs[3].tensor == 2).all()
    assert not net.weights()["ip.weight"].requires_grad


def test_a_phase_computes_its_own_layers_and_all_share_the_weights():
    net = made(small(split=100))
    assert set(net.graphs) == {"TRAIN", "VAL", "TEST"}
    train = net(*batch(), "TRAIN").blobs
    test = net(*batch(), "TEST").blobs
    assert list(train) == ["data", "label", "conv", "drop", "hidden", "ip", "loss"]
    assert list(test) == ["data", "label", "conv", "drop", "hidden", "ip", "accuracy", "loss"]
    assert torch.equal(train["conv"], test["conv"])
    assert torch.equal(test["ip"], net(*batch(), "VAL").blobs["ip"])
    assert set(made(small()).graphs) == {"TRAIN", "TEST"}


def test_dropout_acts_in_train_alone():
    net = made(small())
    torch.manual_seed(0)
    train = net(*batch(), "TRAIN").blobs["drop"]
    again = net(*batch(), "TRAIN").blobs["drop"]
    assert not torch.equal(train, again)
    test = net(*batch(), "TEST").blobs
    assert torch.equal(test["drop"], test["conv"])


def test_a_layer_in_place_writes_over_its_bottom():
    net = made(small())
    blobs = net(*batch(), "TEST").blobs
    expected = torch.nn.functional.linear(blobs["drop"].flatten(1), net.weights()["hidden.weight"])
    torch.testing.assert_close(blobs["hidden"], expected.clamp(min=0))


def test_layers_of_one_phase_have_modules_of_their_own():
    data = small()
    data["layers"][1:1] = [
        {"name": "smooth", "type": "TanH", "top": "same", "phase": "TRAIN"},
        {"name": "sharp", "type": "ReLU", "top": "same", "phase": "TEST"},
    ]
    net = made(data)
    images, labels = batch()
    assert torch.equal(net(images, labels, "TRAIN").blobs["same"], images.tanh())
    assert torch.equal(net(images, labels, "TEST").blobs["same"], images.clamp(min=0))


def test_a_phase_may_have_larger_images_where_they_are_pooled_whole():
    pool = {"name": "all", "type": "Pooling", "pool": "AVE", "global_pooling": True}
    data = net_data(convolution("conv", 3), pool, inner_product("ip", 10), phase="TRAIN")
    larger = data["layers"][0] | {"phase": "TEST", "transform": {"resize": 12}}
    data["layers"].insert(0, larger)
    net = made(data)
    images, labels = torch.rand(4, 1, 12, 12), torch.arange(4)
    blobs = net(images, labels, "TEST").blobs
    torch.testing.assert_close(blobs["all"], blobs["conv"].mean((2, 3), keepdim=True))
    assert net(images[..., :8, :8], labels, "TRAIN").blobs["all"].shape == (4, 3, 1, 1)


def test_losses_add_up_with_their_weights():
    data = small()
    second = {"name": "aside", "type": "SoftmaxWithLoss", "bottom": ["hidden", "label"]}
    data["layers"].append(second | {"loss_weight": 0.25})
    net = made(data)
    assert net.loss_weights("TRAIN") == {"loss": 1, "aside": 0.25}
    outputs = net(*batch(), "TEST")
    labels = outputs.blobs["label"]
    plain = torch.nn.functional.cross_entropy(outputs.blobs["hidden"], labels)
    torch.testing.assert_close(outputs.blobs["aside"], plain)
    torch.testing.assert_close(outputs.loss, outputs.blobs["loss"] + 0.25 * plain)


def test_the_loss_of_equal_scores_is_log_of_the_classes():
    data = net_data(inner_product("ip", 10, weight_filler={"type": "constant", "value": 0.5}))
    assert made(data)(*batch(), "TRAIN").loss.item() == pytest.approx(math.log(10))


def test_a_phase_says_what_a_test_of_it_reports():
    net = made(small())
    assert net.scalar_outputs("TEST") == ["accuracy", "loss"]
    assert net.scalar_outputs("TRAIN") == ["loss"]
    assert net.accuracy_blob("TEST") == "accuracy"
    assert net.accuracy_blob("TRAIN") is None
    data = small()
    data["layers"][-1]["phase"] = "TRAIN"
    other = made(data)
    assert other.loss_weights("TEST") == {}
    assert other(*batch(), "TEST").loss is None


def test_gradients_are_of_the_loss():
    data = net_data(inner_product("ip", 10))
    net = made(data).double()
    images, labels = batch()
    net(images.double(), labels, "TRAIN").loss.backward()
    pixels = images.double().flatten(1)
    scores = pixels @ net.weights()["ip.weight"].T
    wrong = scores.softmax(1)
    wrong[torch.arange(4), labels] -= 1
    torch.testing.assert_close(net.blobs[0].tensor.grad, wrong.T @ pixels / 4)
    torch.testing.assert_close(net.blobs[1].tensor.grad, wrong.mean(0))


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_the_first_layer_that_is_not_finite_is_the_first_in_the_nets_order(value):
    net = made(small())
    assert net.first_not_finite() is None
    for name, layer in (("ip.bias", "ip"), ("hidden.weight", "hidden"), ("conv.bias", "conv")):
        net.weights()[name].view(-1)[0] = value
        assert net.first_not_finite() == f"the weights of {layer}"


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_the_first_blob_that_is_not_finite_is_the_first_in_the_layers_order(value):
    net = made(net_data(inner_product("ip1", 12), inner_product("ip2", 10)))
    images, labels = batch()
    assert net(images, labels, "TEST").first_not_finite() is None
    net.weights()["ip2.bias"][0] = value
    assert net(images, labels, "TEST").first_not_finite() == "ip2"
    net.weights()["ip1.bias"][0] = value
    assert net(images, labels, "TEST").first_not_finite() == "ip1"
    images[0, 0, 0, 0] = value
    assert net(images, labels, "TEST").first_not_finite() == "data"
