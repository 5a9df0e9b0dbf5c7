"""Prototxt in a text of the test, converted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sparsenet.caffe.caffe_pb2 import NetParameter, SolverParameter
from sparsenet.caffe.data_layers import Look
from sparsenet.caffe.fields import Fields
from sparsenet.caffe.net import Converted, convert_net
from sparsenet.caffe.nets import NetPart, layers_of_both
from sparsenet.caffe.report import Report
from sparsenet.caffe.solver import convert_solver
from sparsenet.caffe.state import State
from sparsenet.caffe.text import Source, parse

NOWHERE = Look(None, lambda _: None, lambda _: None, lambda _: None)
NAME = "net.prototxt"


def net_source(text: str) -> Source:
    return parse(NAME, text, NetParameter)


@dataclass
class Result:
    """A conversion with what it reports, in words."""

    net: Converted
    report: Report = field(repr=False)

    @property
    def layers(self) -> list[dict[str, Any]]:
        return self.net.layers

    @property
    def problems(self) -> list[str]:
        return [f"{place}: {key}: {words}" for place, key, words in self.report.problems]

    @property
    def warnings(self) -> list[str]:
        return self.report.warnings()


def convert_source(source: Source, look: Look = NOWHERE) -> Result:
    """Of a net, for TRAIN and TEST."""
    report, part = Report(), NetPart(source, source.message)
    chosen = layers_of_both(part, State("TRAIN"), State("TEST"), report)
    return Result(convert_net(part, chosen, look, report), report)


def convert_text(text: str, look: Look = NOWHERE) -> Result:
    return convert_source(net_source(text), look)


def keys_of(layer: str, look: Look = NOWHERE) -> dict[str, Any]:
    """Of the one layer whose fields these are, without its wiring; nothing may be reported."""
    result = convert_text(f'layer {{ name: "x" {layer} }}', look)
    assert (result.problems, result.warnings) == ([], [])
    [keys] = result.layers
    return {key: value for key, value in keys.items() if key not in ("name", "bottom", "top")}


def refused(layer: str, look: Look = NOWHERE) -> list[str]:
    """What is wrong with the one layer whose fields these are."""
    return convert_text(f'layer {{ name: "x" {layer} }}', look).problems


def convert_solver_text(text: str) -> tuple[dict[str, Any], Report]:
    source, report = parse(NAME, text, SolverParameter), Report()
    return convert_solver(Fields(source, source.message, (), report)), report
