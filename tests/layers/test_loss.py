"""The losses of labels and Accuracy against Caffe's loops, and their messages."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from sparsenet import ranks
from sparsenet.layers.base import ShapeError
from sparsenet.layers.loss import Accuracy, MultinomialLogisticLoss, SoftmaxWithLoss


def positions(scores, labels):
    """Each label with the scores of its position."""
    for n, *where in np.ndindex(scores.shape[0], *scores.shape[2:]):
        yield scores[(n, slice(None), *where)], labels[(n, *where)]


def caffe_loss(scores, labels, ignore, normalization, smoothing=0.0):
    total, counted = 0.0, 0
    for row, label in positions(scores, labels):
        if label != ignore:
            for i, score in enumerate(row):
                target = smoothing / len(row) + (1 - smoothing) * (i == label)
                total -= target * math.log(np.exp(score) / np.exp(row).sum())
            counted += 1
    counts = {
        "VALID": counted,
        "FULL": labels.size,
        "BATCH_SIZE": labels.shape[0],
        "NONE": 1,
    }
    return total / max(counts[normalization], 1)


def caffe_accuracy(scores, labels, ignore, top_k):
    met, counted = 0, 0
    for row, label in positions(scores, labels):
        if label != ignore:
            better = -1 + sum(score >= row[label] for score in row)
            met += better < top_k
            counted += 1
    return met / max(counted, 1)


cases = given(
    space=st.lists(st.integers(1, 3), max_size=2),
    classes=st.integers(1, 4),
    ignore=st.sampled_from([None, 0, 2, -1]),
    seed=st.integers(0, 2**16),
    data=st.data(),
)


def draw(space, classes, ignore, seed):
    """Scores among few values, so that ties are common, and labels, some of them ignored."""
    generator = np.random.default_rng(seed)
    scores = generator.integers(-2, 3, size=(3, classes, *space)).astype(float)
    labels = generator.integers(0, classes, size=(3, *space))
    if ignore is not None:
        labels[generator.random(labels.shape) < 0.3] = ignore
    return scores, labels


def run(layer, scores, labels):
    bottoms = (scores.shape[1:], labels.shape[1:])
    assert layer.output_shapes(bottoms) == ((),)
    module = layer.build(bottoms, torch.Generator())
    return module(torch.tensor(scores), torch.tensor(labels))


@cases
@settings(max_examples=60, deadline=None)
def test_the_loss_is_caffes(space, classes, ignore, seed, data):
    normalization = data.draw(st.sampled_from(["VALID", "FULL", "BATCH_SIZE", "NONE"]))
    smoothing = data.draw(st.sampled_from([0.0, 0.1, 0.5]))
    ignore = None if ignore == 2 and classes < 3 else ignore
    scores, labels = draw(space, classes, ignore, seed)
    keys = {"ignore_label": ignore, "normalization": normalization}
    layer = SoftmaxWithLoss(name="l", label_smoothing=smoothing, **keys)
    expected = caffe_loss(scores, labels, ignore, normalization, smoothing)
    assert run(layer, scores, labels).item() == pytest.approx(expected, rel=1e-12, abs=1e-12)


@cases
@settings(max_examples=60, deadline=None)
def test_the_accuracy_is_caffes(space, classes, ignore, seed, data):
    top_k = data.draw(st.integers(1, classes))
    scores, labels = draw(space, classes, ignore, seed)
    layer = Accuracy(name="a", ignore_label=ignore, top_k=top_k)
    expected = caffe_accuracy(scores, labels, ignore, top_k)
    assert run(layer, scores, labels).item() == expected


def test_the_gradient_is_probability_minus_label_over_the_batch():
    scores = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 2, 1, 1])
    layer = SoftmaxWithLoss(name="l")
    layer.build(((3,), ()), torch.Generator())(scores, labels).backward()
    shifted = np.exp(scores.detach().numpy())
    expected = (shifted / shifted.sum(1, keepdims=True) - np.eye(3)[labels]) / 4
    np.testing.assert_allclose(scores.grad.numpy(), expected, atol=1e-15)


def test_without_smoothing_the_loss_is_torchs_bit_for_bit():
    scores, labels = torch.randn(64, 10), torch.randint(0, 10, (64,))
    module = SoftmaxWithLoss(name="l").build(((10,), ()), torch.Generator())
    assert torch.equal(
        module(scores, labels), F.cross_entropy(scores, labels, reduction="sum") / 64
    )


@pytest.mark.parametrize("ignore", [None, 1])
def test_smoothed_labels_are_torchs(ignore):
    scores, labels = torch.randn(64, 10), torch.randint(0, 10, (64,))
    layer = SoftmaxWithLoss(name="l", label_smoothing=0.1, ignore_label=ignore)
    ignore_index = -100 if ignore is None else ignore
    expected = F.cross_entropy(scores, labels, ignore_index=ignore_index, label_smoothing=0.1)
    torch.testing.assert_close(
        layer.build(((10,), ()), torch.Generator())(scores, labels), expected
    )


@cases
@settings(max_examples=60, deadline=None)
def test_of_probabilities_the_loss_is_that_of_their_scores(space, classes, ignore, seed, data):
    normalization = data.draw(st.sampled_from(["VALID", "FULL", "BATCH_SIZE", "NONE"]))
    scores, labels = draw(space, classes, ignore, seed)
    keys = {"ignore_label": ignore, "normalization": normalization}
    layer = MultinomialLogisticLoss(name="l", **keys)
    shifted = np.exp(scores - scores.max(1, keepdims=True))
    expected = caffe_loss(scores, labels, ignore, normalization)
    found = run(layer, shifted / shifted.sum(1, keepdims=True), labels).item()
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_a_probability_of_zero_costs_what_caffes_threshold_does():
    loss = run(MultinomialLogisticLoss(name="l"), np.array([[1.0, 0.0]]), np.array([1]))
    assert loss.item() == pytest.approx(-np.log(1e-20), rel=1e-12)


@pytest.mark.parametrize("normalization", ["VALID", "FULL", "BATCH_SIZE", "NONE"])
def test_the_mean_over_processes_is_the_loss_of_the_whole_batch(normalization, monkeypatch):
    scores, labels = torch.randn(8, 3), torch.tensor([0, 1, 2, 2, 0, 0, 0, 1])
    keys = {"ignore_label": 0, "normalization": normalization}
    module = SoftmaxWithLoss(name="l", **keys).build(((3,), ()), torch.Generator())
    whole = module(scores, labels)
    monkeypatch.setattr(ranks, "size", lambda: 2)
    monkeypatch.setattr(ranks, "sum_", lambda own: own - own + (labels != 0).sum())
    halves = [module(scores[part], labels[part]) for part in (slice(4), slice(4, 8))]
    torch.testing.assert_close(sum(halves) / 2, whole)


def test_labels_that_were_computed_count_by_their_whole_part():
    scores, labels = torch.randn(4, 3), torch.tensor([0, 2, 1, 1])
    for record in (SoftmaxWithLoss(name="l"), Accuracy(name="a")):
        module = record.build(((3,), ()), torch.Generator())
        assert torch.equal(module(scores, labels), module(scores, labels + 0.7))


def test_a_batch_of_ignored_labels_has_neither_loss_nor_gradient_nor_accuracy():
    scores = torch.randn(2, 3, requires_grad=True)
    labels = torch.tensor([7, 7])
    bottoms = ((3,), ())
    loss = SoftmaxWithLoss(name="l", ignore_label=7).build(bottoms, torch.Generator())
    loss(scores, labels).backward()
    accuracy = Accuracy(name="a", ignore_label=7).build(bottoms, torch.Generator())
    assert not scores.grad.any()
    assert accuracy(scores, labels).item() == 0


def test_a_large_wrong_score_costs_its_size_beyond_caffes_limit():
    loss = run(SoftmaxWithLoss(name="l"), np.array([[1000.0, 0.0]]), np.array([1]))
    assert loss.item() == 1000


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_equal_scores_and_nan_are_right_for_all_classes_only(value):
    scores, labels = np.full((2, 3), value), np.array([0, 2])
    accuracies = [run(Accuracy(name="a", top_k=k), scores, labels).item() for k in (1, 2, 3)]
    assert accuracies == [0, 0, 1]


def test_a_net_knows_them_by_their_class():
    assert SoftmaxWithLoss.is_loss
    assert not SoftmaxWithLoss.is_accuracy
    assert Accuracy.is_accuracy
    assert not Accuracy.is_loss
    assert SoftmaxWithLoss.bottoms == Accuracy.bottoms == 2


def test_accuracy_has_no_gradient():
    scores = torch.randn(2, 3, requires_grad=True)
    module = Accuracy(name="a").build(((3,), ()), torch.Generator())
    assert not module(scores, torch.tensor([0, 1])).requires_grad


@pytest.mark.parametrize(
    ("layer", "bottoms", "message"),
    [
        (
            SoftmaxWithLoss(name="l"),
            ((), (10,)),
            "SoftmaxWithLoss needs scores as its first bottom, not labels or a loss",
        ),
        (
            SoftmaxWithLoss(name="l"),
            ((10,), (3, 4, 4)),
            "SoftmaxWithLoss needs 1 label an example as its second bottom, for scores of shape "
            "(10,), not (3, 4, 4)",
        ),
        (
            Accuracy(name="a"),
            ((10, 2, 3), ()),
            "Accuracy needs 6 labels an example as its second bottom, for scores of shape "
            "(10, 2, 3), not ()",
        ),
        (
            Accuracy(name="a", top_k=5),
            ((4,), ()),
            "Accuracy's top_k, 5, must be at most its 4 classes",
        ),
    ],
)
def test_shapes_that_do_not_fit(layer, bottoms, message):
    with pytest.raises(ShapeError) as error:
        layer.output_shapes(bottoms)
    assert str(error.value) == message
