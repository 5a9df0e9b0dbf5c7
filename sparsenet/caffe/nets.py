"""Which layers a training net and its test net have, as one list in which each knows its phases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sparsenet.caffe.fields import Fields
from sparsenet.caffe.report import Report
from sparsenet.caffe.state import State, is_in, rules_of
from sparsenet.caffe.text import FieldPath, Source
from sparsenet.caffe.upgrade import current_layers

Phases = tuple[str, ...]
"""Of a layer: empty for both."""


@dataclass(frozen=True)
class NetPart:
    """A NetParameter in a source: the whole of it, or `net_param` of a solver."""

    source: Source
    message: Any
    path: FieldPath = ()


@dataclass(frozen=True)
class Chosen:
    """A layer that is in at least one of the nets."""

    fields: Fields
    phases: Phases


def layers_of_both(part: NetPart, train: State, test: State | None, report: Report) -> list[Chosen]:
    """The layers of one file that is filtered for both nets; those of neither are left out."""
    states = {"TRAIN": train} if test is None else {"TRAIN": train, "TEST": test}
    states = {phase: _with_own(part, state, report) for phase, state in states.items()}
    chosen = []
    for fields in _layers(part, report):
        include, exclude = rules_of(fields)
        phases = tuple(p for p, state in states.items() if is_in(include, exclude, state))
        if not phases:
            place = fields.source.place(fields.path)
            report.leave_out(place, fields.owner, "", "is in neither the net of TRAIN nor of TEST")
            continue
        chosen.append(Chosen(fields, () if phases == tuple(states) else phases))
    return chosen


def layers_of_two(
    train: tuple[NetPart, State], test: tuple[NetPart, State], report: Report
) -> list[Chosen]:
    """The layers of two nets: those alike once for both, others beside their namesakes."""
    ours = layers_of_both(*train, None, report)
    part, state = test
    theirs = [Chosen(it.fields, ("TEST",)) for it in layers_of_both(part, state, None, report)]
    merged: list[Chosen] = []
    for layer in ours:
        alike = next((it for it in theirs if it.fields.owner == layer.fields.owner), None)
        if alike is None:
            merged.append(Chosen(layer.fields, ("TRAIN",)))
            continue
        before = theirs.index(alike)
        merged += theirs[:before]
        del theirs[: before + 1]
        if _is_alike(layer.fields.message, alike.fields.message):
            merged.append(Chosen(layer.fields, ()))
        else:
            merged += [Chosen(layer.fields, ("TRAIN",)), alike]
    return merged + theirs


def _is_alike(one: Any, other: Any) -> bool:
    """Whether two layers compute the same: fillers and multipliers matter to the training alone."""
    return _computing(one) == _computing(other)


def _computing(layer: Any) -> bytes:
    copy = type(layer)()
    copy.CopyFrom(layer)
    for key in ("include", "exclude", "param", "blobs", "phase"):
        copy.ClearField(key)
    for field, value in copy.ListFields():
        if field.message_type is not None and not field.is_repeated:
            for inner in field.message_type.fields:
                if inner.message_type is not None and inner.message_type.name == "FillerParameter":
                    value.ClearField(inner.name)
            if not value.ListFields():
                copy.ClearField(field.name)
    content: bytes = copy.SerializeToString(deterministic=True)
    return content


def _layers(part: NetPart, report: Report) -> list[Fields]:
    written = current_layers(part.source, part.message, part.path, report)
    return [
        Fields(part.source, it.message, it.path, report, _name(it.message, index))
        for index, it in enumerate(written)
    ]


def _name(message: Any, index: int) -> str:
    """The layer's name; one without is named after its type and place."""
    return message.name or f"{message.type.lower()}_{index + 1}"


def _with_own(part: NetPart, state: State, report: Report) -> State:
    """With the state that the net's own file gives, below that of the solver."""
    own = Fields(part.source, part.message.state, (*part.path, "state"), report)
    base = State(state.phase).merged(own)
    level = state.level or base.level
    return State(state.phase, level, base.stages | state.stages)


def names(chosen: Sequence[Chosen]) -> set[str]:
    """All names of blobs that the layers read or write."""
    found: set[str] = set()
    for it in chosen:
        found.update(it.fields.message.bottom, it.fields.message.top)
    return found
