"""No field of Caffe's messages is lost in silence: each is carried over, named, or listed here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sparsenet.caffe.caffe_pb2 import LayerParameter, NetParameter, SolverParameter
from sparsenet.caffe.converters import CONVERTERS
from sparsenet.caffe.data_layers import DATA_LAYERS, Look
from sparsenet.caffe.fields import Fields
from sparsenet.caffe.report import Report
from sparsenet.caffe.solver import convert_solver
from sparsenet.caffe.text import Source
from tests.caffe.prototxt import NAME, Result, convert_source

# What changes no number: where it is computed, how its memory is read, what Caffe itself ignores.
NOTHING = {
    "convolution_param.engine",
    "convolution_param.force_nd_im2col",
    "pooling_param.engine",
    "lrn_param.engine",
    "relu_param.engine",
    "sigmoid_param.engine",
    "softmax_param.engine",
    "tanh_param.engine",
    "eltwise_param.stable_prod_grad",
    "data_param.prefetch",
    "param.share_mode",
}
# By layer type, besides: of statistics that are not trained, no multiplier has an effect.
ALSO_NOTHING = {"BatchNorm": {"param.decay_mult"}}
# Dealt with before a layer is converted, or what makes it the layer that it is.
ELSEWHERE = {"name", "type", "include", "exclude"}
LOOK = Look((3, 8, 8), lambda _: None, lambda _: None, lambda _: None)


def leaves(kind: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every field of a message, as the fields on the way to it."""
    for field in kind.fields:
        if field.message_type is None:
            yield (*above, field)
        elif field.name != "blobs":
            yield from leaves(field.message_type, (*above, field))


def set_leaf(message: Any, path: tuple[Any, ...]) -> None:
    """Set a field to what is not its default."""
    *above, last = path
    for field in above:
        inner = getattr(message, field.name)
        message = (inner or [inner.add()])[0] if field.is_repeated else inner
    value = other(last)
    if last.is_repeated:
        getattr(message, last.name)[:] = [value, value]
    else:
        setattr(message, last.name, value)


def other(field: Any) -> Any:
    default = None if field.is_repeated else field.default_value
    if field.enum_type is not None:
        return next(v.number for v in field.enum_type.values if v.number != default)
    if field.cpp_type == field.CPPTYPE_BOOL:
        return not default and not field.is_repeated
    if field.cpp_type == field.CPPTYPE_STRING:
        return "other"
    return (default or 0) + (0.25 if field.cpp_type == field.CPPTYPE_FLOAT else 3)


def example(kind: str) -> LayerParameter:
    """A layer with what its converter needs to be asked for."""
    bottom = ["a", "b"] if kind in CONVERTERS else []
    layer = LayerParameter(name="x", type=kind, bottom=bottom, top=["t", "label"])
    if kind == "Input":
        layer.input_param.shape.add().dim.extend([2, 3, 8, 8])
    if kind == "DummyData":
        layer.dummy_data_param.shape.add().dim.extend([2, 3, 8, 8])
    if kind == "ImageData":
        layer.image_data_param.new_height = layer.image_data_param.new_width = 8
    return layer


def converted(layer: LayerParameter) -> Result:
    return convert_source(Source(NAME, NetParameter(layer=[layer])), LOOK)


@pytest.mark.parametrize("kind", [*CONVERTERS, *DATA_LAYERS])
def test_every_field_of_a_layer_is_carried_over_or_named(kind: str) -> None:
    before = converted(example(kind))
    lost = []
    for path in leaves(LayerParameter.DESCRIPTOR):
        key = ".".join(field.name for field in path)
        if path[0].name in ELSEWHERE or key in NOTHING | ALSO_NOTHING.get(kind, set()):
            continue
        layer = example(kind)
        set_leaf(layer, path)
        if not _tells(converted(layer), before, path):
            lost.append(key)
    assert lost == []


def _tells(after: Result, before: Result, path: tuple[Any, ...]) -> bool:
    """Whether the keys or notes differ, or some message names the field or what it is in."""
    if (after.layers, after.report.notes) != (before.layers, before.report.notes):
        return True
    words = [*after.problems, *after.warnings]
    keys = {".".join(field.name for field in path[:end]) for end in range(1, len(path) + 1)}
    return any(key in line for line in words for key in keys)


def test_every_field_of_a_solver_is_carried_over_or_named() -> None:
    nets = {"net", "net_param", "train_net", "train_net_param", "test_net", "test_net_param"}
    given = nets | {"train_state", "test_state"}
    lost = []
    for field in SolverParameter.DESCRIPTOR.fields:
        solver = SolverParameter(lr_policy="fixed")
        before, _ = _solver(solver)
        if field.name in given | {"layer_wise_reduce"}:
            continue
        set_leaf(solver, (field,))
        after, report = _solver(solver)
        if after == before and not any(
            field.name in line for line in [*report.warnings(), *report.notes]
        ):
            lost.append(field.name)
    assert lost == []


def _solver(solver: SolverParameter) -> tuple[dict[str, Any], Report]:
    report = Report()
    return convert_solver(Fields(Source(NAME, solver), solver, (), report)), report


def test_the_list_of_what_changes_nothing_names_what_there_is() -> None:
    known = {".".join(f.name for f in path) for path in leaves(LayerParameter.DESCRIPTOR)}
    assert known >= NOTHING
