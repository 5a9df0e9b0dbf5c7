"""`--format caffe`: a deployed net as deploy.prototxt and caffemodel, for Caffe's own programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sparsenet.caffe.blobs import serialized
from sparsenet.caffe.messages import as_text, need_protobuf
from sparsenet.caffe.wire import MAX_BYTES
from sparsenet.data.sources import LMDB
from sparsenet.errors import ConfigError, Problem
from sparsenet.exports.inference import ExportError, Inference
from sparsenet.exports.preprocessing import mean_image
from sparsenet.layers.activations import ReLU
from sparsenet.layers.data import Data

MEAN = "mean.binaryproto"


@dataclass(frozen=True)
class Deployed:
    """The text of the net, the bytes of its weights and of its mean image; `output` is a blob.

    `preparing` says in lines what its input is.
    """

    prototxt: str
    caffemodel: bytes
    mean: bytes | None
    output: str
    preparing: list[str]


def encode_caffe(inference: Inference) -> Deployed:
    """A net in the words of Caffe, its layers and blobs under their names.

    Blobs have the bits of the net's tensors. Two layers take two of Caffe's: a BatchNormScale is a
    BatchNorm and a Scale, a ChannelShuffle a Slice and a Concat. Raises ConfigError naming every
    layer that Caffe has not, and without the extra; ExportError for a net larger than a message.
    """
    need_protobuf()
    from sparsenet.exports.caffe.graph import NetWriter  # noqa: PLC0415

    _require_layers(inference)
    size = sum(tensor.nbytes for tensor in inference.tensors.values())
    if size > MAX_BYTES:
        raise ExportError(f"its {size:,} bytes are more than the {MAX_BYTES:,} of a caffemodel")
    writer = NetWriter(inference.net.config.name, inference.tensors)
    data = inference.data
    names = writer.add(inference.images, data.image_shape, data.name, inference.nodes)
    mean = mean_image(inference)
    preparing = list(_preparing(inference, mean=mean is not None))
    comment = "".join(f"# {line}\n" for line in preparing)
    return Deployed(
        comment + as_text(writer.message),
        writer.caffemodel(),
        None if mean is None else serialized(mean[None], legacy=True),
        names[inference.scores],
        preparing,
    )


def _require_layers(inference: Inference) -> None:
    from sparsenet.exports.caffe.layers import WRITERS  # noqa: PLC0415

    problems = []
    for layer in (node.layer for node in inference.nodes):
        if type(layer) not in WRITERS:
            problems.append(Problem("", layer.name, f"Caffe has no {layer.type}"))
        elif isinstance(layer, ReLU) and layer.clip is not None:
            words = f"clip {layer.clip:g}: Caffe's ReLU has no largest value"
            problems.append(Problem("", layer.name, words))
    if problems:
        raise ConfigError(problems)


def _preparing(inference: Inference, *, mean: bool) -> Iterator[str]:
    """What the Data layer does in tests, which a deployed net of Caffe's does not do itself."""
    data, transform = inference.data, inference.data.transform
    size = " x ".join(map(str, data.image_shape))
    yield f"Input {inference.images!r}: {size}, pixels in 0..255{_order(data)}"
    if transform.resize is not None:
        yield f"resized to {_listed(transform.resize)}, bilinear with antialiasing"
    if transform.crop_size is not None:
        yield (
            f"the centre cropped, {transform.crop_size} pixels a side" + ", of the mean too" * mean
        )
    if mean:
        yield f"less the mean image of {MEAN}"
    if transform.mean_value is not None:
        yield f"less {_listed(transform.mean_value)}"
    if transform.scale != 1:
        yield f"times {transform.scale!r}"
    if transform.std is not None:
        yield f"divided by {_listed(transform.std)}"


def _order(data: Data) -> str:
    if data.image_shape[0] != 3:
        return ""
    if data.source == LMDB:
        return ", their channels as the LMDB has them"
    colours = ("red", "green", "blue")[:: -1 if data.color_order == "BGR" else 1]
    return f", {colours[0]} before {colours[1]} before {colours[2]}"


def _listed(numbers: float | Sequence[float]) -> str:
    return ", ".join(map(repr, numbers)) if isinstance(numbers, Sequence) else repr(numbers)
