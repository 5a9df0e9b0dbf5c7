"""One update of a net: Caffe's order, with the paper's regularizers in their places."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from sparsenet import ranks
from sparsenet.config.solver import SolverConfig
from sparsenet.data.batches import Batch, Batches
from sparsenet.layers.base import WeightedLayer
from sparsenet.layers.bridgeout import BridgeoutModule
from sparsenet.net import Blob, Net, Outputs
from sparsenet.regularization.regularizers import L1, L2, Regularizer
from sparsenet.regularization.schedule import Progress, Schedule
from sparsenet.solver.compiled import Compiled, compiling
from sparsenet.solver.constrained import project_
from sparsenet.solver.exchange import Exchange
from sparsenet.solver.lr_policies import learning_rate
from sparsenet.solver.tf32 import tf32
from sparsenet.solver.update import UPDATES, State, Update, clip_gradients_


@dataclass(frozen=True)
class _Trained:
    """A blob with what acts on it in every update."""

    blob: Blob
    regularizer: Regularizer
    history: State
    learnt: Tensor | None
    """1 where its values are learnt and 0 elsewhere, as its gradient; None for all of them."""


class Stepper:
    """Makes updates. Its state is the net's weights and `history`; time is the argument `step`."""

    def __init__(
        self, config: SolverConfig, net: Net, batches: Batches, schedule: Schedule
    ) -> None:
        self.config, self.net, self.batches, self.schedule = config, net, batches, schedule
        self.update: Update = UPDATES[config.type].from_solver(config)
        self.exchange = Exchange()
        for blob in net.blobs:
            # As in Caffe: no gradient is computed for what does not learn.
            blob.tensor.requires_grad_(blob.lr_mult > 0)
        self._trained = [self._with_rules(blob) for blob in net.blobs if blob.lr_mult > 0]
        self.compiled = Compiled(net, batches.device) if config.compile else None
        self.watchful = batches.device.type == "cpu"
        """Whether each loss is looked at, which elsewhere would be to wait for it."""
        self.spoilt = False
        """Whether an update that was not made, its data failing, has changed statistics."""
        self._remembers = bool(net.statistics())
        self._random = any(isinstance(m, nn.Dropout | BridgeoutModule) for m in net.modules())

    def _with_rules(self, blob: Blob) -> _Trained:
        """Weights have their layer's regularizer, biases the solver's."""
        default = L1() if self.config.regularization_type == "L1" else L2()
        weighted = blob.layer if blob.index == 0 else None
        own = weighted.regularization if isinstance(weighted, WeightedLayer) else None
        learnt = (
            None if (where := blob.learnt) is None else torch.empty_like(blob.tensor).copy_(where)
        )
        return _Trained(blob, own or default, self.update.new_state(blob.tensor), learnt)

    @property
    def history(self) -> dict[str, State]:
        """The update rule's tensors, by blob name."""
        return {item.blob.name: item.history for item in self._trained}

    def load_history(self, history: dict[str, State]) -> None:
        """Take over a snapshot's history; raises KeyError or RuntimeError where it does not fit."""
        for item in self._trained:
            for name, tensor in item.history.items():
                tensor.copy_(history[item.blob.name][name])

    def hold_zeros(self, weights: Mapping[str, Tensor]) -> None:
        """Let the net's weights that are zero in `weights`, by blob name, stay as they are.

        Their gradients become 0. A weight that is 0 with a history of 0 then stays 0 under each
        solver type and regularizer: a fixed mask.
        """
        self._trained = [
            replace(item, learnt=_both(item, weights[item.blob.name] != 0))
            if item.blob.is_weight
            else item
            for item in self._trained
        ]

    def step(self, step: int, progress: Progress) -> Tensor:
        """Make update number `step` + 1; the loss before it, a mean over iter_size batches.

        On a CPU a loss that is not finite updates nothing, so that the weights still show its
        cause; on a GPU nothing waits here for the device, but for a projection that is due. Raises
        CompileError.
        """
        config = self.config
        for item in self._trained:
            item.blob.tensor.grad = None
        allowed = config.precision == "tf32"
        with tf32(allowed, self.batches.device), compiling() if self.compiled else nullcontext():
            loss = self._gradients(step)
        with torch.no_grad():
            gradients = [item.blob.tensor.grad for item in self._trained]
            present = [gradient for gradient in gradients if gradient is not None]
            loss = self.exchange.mean_(present, loss)
            if self.watchful and not math.isfinite(float(loss)):
                return loss
            self._keep_zeros()
            if config.clip_gradients is not None:
                clip_gradients_(present, config.clip_gradients)
            if config.iter_size > 1 and present:
                torch._foreach_mul_(present, 1 / config.iter_size)
            self._apply(step)
            self._project(step + 1, progress)
        return loss

    def _keep_zeros(self) -> None:
        """Set to zero the gradients of what is zero always, so that it and its history stay so."""
        pairs = [(item.blob.tensor.grad, item.learnt) for item in self._trained]
        there = [(g, learnt) for g, learnt in pairs if g is not None and learnt is not None]
        if there:
            torch._foreach_mul_(*map(list, zip(*there, strict=True)))

    def _gradients(self, step: int) -> Tensor:
        total: Tensor | None = None
        for index in self._parts(step):
            loss = self._loss(index)
            if self._trained:
                torch.autograd.backward(loss)
            total = loss.detach() if total is None else total + loss.detach()
            self.spoilt = self._remembers
            if self.compiled and self.compiled.replays and self.config.iter_size > 1:
                total = self._copied(total)
        assert total is not None
        self.spoilt = False
        return total / self.config.iter_size

    def _parts(self, step: int) -> range:
        """The batches of an update."""
        return range(step * self.config.iter_size, (step + 1) * self.config.iter_size)

    def _copied(self, total: Tensor) -> Tensor:
        """Copy the gradients and the loss from where the next batch's will be."""
        for item in self._trained:
            if item.blob.tensor.grad is not None:
                item.blob.tensor.grad = item.blob.tensor.grad.clone()
        return total.clone()

    def _loss(self, index: int) -> Tensor:
        """The loss of a batch: with the same weights always the same."""
        if self.compiled is None:
            loss = self._forward(index).loss
            assert loss is not None, "a checked net has a loss in TRAIN"
            return loss
        images, labels = self._batch(index)
        with self._autocast():
            return self.compiled(images, labels)

    def _batch(self, index: int) -> Batch:
        """A batch, and torch's generators as Dropout and Bridgeout find them with it."""
        if self._random:
            # Their masks are a function of the step, so that no random state is saved.
            # Processes that train together have each their own rows, and so each their own masks.
            which = (ranks.rank(),) if ranks.size() > 1 else ()
            torch.manual_seed(hash((self.config.random_seed, index, *which)))
        return self.batches.batch(index)

    @torch.no_grad()
    def first_blob_not_finite(self, step: int) -> str | None:
        """The first blob with an infinite or NaN value when update `step` + 1 is to be made."""
        with self.net.statistics_kept():
            found = [self._forward(index).first_not_finite() for index in self._parts(step)]
        everywhere = ranks.gathered(next(filter(None, found), None))
        return next(filter(None, everywhere), None)

    def _forward(self, index: int) -> Outputs:
        """All blobs of a batch."""
        images, labels = self._batch(index)
        with self._autocast():
            outputs: Outputs = self.net(images, labels, "TRAIN")
        return outputs

    def _autocast(self) -> AbstractContextManager[object]:
        if self.config.precision == "bf16":
            return torch.autocast(self.batches.device.type, dtype=torch.bfloat16)
        return nullcontext()

    def _apply(self, step: int) -> None:
        rate = learning_rate(self.config, step)
        for item in self._trained:
            blob, weight = item.blob, item.blob.tensor
            gradient = weight.grad
            if gradient is None:
                continue
            item.regularizer.add_gradient_(
                weight, gradient, blob.decay_mult, self.config.weight_decay
            )
            self.update.step_(weight, gradient, item.history, rate * blob.lr_mult, step)
            item.regularizer.after_update_(weight, rate * blob.lr_mult)

    def _project(self, step: int, progress: Progress) -> None:
        due = self.schedule.due(progress, step)
        if not due:
            return
        weights, history = self.net.weights(), self.history
        project_(weights, due)
        cleared = [name for ball, _ in due if ball.velocity == "clear" for name in ball.weights]
        for name in cleared:
            # Not every type has a velocity, and what does not learn has no history.
            if (velocity := history.get(name, {}).get("velocity")) is not None:
                velocity.masked_fill_(weights[name] == 0, 0.0)


def _both(item: _Trained, where: Tensor) -> Tensor:
    """1 where a blob was learnt before and is so here too."""
    there = torch.empty_like(item.blob.tensor).copy_(where)
    return there if item.learnt is None else there.mul_(item.learnt)
