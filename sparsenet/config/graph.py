"""The net of one phase: which layers are in it, which blobs they read and write, and the shapes."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from sparsenet.config.net import NetConfig
from sparsenet.errors import listed, nearest
from sparsenet.layers import LAYERS
from sparsenet.layers.base import (
    PHASES,
    Layer,
    ParameterLayer,
    Phase,
    Shape,
    ShapeError,
    WeightedLayer,
)
from sparsenet.layers.data import Data
from sparsenet.record import KeyPath


@dataclass(frozen=True)
class Node:
    """A layer in its place: `index` in the file, blob names, and one example's shapes."""

    index: int
    layer: Layer
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    in_shapes: tuple[Shape, ...]
    out_shapes: tuple[Shape, ...]


@dataclass(frozen=True)
class Graph:
    """One phase of a net: its Data layer and, in order, the layers that compute from it."""

    phase: Phase
    data: Data
    nodes: tuple[Node, ...]


MAX_COUNT = 2**31 - 1
"""The largest count of a blob, Caffe's: one example's, or a layer's weights."""

GraphProblem = tuple[KeyPath, str]


def in_phase(layer: Layer, phase: Phase) -> bool:
    """Whether a layer is part of a phase. What serves TEST serves VAL, except for the data."""
    if isinstance(layer, Data):
        return phase in layer.phases
    return phase in layer.phases or (phase == "VAL" and "TEST" in layer.phases)


def has_phase(net: NetConfig, phase: Phase) -> bool:
    """Whether the net has data for a phase."""
    return any(isinstance(layer, Data) and in_phase(layer, phase) for layer in net.layers)


def graph_problems(net: NetConfig) -> list[GraphProblem]:
    """What is wrong with the wiring and shapes of a net's phases, by the layers' key paths."""
    problems = _data_problems(net)
    graphs: list[Graph] = []
    phases = () if problems else PHASES
    for phase in phases:
        if phase == "TRAIN" or has_phase(net, phase):
            graph, wrong = build_graph(net, phase)
            problems += wrong
            graphs += [graph] if graph else []
    return [*dict.fromkeys(problems), *_shared_problems(net, graphs), *_training_problems(net)]


def _data_problems(net: NetConfig) -> list[GraphProblem]:
    """Each phase takes its batches from one layer. What VAL holds out is a part of TRAIN's."""
    problems: list[GraphProblem] = []
    phases: tuple[Phase, ...] = ("TRAIN", "TEST")
    for phase in phases:
        layers = enumerate(net.layers)
        data = [i for i, layer in layers if isinstance(layer, Data) and in_phase(layer, phase)]
        if not data and phase == "TRAIN":
            problems.append((("layers",), "there is no Data layer for phase TRAIN"))
        for index in data[1:]:
            words = f"{net.layers[data[0]].name!r} is the Data layer of phase {phase} already"
            problems.append((("layers", index), words))
    return problems


def _shared_problems(net: NetConfig, graphs: list[Graph]) -> list[GraphProblem]:
    """What the phases share must fit each of them: a layer's parameters, and the mean image."""
    problems: dict[KeyPath, str] = {}
    for graph in graphs[1:] if graphs and graphs[0].phase == "TRAIN" else []:
        _compare_parameters(graphs[0], graph, problems)
        trained, data = graphs[0].data, graph.data
        if words := _mean_problem(trained, data):
            index = next(i for i, layer in enumerate(net.layers) if layer is data)
            problems[("layers", index, "transform")] = words
    return list(problems.items())


def _mean_problem(trained: Data, data: Data) -> str | None:
    """Why two phases cannot subtract one mean image, which is all that a checkpoint holds."""
    means = [one.transform.image_of_mean for one in (data, trained)]
    if None in means:
        return None
    is_file = trained.transform.mean_file is not None
    if means[0] != means[1] or (is_file and data.root != trained.root):
        words = f"of {trained.name!r} in TRAIN; a net has one mean image"
        where = "" if means[0] != means[1] else f" of root {data.root}"
        return f"{means[0]}{where} is not the {means[1]} {words}"
    if data.mean_shape == trained.mean_shape:
        return None
    ours, theirs = (f"{one.mean_shape} in {one.name!r}" for one in (data, trained))
    words = f"{ours}, but {theirs} of TRAIN, whose mean image it is; they must be alike"
    return f"{means[0]}: the images are {words}"


def _compare_parameters(trained: Graph, graph: Graph, problems: dict[KeyPath, str]) -> None:
    """Add to the problems each layer whose parameters or statistics differ between two phases."""
    nodes = {node.index: node for node in trained.nodes}
    for node in graph.nodes:
        if node.index not in nodes or not isinstance(node.layer, ParameterLayer):
            continue
        pairs = zip(_stored_shapes(nodes[node.index]), _stored_shapes(node), strict=True)
        for ours, theirs in pairs:
            if ours != theirs:
                first, second = (
                    f"{shape} in {one.phase} with the {one.data.image_shape} images of"
                    f" {one.data.name!r}"
                    for one, shape in ((trained, ours), (graph, theirs))
                )
                words = f"its parameters would be {first}, but {second}; they must be alike"
                problems.setdefault(("layers", node.index), words)


def _stored_shapes(node: Node) -> tuple[Shape, ...]:
    assert isinstance(node.layer, ParameterLayer)
    layer, shapes = node.layer, node.in_shapes
    return (*layer.parameter_shapes(shapes), *layer.statistic_shapes(shapes))


def _training_problems(net: NetConfig) -> list[GraphProblem]:
    """What the phases need of one another: a loss to train by, and weights that are all trained.

    Scales and slopes are no weights: of them alone there would be no density.
    """
    problems: list[GraphProblem] = []
    if not any(layer.is_loss and in_phase(layer, "TRAIN") for layer in net.layers):
        losses = listed(name for name, layer in LAYERS.items() if layer.is_loss)
        problems.append((("layers",), f"there is no loss in phase TRAIN: add a {losses} layer"))
    if not any(isinstance(layer, WeightedLayer) for layer in net.layers):
        weighted = listed(name for name, kind in LAYERS.items() if issubclass(kind, WeightedLayer))
        words = f"there is nothing to train in phase TRAIN: add a layer with weights, {weighted}"
        problems.append((("layers",), words))
    for index, layer in enumerate(net.layers):
        if isinstance(layer, ParameterLayer) and not in_phase(layer, "TRAIN"):
            key = "phase" if layer.phase else "include"
            what = "the weights of " if isinstance(layer, WeightedLayer) else ""
            words = f"leaves out TRAIN, so {what}{layer.name!r} would never be trained"
            problems.append((("layers", index, key), words))
    return problems


def build_graph(net: NetConfig, phase: Phase) -> tuple[Graph | None, list[GraphProblem]]:
    """Wire the layers of a phase and infer their shapes; problems are by the layers' key paths.

    A bottom left out is the previous layer's first top, and for a layer of two bottoms (a loss,
    an accuracy) also the Data layer's label.
    """
    chosen = [(i, layer) for i, layer in enumerate(net.layers) if in_phase(layer, phase)]
    data = next((layer for _, layer in chosen if isinstance(layer, Data)), None)
    if data is None:
        return None, [(("layers",), f"there is no Data layer for phase {phase}")]
    wiring = _Wiring(data)
    for index, layer in chosen:
        wiring.add(index, layer)
    if problems := _repeated_names(chosen) + wiring.problems:
        return None, problems
    computing = tuple(node for node in wiring.nodes if not isinstance(node.layer, Data))
    return Graph(phase, data, computing), []


def _repeated_names(chosen: list[tuple[int, Layer]]) -> list[GraphProblem]:
    seen: set[str] = set()
    problems: list[GraphProblem] = []
    for index, layer in chosen:
        if layer.name in seen:
            problems.append((("layers", index, "name"), "is the name of an earlier layer already"))
        seen.add(layer.name)
    return problems


class _Wiring:
    """The blobs of a phase so far, with their shapes; None for those of a layer that is wrong."""

    def __init__(self, data: Data) -> None:
        self.data = data
        self.shapes: dict[str, Shape | None] = {}
        self.previous: str | None = None
        self.nodes: list[Node] = []
        self.problems: list[GraphProblem] = []

    def add(self, index: int, layer: Layer) -> None:
        """Put a layer at the end. What fails only because of an earlier failure is not reported."""
        bottoms, tops = self._bottoms(layer), layer.top_names
        out: tuple[Shape | None, ...] = (None,) * len(tops)
        if problem := self._names_problem(layer, bottoms, tops):
            self.problems.append((("layers", index, problem[0]), problem[1]))
        elif None not in (inputs := tuple(self.shapes[name] for name in bottoms)):
            in_shapes = tuple(shape for shape in inputs if shape is not None)
            try:
                out_shapes = _checked_shapes(layer, in_shapes)
            except ShapeError as error:
                self.problems.append((("layers", index), str(error)))
            else:
                self.nodes.append(Node(index, layer, bottoms, tops, in_shapes, out_shapes))
                out = out_shapes
        self.shapes.update(zip(tops, out, strict=True))
        self.previous = tops[0]

    def _bottoms(self, layer: Layer) -> tuple[str, ...]:
        if layer.bottom is not None:
            return layer.bottom
        if self.previous is None:
            return ()
        if layer.more_bottoms:
            return (self.previous,)
        return (self.previous, self.data.top[-1])[: layer.bottoms]

    def _names_problem(
        self, layer: Layer, bottoms: tuple[str, ...], tops: tuple[str, ...]
    ) -> tuple[str, str] | None:
        """The key and the problem where the blobs' names cannot be those of this layer."""
        if not bottoms and layer.bottoms:
            return "bottom", "is missing: there is no layer before this one"
        for key, names, count, more in (
            ("bottom", bottoms, layer.bottoms, layer.more_bottoms),
            ("top", tops, layer.tops, layer.more_tops),
        ):
            if len(names) < count or (len(names) > count and not more):
                takes = f"{layer.type} {'reads' if key == 'bottom' else 'writes'} {count}"
                blobs = f"{' or more' * more} blob{'s' * (count != 1)}, not {len(names)}"
                return key, f"[{', '.join(names)}]: {takes}{blobs}"
        for name in bottoms:
            if name not in self.shapes:
                known = nearest(name, self._names_near(layer))
                return "bottom", f"no layer before this one writes {name!r}{known}"
        for place, name in enumerate(tops):
            if name in tops[:place]:
                return "top", f"[{', '.join(tops)}]: {name!r} stands there twice"
            if name in self.shapes and name not in bottoms:
                return "top", f"{name!r} is written by an earlier layer, and not read by this one"
        return None

    def _names_near(self, layer: Layer) -> list[str]:
        """The blobs, those of the layer's own block by the names they have in it."""
        block = layer.name.rpartition("/")[0] + "/"
        return [name.removeprefix(block) for name in self.shapes]


def _checked_shapes(layer: Layer, bottoms: tuple[Shape, ...]) -> tuple[Shape, ...]:
    """The layer's tops' shapes; raises ShapeError, also for more numbers than a blob can have."""
    tops = layer.output_shapes(bottoms)
    parameters = layer.parameter_shapes(bottoms) if isinstance(layer, ParameterLayer) else ()
    for shape in (*parameters, *tops):
        if prod(shape) > MAX_COUNT:
            raise ShapeError(f"{prod(shape):,} numbers are more than the {MAX_COUNT:,} of a blob")
    return tops
