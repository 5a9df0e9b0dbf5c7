"""From a checked configuration to the live parts of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from math import prod

import torch
from torch import Tensor

from sparsenet import ranks
from sparsenet.checkpoint import Checkpoint
from sparsenet.config.constraints import declared_balls, learnt_weights, weight_shapes
from sparsenet.config.graph import Graph, build_graph
from sparsenet.config.load import Configuration
from sparsenet.config.net import NetConfig
from sparsenet.config.solver import SolverConfig
from sparsenet.data.batches import Batches
from sparsenet.data.phases import open_phases
from sparsenet.errors import ConfigError, Problem
from sparsenet.layers.base import ParameterLayer, Phase, Shape, WeightedLayer
from sparsenet.layers.data import Data
from sparsenet.layers.dividing import Split
from sparsenet.layers.loss import Judge
from sparsenet.layout import lay_out_, memory_format_of
from sparsenet.net import Net
from sparsenet.progress import Display, Quiet
from sparsenet.regularization.schedule import Schedule
from sparsenet.solver.loop import Loop
from sparsenet.storage.accounting import LayerMemory, ModelMemory, OtherMemory, spread
from sparsenet.storage.values import FLOAT32, Values
from sparsenet.workflows.copying import beyond_patterns, copy_weights


@dataclass(frozen=True)
class Parts:
    """What a run is made of; `batches` by phase, of the phases the net has data for."""

    configuration: Configuration
    net: Net
    batches: dict[Phase, Batches]
    schedule: Schedule
    device: torch.device

    @property
    def config(self) -> SolverConfig:
        """The checked solver record."""
        return self.configuration.solver

    @property
    def mean_image(self) -> Tensor | None:
        """The mean image that the batches subtract, which belongs to the weights."""
        return self.batches["TRAIN"].mean_image

    @property
    def tested_phase(self) -> Phase | None:
        """What is tested while training: the validation data, else the test data."""
        return next((phase for phase in ("VAL", "TEST") if phase in self.batches), None)

    def close(self) -> None:
        """End the processes that read data ahead."""
        for batches in self.batches.values():
            batches.close()

    def loop(self) -> Loop:
        """A fresh loop over these parts."""
        phase = self.tested_phase
        tested = None if phase is None else (phase, self.batches[phase])
        return Loop(self.config, self.net, self.batches["TRAIN"], tested, self.schedule)


def choose_device(mode: str, device: str | None) -> torch.device:
    """The device of --device, else of solver_mode. Raises ConfigError where there is none such."""
    asked = f"solver_mode {mode}" if device is None else f"--device {device}"
    if device is None:
        cuda = mode == "gpu" or (mode == "auto" and torch.cuda.is_available())
        device = "cuda" if cuda else "cpu"
    if device != "cpu" and ranks.size() > 1:
        device = _own_gpu(device, asked)
    try:
        chosen = torch.device(device)
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError) as error:
        first = str(error).splitlines()[0]
        raise ConfigError(f"{asked} cannot be used here: {first}") from None
    return chosen


def _own_gpu(device: str, asked: str) -> str:
    """The GPU of this process, each of those on a machine having its own. Raises ConfigError."""
    place, processes = ranks.on_machine()
    if device != "cuda":
        words = f"names one GPU, and each of {processes} processes has its own: use --device cuda"
        raise ConfigError(f"{asked} {words}")
    if (there := torch.cuda.device_count()) < processes:
        words = f"needs a GPU for each of {processes} processes, and there are {there}"
        raise ConfigError(f"{asked} {words}: start fewer, or use --device cpu")
    torch.cuda.set_device(place)
    return f"cuda:{place}"


def build_net(net: NetConfig, seed: int, device: torch.device) -> Net:
    """A net with parameters filled from `seed`, on the device."""
    generator = torch.Generator().manual_seed(seed)
    module = Net(net, generator).to(device)
    lay_out_(module, device)
    return module


def build(
    configuration: Configuration,
    device: torch.device,
    mean_image: Tensor | None = None,
    display: Display | None = None,
    net: Net | None = None,
    classes: tuple[str, ...] | None = None,
) -> Parts:
    """Build everything a training needs, but for a `net` that is built already.

    `mean_image` and `classes` are those of a training that goes on. Raises DataError where the data
    cannot be had or are of other classes, and ConfigError where they have labels beyond the net's
    scores.
    """
    shown = display or Quiet()
    config = configuration.solver
    if net is None:
        net = build_net(config.net, config.random_seed, device)
    layers = {phase: graph.data for phase, graph in net.graphs.items()}
    require_shares(layers["TRAIN"], configuration)
    opened = partial(
        open_phases,
        seed=config.random_seed,
        device=device,
        memory_format=memory_format_of(device),
        classes=classes,
        share=(ranks.rank(), ranks.size()),
        processes=ranks.on_machine()[1],
        watch=shown.counting,
        warn=shown.warn,
    )
    if mean_image is None and layers["TRAIN"].transform.mean and ranks.size() > 1:
        # Where the images are streamed this is a pass over all of them: one process makes it.
        training: dict[Phase, Data] = {"TRAIN": layers["TRAIN"]}
        mean_image = ranks.first(lambda: opened(training)["TRAIN"].mean_image)
    batches = ranks.in_turn(lambda: opened(layers, mean_image=mean_image))
    require_scores(net, batches, configuration)
    return Parts(configuration, net, batches, schedule_of(config), device)


def require_shares(data: Data, configuration: Configuration) -> None:
    """Raise ConfigError where processes that train together cannot have as many rows each."""
    processes = ranks.size()
    if data.batch_size % processes:
        below = data.batch_size // processes * processes
        allowed = f"{below} or {below + processes}" if below else str(processes)
        words = f"{data.batch_size} cannot be divided evenly among {processes} processes"
        layers = configuration.solver.net.layers
        index = next(place for place, layer in enumerate(layers) if layer is data)
        path = ("net", "layers", index, "batch_size")
        raise ConfigError(configuration.problem(path, f"{words}; it may be {allowed}"))


def require_scores(
    net: Net, batches: Mapping[Phase, Batches], configuration: Configuration
) -> None:
    """Raise ConfigError naming each layer that has fewer scores than the labels have classes."""
    problems: dict[Problem, None] = {}
    for phase, opened in batches.items():
        graph = net.graphs[phase]
        labels = _label_blobs(graph)
        for node in graph.nodes:
            layer = node.layer
            if not isinstance(layer, Judge) or node.bottoms[1] not in labels:
                continue
            scores = node.in_shapes[0][0]
            counted = [label for label in opened.label_values if label != layer.ignore_label]
            if counted and counted[-1] >= scores:
                words = f"{scores} scores from {node.bottoms[0]!r}, but the labels of"
                needed = f"{graph.data.name!r} in {phase} are of {counted[-1] + 1} classes"
                path = ("net", "layers", node.index)
                problems[configuration.problem(path, f"{words} {needed}")] = None
    if problems:
        raise ConfigError(list(problems))


def _label_blobs(graph: Graph) -> set[str]:
    """What the labels are called: by the Data layer, and by each Split of them."""
    names = set(graph.data.top[1:])
    for node in graph.nodes:
        if isinstance(node.layer, Split) and names.intersection(node.bottoms):
            names.update(node.tops)
    return names


def schedule_of(config: SolverConfig) -> Schedule:
    """The l0 constraints of a configuration over time."""
    return Schedule(declared_balls(config.net), config.stages)


def restored_net(checkpoint: Checkpoint, configuration: Configuration, device: torch.device) -> Net:
    """The net of a checkpoint with its weights. Raises ConfigError where they do not fit it."""
    net = build_net(configuration.solver.net, 0, device)
    copied = copy_weights(net, checkpoint.weights)
    if copied["fresh"]:
        raise ConfigError(f"the checkpoint lacks {', '.join(copied['fresh'])}")
    if beyond := beyond_patterns(net, net.weights()):
        words = f"{sum(beyond.values()):,} nonzero weights outside the kernel_pattern of"
        raise ConfigError(f"the checkpoint has {words} {', '.join(beyond)}")
    return net


def counted_memory(net: Net, values: Values = FLOAT32) -> ModelMemory:
    """What the net takes as it is, nonzeros and their places taken from the weights."""
    biases = {blob.layer.name: blob.tensor.numel() for blob in net.blobs if blob.index == 1}
    layers = (
        LayerMemory.counted(blob.layer.name, blob.tensor, biases.get(blob.layer.name, 0), values)
        for blob in net.blobs
        if blob.is_weight
    )
    others = (OtherMemory(*other) for other in _others(net.config))
    return ModelMemory(tuple(layers), tuple(others))


def promised_memory(net: NetConfig, counts: Mapping[str, int]) -> ModelMemory:
    """What the net takes when its l0 constraints hold with these counts, by ball name."""
    nonzeros: dict[str, int] = {}
    sizes = learnt_weights(net)
    for ball in declared_balls(net):
        if ball.name in counts:
            layers = [weight.rpartition(".")[0] for weight in ball.weights]
            parts = spread(counts[ball.name], [sizes[layer] for layer in layers])
            nonzeros.update(zip(layers, parts, strict=True))
    return memory_with(net, nonzeros)


def memory_with(net: NetConfig, nonzeros: Mapping[str, int]) -> ModelMemory:
    """What the net takes with so many nonzeros in each layer named, all it learns in the others."""
    counts = {**learnt_weights(net), **nonzeros}
    layers = (_promised(*it, counts[name]) for name, it in weight_shapes(net).items())
    return ModelMemory(tuple(layers), tuple(OtherMemory(*other) for other in _others(net)))


@lru_cache(maxsize=1024)
def _promised(layer: WeightedLayer, shape: Shape, nonzeros: int) -> LayerMemory:
    biases = shape[0] if layer.has_bias else 0
    where = layer.learnt_where(shape)
    if where is None:
        return LayerMemory(layer.name, shape, nonzeros, biases)
    return LayerMemory.within(layer.name, where, nonzeros, biases)


def _others(net: NetConfig) -> list[tuple[str, int, int]]:
    """The name, parameters and statistics of all that is stored and belongs to no weight.

    Those are layers whose parameters are no weights, and a mean image, by the name of its layer.
    """
    graph, _ = build_graph(net, "TRAIN")
    assert graph is not None, "a checked net has a TRAIN graph"
    mean = prod(graph.data.mean_shape) if graph.data.transform.image_of_mean else 0
    return [(graph.data.name, 0, mean)] * bool(mean) + [
        (
            node.layer.name,
            sum(map(prod, node.layer.parameter_shapes(node.in_shapes))),
            sum(map(prod, node.layer.statistic_shapes(node.in_shapes))),
        )
        for node in graph.nodes
        if isinstance(node.layer, ParameterLayer) and not isinstance(node.layer, WeightedLayer)
    ]
