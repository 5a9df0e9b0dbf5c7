"""Scores are means over samples, and measuring them changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparsenet.solver.evaluate import evaluate
from sparsenet.workflows.build import Parts
from tests.small import inner_product, net_data, parts


def made(*before, batch_size=48, **data):
    """A linear classifier behind `before`; 48 does not divide the 360 test digits."""
    head = inner_product("ip", 10, bias_filler={"type": "uniform", "min": -1, "max": 1})
    return parts(net_data(*before, head, batch_size=batch_size, **data))


def by_sample(run: Parts, phase, indices=None):
    """Loss and whether the label is met of each sample, from the weights, in float64."""
    weight = run.net.weights()["ip.weight"].double().numpy()
    bias = run.net.weights()["ip.bias"].double().numpy()
    batches = list(run.batches[phase].sweep())
    images = torch.cat([images for images, _ in batches]).flatten(1).double().numpy()
    labels = torch.cat([labels for _, labels in batches]).numpy()
    if indices is not None:
        images, labels = images[indices], labels[indices]
    scores = images @ weight.T + bias
    own = scores[np.arange(len(labels)), labels]
    losses = np.log(np.exp(scores - own[:, None]).sum(1))
    return losses, scores.argmax(1) == labels


@pytest.mark.parametrize("batch_size", [1, 48, 359, 360, 500])
def test_scores_are_means_over_samples_whatever_the_batches(batch_size):
    run = made(batch_size=batch_size)
    score = evaluate(run.net, run.batches["TEST"], "TEST")
    losses, met = by_sample(run, "TEST")
    assert score.samples == len(met) == 360
    assert score.accuracy == pytest.approx(met.mean(), abs=1e-12)
    assert score.loss == pytest.approx(losses.mean(), rel=1e-6)
    assert score.outputs == {"accuracy": score.accuracy, "loss": score.loss}
    assert score.phase == "TEST"


@pytest.mark.parametrize("test_iter", [1, 3, 9])
def test_test_iter_is_so_many_full_batches_from_the_first_sample_wrapping_round(test_iter):
    run = made()
    score = evaluate(run.net, run.batches["TEST"], "TEST", test_iter)
    losses, met = by_sample(run, "TEST", np.arange(test_iter * 48) % 360)
    assert score.samples == test_iter * 48
    assert score.accuracy == pytest.approx(met.mean(), abs=1e-12)
    assert score.loss == pytest.approx(losses.mean(), rel=1e-6)


def test_val_is_scored_by_what_serves_test():
    run = made(split=100)
    score = evaluate(run.net, run.batches["VAL"], "VAL")
    assert (score.phase, score.samples) == ("VAL", 100)
    assert score.accuracy == pytest.approx(by_sample(run, "VAL")[1].mean(), abs=1e-12)


def test_several_losses_add_up_and_the_first_accuracy_counts():
    data = net_data(inner_product("ip", 10))
    data["layers"] += [
        {
            "name": "top3",
            "type": "Accuracy",
            "bottom": ["ip", "label"],
            "top_k": 3,
            "phase": "TEST",
        },
        {
            "name": "half",
            "type": "SoftmaxWithLoss",
            "bottom": ["ip", "label"],
            "loss_weight": 0.5,
        },
    ]
    run = parts(data)
    score = evaluate(run.net, run.batches["TEST"], "TEST")
    assert list(score.outputs) == ["accuracy", "loss", "top3", "half"]
    assert score.accuracy == score.outputs["accuracy"] < score.outputs["top3"]
    assert score.outputs["half"] == score.outputs["loss"]
    assert score.loss == pytest.approx(1.5 * score.outputs["loss"])


def test_without_an_accuracy_there_is_none():
    data = net_data(inner_product("ip", 10))
    data["layers"] = [layer for layer in data["layers"] if layer["type"] != "Accuracy"]
    run = parts(data)
    score = evaluate(run.net, run.batches["TEST"], "TEST")
    assert score.accuracy is None
    assert score.loss == score.outputs["loss"]


def test_without_a_loss_there_is_none():
    data = net_data(inner_product("ip", 10))
    data["layers"][-1]["phase"] = "TRAIN"
    run = parts(data)
    score = evaluate(run.net, run.batches["TEST"], "TEST")
    assert score.loss is None
    assert list(score.outputs) == ["accuracy"]


def test_dropout_is_off():
    dropped = made({"name": "drop", "type": "Dropout", "dropout_ratio": 0.9})
    score = evaluate(dropped.net, dropped.batches["TEST"], "TEST")
    assert score.loss == pytest.approx(by_sample(dropped, "TEST")[0].mean(), rel=1e-6)
    assert evaluate(dropped.net, dropped.batches["TEST"], "TEST") == score


def test_measuring_touches_neither_gradients_nor_weights_nor_random_numbers():
    run = made({"name": "drop", "type": "Dropout"})
    run.net(*run.batches["TRAIN"].batch(0), "TRAIN").loss.backward()
    weights = {name: tensor.clone() for name, tensor in run.net.weights().items()}
    gradients = {blob.name: blob.tensor.grad for blob in run.net.blobs}
    values = {name: gradient.clone() for name, gradient in gradients.items()}
    state = torch.get_rng_state()
    evaluate(run.net, run.batches["TEST"], "TEST", 2)
    assert torch.equal(torch.get_rng_state(), state)
    for blob in run.net.blobs:
        assert blob.tensor.grad is gradients[blob.name]
        assert torch.equal(blob.tensor.grad, values[blob.name])
        assert torch.equal(blob.tensor, weights[blob.name])
    outputs = run.net(*run.batches["TRAIN"].batch(1), "TRAIN")
    outputs.loss.backward()
    assert run.net.training
