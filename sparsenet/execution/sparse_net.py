"""A packed model as a torch module that computes from its packed weights."""

from __future__ import annotations

import threading

import torch
from torch import Tensor

from sparsenet.errors import ConfigError
from sparsenet.execution.candidates import Candidates
from sparsenet.execution.choice import Choice, key_of, store_choice, stored_choice
from sparsenet.execution.runnable import Runnable
from sparsenet.execution.tuning import groups_for, tuned
from sparsenet.execution.walk import Walk
from sparsenet.execution.whole import Whole
from sparsenet.program.compiler import processor
from sparsenet.program.plan import plan_graph
from sparsenet.program.shared_object import source

_MOST = 256


class SparseNet(Runnable):
    """Computes from packed weights, in the way that was measured to be the fastest.

    The first call with about so many images (1, 2, 3 to 4, 5 to 8, ..., over 128) compiles and
    measures, which takes seconds; what was chosen is kept in the user's cache for the next time.
    Several threads may call at the same time.
    """

    def __init__(self, candidates: Candidates) -> None:
        super().__init__()
        self.structure = candidates.structure
        self._candidates = candidates
        self._choices: dict[int, Choice] = {}
        self._runners: dict[int, Whole | Walk] = {}
        self._lock = threading.Lock()

    @property
    def resident_bytes(self) -> dict[str, int]:
        """Bytes that stay in memory for the weights of each layer, as it was computed so far."""
        extra = self._candidates.extra_bytes()
        packed = self._candidates.weights.packed
        return {layer: one.nbytes + extra.get(layer, 0) for layer, one in packed.items()}

    def choice(self, images: Tensor) -> Choice:
        """How so many images are computed, measured now where it is not known."""
        self._require(images)
        self._runner(images)
        return self._choices[batch_class(len(images))]

    def _runner(self, images: Tensor) -> Whole | Walk:
        most = batch_class(len(images))
        with self._lock:
            if most not in self._runners:
                choice = self._chosen(most, images)
                self._runners[most] = self._candidates.runner(choice, len(images) > 1)
                self._choices[most] = choice
        return self._runners[most]

    def _chosen(self, most: int, images: Tensor) -> Choice:
        """The choice in the cache, else one that is measured."""
        allowed = {
            layer: self._candidates.allowed(layer) for layer in self._candidates.weights.packed
        }
        key = key_of(most, *self._about())
        choice = stored_choice(key, groups_for(most), allowed)
        if choice is None or (choice.group and not self._candidates.whole(choice.group)):
            choice = tuned(self._candidates, images)
            store_choice(key, choice)
        return choice

    def _about(self) -> list[object]:
        """All that times depend on, but the number of images."""
        c = self._candidates
        weights = {
            layer: (one.format.name, one.values.name, one.shape, one.nonzeros)
            for layer, one in c.weights.packed.items()
        }
        layers = [(n.layer.model_dump_json(), n.in_shapes) for n in c.structure.nodes]
        try:
            text = source(plan_graph(c.structure.graph, c.weights.numbers, c.weights.packed))
        except ConfigError:  # a layer that has no C
            text = ""
        machine = (processor(), torch.__version__, c.compiler)
        return [weights, layers, text, machine, c.threads, torch.get_num_threads()]


def batch_class(count: int) -> int:
    """The power of two that a number of images, 1 or more, is measured as; 256 at most."""
    return min(_MOST, 1 << (count - 1).bit_length())
