"""`sparsenet summary`: a net layer by layer, as its configuration alone tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any

from sparsenet.config.graph import Graph, Node, build_graph
from sparsenet.config.load import from_data, load_net, load_solver
from sparsenet.config.net import NetConfig
from sparsenet.config.read import read_yaml
from sparsenet.errors import ConfigError, Problem, printable
from sparsenet.files import write_text
from sparsenet.layers.base import ParameterLayer, Phase, Shape, WeightedLayer
from sparsenet.layers.convolution import Convolution
from sparsenet.plots.dot import DOT_BEGINS, dot_text
from sparsenet.tables import aligned
from sparsenet.workflows.models import load_model

PNG_BEGINS = b"\x89PNG"


@dataclass(frozen=True)
class DescribedLayer:
    """A layer in its place; shapes and counts are those of one example.

    `detail` is what its keys say beside the type: a window, groups, an operation.
    `parameter_shapes` are of what is trained, not of statistics such as BatchNorm's, and
    `parameters` how many numbers are, without the weights that a kernel_pattern leaves out.
    `index_bits` say which these are.
    """

    name: str
    type: str
    detail: str
    bottom: tuple[str, ...]
    top: tuple[str, ...]
    output_shapes: tuple[Shape, ...]
    parameter_shapes: tuple[Shape, ...]
    parameters: int
    multiply_accumulates: int
    index_bits: int = 0


@dataclass(frozen=True)
class DescribedNet:
    """One phase of a net: its Data layer and then the others in the order they compute.

    `index_bits` are of its kernel patterns, a table that several layers have being stored once.
    """

    name: str
    phase: Phase
    layers: tuple[DescribedLayer, ...]
    index_bits: int = 0

    @property
    def parameters(self) -> int:
        """The net's parameter count as published: all weights, biases, scales and shifts."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def multiply_accumulates(self) -> int:
        """Of all layers, for one example."""
        return sum(layer.multiply_accumulates for layer in self.layers)


def describe(path: Path, phase: Phase = "TRAIN", overrides: Sequence[str] = ()) -> DescribedNet:
    """The net of a net file, a solver file or a checkpoint.

    Raises ConfigError, also where the net has no data for the phase, or CheckpointError.
    """
    return described(_net_of(path, overrides), phase, str(path))


def described(net: NetConfig, phase: Phase, name: str) -> DescribedNet:
    """A phase of a checked net that is from `name`. Raises ConfigError where it has no data."""
    graph, problems = build_graph(net, phase)
    if graph is None:
        raise ConfigError(f"{name}: {problems[0][1]}")
    data = graph.data
    shapes = data.output_shapes(())
    layers = [
        DescribedLayer(data.name, data.type, data.detail, (), data.top, shapes, (), 0, 0),
        *map(_described, graph.nodes),
    ]
    return DescribedNet(net.name, phase, tuple(layers), _index_bits(graph))


def _described(node: Node) -> DescribedLayer:
    layer, bottoms = node.layer, node.in_shapes
    shapes = layer.parameter_shapes(bottoms) if isinstance(layer, ParameterLayer) else ()
    parameters, bits = sum(map(prod, shapes)), 0
    if isinstance(layer, WeightedLayer):
        parameters += layer.learnt(shapes[0]) - prod(shapes[0])
        bits = layer.index_bits(shapes[0])
    return DescribedLayer(
        layer.name,
        layer.type,
        layer.detail,
        node.bottoms,
        node.tops,
        node.out_shapes,
        shapes,
        parameters,
        layer.multiply_accumulates(bottoms),
        bits,
    )


def _index_bits(graph: Graph) -> int:
    """Of each pattern once, whatever the channels; where positions are drawn, of each shape."""
    tables: dict[tuple[object, ...], int] = {}
    for node in graph.nodes:
        if isinstance(node.layer, Convolution) and (pattern := node.layer.kernel_pattern):
            shape = node.layer.weight_shape(node.in_shapes[0])
            told = shape[2:] if pattern.length else shape
            tables[pattern, told] = node.layer.index_bits(shape)
    return sum(tables.values())


def _net_of(path: Path, overrides: Sequence[str]) -> NetConfig:
    if path.suffix not in (".yaml", ".yml"):
        return from_data(load_model(path).config, str(path), overrides).solver.net
    if "net" in read_yaml(path).data:
        return load_solver(path, overrides).solver.net
    return load_net(path, overrides)


def net_document(net: DescribedNet) -> dict[str, Any]:
    """The same as plain data, for `json.dumps` and for the pictures."""
    counts = ("parameters", "multiply_accumulates", "index_bits")
    totals = {count: getattr(net, count) for count in counts}
    layers = [asdict(layer) for layer in net.layers]
    return {"name": net.name, "phase": net.phase, "layers": layers, "total": totals}


def draw(net: DescribedNet, dot: Path | None, png: Path | None) -> None:
    """Write the net for Graphviz, and as a picture, where asked to.

    Raises ConfigError before anything is written, and FileError.
    """
    _check_pictures(dot, png)
    document, totals = net_document(net), net_totals(net)
    if dot is not None:
        write_text(dot, dot_text(document, totals))
    if png is not None:
        # Imported only here: it takes longer than all the rest.
        from sparsenet.plots.graph import draw_graph  # noqa: PLC0415

        draw_graph(document, totals, png)


def _check_pictures(dot: Path | None, png: Path | None) -> None:
    """Raise ConfigError for a file that cannot be, or that is neither new nor an older picture.

    So no net, solver or checkpoint is replaced, whatever names and links lead to it.
    """
    problems = []
    if dot and png and dot.resolve() == png.resolve():
        problems.append(Problem("--png", str(png), "is the file of --dot; choose another one"))
    for option, path, begins in (("--dot", dot, DOT_BEGINS), ("--png", png, PNG_BEGINS)):
        if path and not path.parent.is_dir():
            problems.append(Problem(option, str(path), f"there is no folder {path.parent}"))
        elif path and path.exists() and not _begins(path, begins):
            words = f"is no picture by {option} and is kept; choose another file"
            problems.append(Problem(option, str(path), words))
    if problems:
        raise ConfigError(problems)


def _begins(path: Path, begins: bytes) -> bool:
    """Whether a file begins so, or is empty."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(len(begins)) in (begins, b"")


def net_table(net: DescribedNet) -> str:
    """The same for a reader; the layers of a block, `block/layer`, stand apart from the others."""
    rows = [
        ["layer", "type", "output", "parameters", "multiply-accumulates"],
        *([*map(printable, _texts(layer)), *_counts(layer)] for layer in net.layers),
        ["total", "", "", *_counts(net)],
    ]
    header, *body, total = (line.rstrip() for line in aligned(rows, left=(0, 1, 2)))
    rule = "-" * max(map(len, (header, *body, total)))
    lines = [header, rule]
    block = ""
    for layer, line in zip(net.layers, body, strict=True):
        above, block = block, layer.name.rpartition("/")[0]
        lines += ["", line] if block != above else [line]
    words = f"{printable(net.name)}, {net.phase}: {net_totals(net)}."
    return "\n".join([*lines, rule, total, "", words])


def net_totals(net: DescribedNet) -> str:
    """The totals in words: `60,965,224 parameters, 0.724 G multiply-accumulates of one example`."""
    macs = _scaled(net.multiply_accumulates)
    bits = f", {net.index_bits:,} index bits of kernel patterns" * (net.index_bits > 0)
    return f"{net.parameters:,} parameters, {macs} multiply-accumulates of one example{bits}"


def _texts(layer: DescribedLayer) -> list[str]:
    shapes = ["x".join(map(str, shape)) or "1" for shape in layer.output_shapes]
    return [layer.name, layer.type, ", ".join(shapes)]


def _counts(part: DescribedLayer | DescribedNet) -> list[str]:
    """Thousands in groups; nothing where a layer has none, so that those that do stand out."""
    return [f"{count:,}" if count else "" for count in (part.parameters, part.multiply_accumulates)]


def _scaled(count: int) -> str:
    """In G (10^9) or M (10^6) with three decimals, smaller counts in full."""
    for unit, size in (("G", 10**9), ("M", 10**6)):
        if 10 * count >= size:
            return f"{count / size:.3f} {unit}"
    return f"{count:,}"
