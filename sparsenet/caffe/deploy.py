"""What a net that is only used lacks of a net here: a loss, which names the scores."""

from __future__ import annotations

from collections.abc import Sequence

from sparsenet.caffe.converters import Keys
from sparsenet.caffe.data_layers import DATA_LAYERS
from sparsenet.caffe.net import Converted, unused
from sparsenet.caffe.nets import Chosen
from sparsenet.caffe.report import Report

_LOSSES = (
    "SoftmaxWithLoss",
    "SigmoidCrossEntropyLoss",
    "MultinomialLogisticLoss",
    "EuclideanLoss",
)


def for_every_phase(chosen: Sequence[Chosen]) -> list[Chosen]:
    """The layers as they are, or where only TEST has data those of TEST, for training too."""
    trained = [it for it in chosen if it.phases != ("TEST",)]
    if any(it.fields.message.type in DATA_LAYERS for it in trained):
        return list(chosen)
    return [Chosen(it.fields, ()) for it in chosen if it.phases != ("TRAIN",)]


def add_loss(net: Converted, report: Report) -> tuple[str, ...]:
    """A SoftmaxWithLoss and an Accuracy of the scores, where nothing is a loss: their names.

    The scores are the last blob, or what the Softmax at the end reads.
    """
    data = [layer for layer in net.layers if layer["type"] == "Data"]
    losses = [it for it in net.layers if it["type"] in _LOSSES and it.get("phase") != "TEST"]
    if losses or not data or data[-1] is net.layers[-1]:
        return ()
    last = net.layers[-1]
    scores = last["bottom"] if last["type"] == "Softmax" else _top(last)
    names = {layer["name"] for layer in net.layers} | {_top(layer) for layer in net.layers}
    loss, accuracy = unused("loss", names), unused("accuracy", names)
    bottom = [scores, data[-1]["top"][1]]
    net.layers += [
        {"name": accuracy, "type": "Accuracy", "bottom": bottom, "phase": "TEST"},
        {"name": loss, "type": "SoftmaxWithLoss", "bottom": bottom},
    ]
    words = "which names the scores: a net without a loss is not trained or tested here"
    report.note(f"{loss} and {accuracy} of {scores} were added, {words}")
    return accuracy, loss


def _top(layer: Keys) -> str:
    """The first blob that a layer writes."""
    tops = layer["top"] if "top" in layer else layer["name"]
    first: str = tops if isinstance(tops, str) else tops[0]
    return first
