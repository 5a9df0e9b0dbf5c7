"""From a net's records to one torch module with Caffe's bottoms, tops and phases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sparsenet.config.graph import Graph, build_graph, has_phase
from sparsenet.config.net import NetConfig
from sparsenet.layers.base import PHASES, Layer, ParameterLayer, Phase, Shape, WeightedLayer
from sparsenet.layers.loss import Loss


@dataclass(frozen=True)
class Blob:
    """One trained tensor: `name` is `layer.weight` or `layer.bias`, `index` Caffe's blob number."""

    name: str
    layer: ParameterLayer
    index: int
    tensor: nn.Parameter

    @property
    def is_weight(self) -> bool:
        """Whether these are weights: what is regularized, constrained, pruned and counted."""
        return self.index == 0 and isinstance(self.layer, WeightedLayer)

    @property
    def learnt(self) -> Tensor | None:
        """Which of its values are learnt, bool on its device; None for all of them."""
        if not isinstance(self.layer, WeightedLayer) or self.index:
            return None
        where = self.layer.learnt_where(tuple(self.tensor.shape))
        return None if where is None else where.to(self.tensor.device)

    @property
    def lr_mult(self) -> float:
        """Multiplier of the learning rate."""
        return self.layer.multipliers(self.index).lr_mult

    @property
    def decay_mult(self) -> float:
        """Multiplier of the weight decay."""
        return self.layer.multipliers(self.index).decay_mult


@dataclass(frozen=True)
class Outputs:
    """What one forward pass computed: the loss (None without one) and all blobs."""

    loss: Tensor | None
    blobs: dict[str, Tensor]

    def first_not_finite(self) -> str | None:
        """The first blob, in the order of the layers, with a value that is infinite or NaN."""
        wrong = (name for name, blob in self.blobs.items() if not torch.isfinite(blob).all())
        return next(wrong, None)


@dataclass(frozen=True)
class _Call:
    index: int
    module: nn.Module
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    loss_weight: float | None


@dataclass(frozen=True)
class _Statistic:
    """A module's buffer, which moves with its module and so is looked up each time."""

    name: str
    module: nn.Module
    buffer: str

    @property
    def tensor(self) -> Tensor:
        return self.module.get_buffer(self.buffer)


class Net(nn.Module):
    """A checked net. A layer is one module in all phases; without parameters, one a bottom's shape.

    `forward(images, labels, phase)` computes the layers of a phase; `generator` fills the
    parameters, so a seed fixes them.
    """

    def __init__(self, config: NetConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.config = config
        self.graphs: dict[Phase, Graph] = {}
        self.blobs: list[Blob] = []
        self._statistics: list[_Statistic] = []
        self._calls: dict[Phase, list[_Call]] = {}
        self._built: dict[tuple[int, tuple[Shape, ...]], nn.Module] = {}
        self.modules_in_order = nn.ModuleList()
        for phase in PHASES:
            if phase == "TRAIN" or has_phase(config, phase):
                graph, problems = build_graph(config, phase)
                assert graph is not None, f"unchecked configuration: {problems}"
                self.graphs[phase] = graph
                self._calls[phase] = self._plan(graph, generator)

    def _plan(self, graph: Graph, generator: torch.Generator) -> list[_Call]:
        calls = []
        for node in graph.nodes:
            # Parameters fit all phases; other modules may be of the size of one phase's images.
            shapes = () if isinstance(node.layer, ParameterLayer) else node.in_shapes
            if (node.index, shapes) not in self._built:
                module = node.layer.build(node.in_shapes, generator)
                self._built[node.index, shapes] = module
                self.modules_in_order.append(module)
                self._note_blobs(node.layer, module)
            module = self._built[node.index, shapes]
            weight = _loss_weight(node.layer)
            calls.append(_Call(node.index, module, node.bottoms, node.tops, weight))
        return calls

    def _note_blobs(self, layer: object, module: nn.Module) -> None:
        if isinstance(layer, ParameterLayer):
            for index, (name, tensor) in enumerate(module.named_parameters()):
                self.blobs.append(Blob(f"{layer.name}.{name}", layer, index, tensor))
            for name, _ in module.named_buffers():
                self._statistics.append(_Statistic(f"{layer.name}.{name}", module, name))

    def forward(self, images: Tensor, labels: Tensor, phase: Phase) -> Outputs:
        """Compute a phase: images (N, C, H, W) float, labels (N,) int64."""
        self.enter(phase)
        return Outputs(*self.compute(images, labels, phase))

    def enter(self, phase: Phase) -> None:
        """Let the layers that train otherwise than they test know which of it is to come."""
        if self.training != (phase == "TRAIN"):
            self.train(phase == "TRAIN")

    def compute(
        self, images: Tensor, labels: Tensor, phase: Phase, until: int | None = None
    ) -> tuple[Tensor | None, dict[str, Tensor]]:
        """The losses, summed by their weights, and all blobs of a phase that was entered.

        `until` is the index of the first layer that is left out, with all that follow.
        """
        blobs = dict(zip(self.graphs[phase].data.top, (images, labels), strict=True))
        loss: Tensor | None = None
        for call in self._calls[phase]:
            if until is not None and call.index >= until:
                break
            result = call.module(*[blobs[name] for name in call.bottoms])
            if len(call.tops) == 1:
                blobs[call.tops[0]] = result
            else:
                blobs.update(zip(call.tops, result, strict=True))
            if call.loss_weight is not None:
                part = result if call.loss_weight == 1 else result * call.loss_weight
                loss = part if loss is None else loss + part
        return loss, blobs

    def scalar_outputs(self, phase: Phase) -> list[str]:
        """The blobs of losses and accuracies, in order: what a test reports."""
        return [
            n.tops[0] for n in self.graphs[phase].nodes if n.layer.is_loss or n.layer.is_accuracy
        ]

    def loss_weights(self, phase: Phase) -> dict[str, float]:
        """The weights of the blobs whose sum, so weighted, is the loss."""
        weights = {n.tops[0]: _loss_weight(n.layer) for n in self.graphs[phase].nodes}
        return {name: weight for name, weight in weights.items() if weight is not None}

    def accuracy_blob(self, phase: Phase) -> str | None:
        """The first accuracy of the phase, by which models are selected and stages judged."""
        nodes = self.graphs[phase].nodes
        return next((node.tops[0] for node in nodes if node.layer.is_accuracy), None)

    def weights(self) -> dict[str, Tensor]:
        """Every trained tensor and then every statistic, by name, each in the net's order.

        They share memory with the net.
        """
        return self._trained() | self.statistics()

    def _trained(self) -> dict[str, Tensor]:
        return {blob.name: blob.tensor.detach() for blob in self.blobs}

    def statistics(self) -> dict[str, Tensor]:
        """What batches have left in the net beside its parameters, by `layer.buffer`."""
        return {item.name: item.tensor for item in self._statistics}

    @contextmanager
    def statistics_kept(self) -> Iterator[None]:
        """In the block TRAIN may be computed to look at it: the statistics are as before after it.

        Bit for bit, and in the memory where they were.
        """
        before = {name: tensor.clone() for name, tensor in self.statistics().items()}
        try:
            yield
        finally:
            for name, tensor in self.statistics().items():
                tensor.copy_(before[name])

    def first_not_finite(self, *, statistics: bool = True) -> str | None:
        """What is infinite or NaN first: `the weights of ip1`, else `the statistics of bn1`.

        `statistics` says whether those are looked at; without them a batch has changed nothing.
        """
        kinds = {"weights": self._trained(), "statistics": self.statistics() if statistics else {}}
        for kind, tensors in kinds.items():
            for name, tensor in tensors.items():
                # By its extremes, NaN being both: one pass and no copy, where isfinite makes five.
                if not torch.isfinite(torch.stack(torch.aminmax(tensor))).all():
                    return f"the {kind} of {name.rpartition('.')[0]}"
        return None


def _loss_weight(layer: Layer) -> float | None:
    return layer.loss_weight if isinstance(layer, Loss) else None
