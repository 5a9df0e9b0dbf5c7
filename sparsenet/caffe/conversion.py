"""A prototxt file, and those that it names, as the plain data of solver and net files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sparsenet.caffe.converters import Keys
from sparsenet.caffe.data_layers import Look, Shape
from sparsenet.caffe.deploy import add_loss, for_every_phase
from sparsenet.caffe.fields import Fields
from sparsenet.caffe.files import Beside, has_layers, read_prototxt
from sparsenet.caffe.net import Converted, convert_net
from sparsenet.caffe.nets import NetPart, layers_of_both
from sparsenet.caffe.report import Report
from sparsenet.caffe.solver import convert_solver, solver_nets
from sparsenet.caffe.state import State
from sparsenet.caffe.text import Source

ShapeOf = Callable[[Path], Shape | None]


@dataclass(frozen=True)
class Conversion:
    """What a file says: `solver` is None of a net. Not checked, and wrong where the report says so.

    The solver's keys are in the order of Caffe's definition, its net left out. `added` are the
    layers of the net that are in no file.
    """

    source: Source
    solver: Keys | None
    net: Converted
    report: Report
    added: tuple[str, ...] = ()


def convert(path: Path, shape: Shape | None, stored: ShapeOf, mean: ShapeOf) -> Conversion:
    """Convert a solver with its net, or a net alone, which gets a loss where it has none.

    `shape` is what the user says of the stored images; `stored` and `mean` tell it of an LMDB and
    of a mean file. Raises ConfigError and CaffeError for a file that cannot be read, and for
    layers of types that there are not here.
    """
    source, report = read_prototxt(path), Report()
    beside = Beside(path)
    look = Look(shape, beside.find, stored, mean)
    if has_layers(source):
        part = NetPart(source, source.message)
        both = layers_of_both(part, State("TRAIN"), State("TEST"), report)
        net = convert_net(part, for_every_phase(both), look, report)
        return Conversion(source, None, net, report, add_loss(net, report))
    solver = convert_solver(Fields(source, source.message, (), report))
    part, chosen = solver_nets(source, beside.net, report)
    return Conversion(source, solver, convert_net(part, chosen, look, report), report)
