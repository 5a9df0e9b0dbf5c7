"""Every registered layer as Caffe's: what it is written as, imported again, computes the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from google.protobuf import text_format
from hypothesis import given, settings
from torch import Tensor, nn

from sparsenet.caffe.caffe_pb2 import NetParameter
from sparsenet.caffe.converters import CONVERTERS
from sparsenet.caffe.fields import Fields
from sparsenet.caffe.report import Report
from sparsenet.caffe.text import Source
from sparsenet.caffe.weights import read_weights
from sparsenet.config.graph import Node
from sparsenet.exports.caffe.graph import NetWriter, Place
from sparsenet.exports.caffe.layers import WRITERS
from sparsenet.layers import LAYERS
from sparsenet.layers.base import Layer, Shape
from tests.contracts.layer_examples import (
    EXAMPLES,
    FILLED,
    IMAGE,
    SOURCES,
    batch,
    built,
    is_judge,
    poolings,
)

Bottoms = tuple[Shape, ...]
MORE: list[tuple[str, dict[str, Any], Bottoms]] = [
    ("BatchNorm", {"use_global_stats": False, "eps": 0.125}, (IMAGE,)),
    ("BatchNormScale", {**FILLED, "use_global_stats": False}, (IMAGE,)),
    ("Convolution", {"num_output": 3, "kernel_size": [1, 2], "stride": [2, 1]}, (IMAGE,)),
    ("Convolution", {"num_output": 2, "kernel_size": 2, "dilation": [1, 2]}, (IMAGE,)),
    ("Convolution", {"num_output": 8, "kernel_size": 3, "pad": [1, 2],
                     "kernel_pattern": "PS2_P6", **FILLED}, (IMAGE,)),
    ("Pooling", {"kernel_size": 2, "stride": 2, "round_mode": "FLOOR"}, ((1, 5, 5),)),
    ("Pooling", {"kernel_size": [3, 2], "pad": [1, 0], "pool": "AVE"}, (IMAGE,)),
    ("Eltwise", {"operation": "SUM", "coeff": [1, 1]}, (IMAGE, IMAGE)),
]  # fmt: skip
COMPUTED = [each for each in (*EXAMPLES, *MORE) if not is_judge(LAYERS[each[0]])]
COMPUTED = [each for each in COMPUTED if each[0] != "Data" and "clip" not in each[1]]
TWO_ROUNDINGS = {"BatchNormScale"}


def again(message: Any, bottoms: Bottoms) -> tuple[nn.Module, tuple[Shape, ...]]:
    """A layer of Caffe's as it is imported, and the shapes of its tops."""
    report = Report()
    keys = CONVERTERS[message.type](Fields(Source("file", message), message, (), report))
    names = {"name": message.name, "type": message.type, "top": list(message.top)}
    layer = LAYERS[message.type].model_validate({**names, **keys})
    assert report.problems == []
    module = layer.build(bottoms, torch.Generator().manual_seed(0))
    return module.eval(), layer.output_shapes(bottoms)


def results(
    layer: Layer, module: nn.Module, bottoms: Bottoms, folder: Path
) -> tuple[list[Tensor], list[Tensor]]:
    """The tops of a layer in a test, and of what it is written as, text and weights."""
    module = module.eval()
    for buffer in module.buffers():
        buffer.uniform_(0.5, 2, generator=torch.Generator().manual_seed(7))
    tensors = dict(module.named_parameters()) | dict(module.named_buffers())
    names = tuple(f"bottom{place}" for place in range(len(bottoms)))
    node = Node(0, layer, names, layer.top_names, bottoms, layer.output_shapes(bottoms))
    writer = NetWriter("net", {f"layer.{name}": tensor for name, tensor in tensors.items()})
    WRITERS[type(layer)](layer, Place(writer, node, names, layer.top_names))

    (folder / "net").write_bytes(writer.caffemodel())
    weights = read_weights(folder / "net") if tensors else {}
    blobs = dict(zip(names, (tensor.float() for tensor in batch(layer, bottoms)), strict=True))
    with torch.inference_mode():
        expected = module(*blobs.values())
        for message in text_format.Parse(str(writer.message), NetParameter()).layer:
            read = [blobs[name] for name in message.bottom]
            made, _ = again(message, tuple(tuple(blob.shape[1:]) for blob in read))
            own = dict(made.named_parameters()) | dict(made.named_buffers())
            for name, tensor in own.items():
                tensor.copy_(weights[f"{message.name}.{name}"])
            found = made(*read)
            tops = found if isinstance(found, tuple) else (found,)
            blobs.update(zip(message.top, tops, strict=True))
    wanted = expected if isinstance(expected, tuple) else (expected,)
    return [blobs[top] for top in layer.top_names], list(wanted)


def test_every_layer_that_computes_is_written() -> None:
    computing = {kind for name, kind in LAYERS.items() if name not in SOURCES}
    assert set(WRITERS) == {kind for kind in computing if not is_judge(kind)}


@pytest.mark.parametrize(
    ("name", "keys", "bottoms"),
    [pytest.param(*each, id=f"{i}-{each[0]}") for i, each in enumerate(COMPUTED)],
)
def test_a_layer_is_imported_as_what_it_was(
    name: str, keys: dict[str, Any], bottoms: Bottoms, tmp_path: Path
) -> None:
    found, expected = results(*built(name, keys, bottoms), bottoms, tmp_path)
    for one, other in zip(found, expected, strict=True):
        if name in TWO_ROUNDINGS:
            torch.testing.assert_close(one, other)
        else:
            assert torch.equal(one, other)


@settings(max_examples=60, deadline=None)
@given(poolings())
def test_pooling_keeps_its_windows_and_borders(
    tmp_path_factory: pytest.TempPathFactory, pooling: tuple[Layer, nn.Module, Bottoms]
) -> None:
    layer, module, bottoms = pooling
    found, expected = results(layer, module, bottoms, tmp_path_factory.mktemp("net"))
    assert torch.equal(found[0], expected[0])
