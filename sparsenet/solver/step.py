"""One update of a net: Caffe's order, with the paper's regularizers in their places."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sparsenet.config.solver import SolverConfig
from sparsenet.data.batches import Batches
from sparsenet.net import Blob, Net
from sparsenet.regularization.regularizers import L1, L2, Regularizer
from sparsenet.regularization.schedule import Progress, Schedule
from sparsenet.solver.constrained import project_
from sparsenet.solver.lr_policies import learning_rate
from sparsenet.solver.update import UPDATES, State, Update, clip_gradients_


@dataclass(frozen=True)
class _Trained:
    """A blob with what acts on it in every update."""

    blob: Blob
    regularizer: Regularizer
    history: State


class Stepper:
    """Makes updates. Its state is the net's weights and `history`; time is the argument `step`."""

    def __init__(
        self, config: SolverConfig, net: Net, batches: Batches, schedule: Schedule
    ) -> None:
        self.config, self.net, self.batches, self.schedule = config, net, batches, schedule
        self.update: Update = UPDATES[config.type].from_solver(config)
        self._trained = [self._with_rules(blob) for blob in net.blobs if blob.lr_mult > 0]
        self._random = any(isinstance(m, nn.Dropout) for m in net.modules())

    def _with_rules(self, blob: Blob) -> _Trained:
        """Weights have their layer's regularizer, biases the solver's."""
        default = L1() if self.config.regularization_type == "L1" else L2()
        own = blob.layer.regularization if blob.index == 0 else None
        return _Trained(blob, own or default, self.update.new_state(blob.tensor))

    @property
    def history(self) -> dict[str, State]:
        """The update rule's tensors, by blob name."""
        return {item.blob.name: item.history for item in self._trained}

    def load_history(self, history: dict[str, State]) -> None:
        """Take over a snapshot's history; raises KeyError or RuntimeError where it does not fit."""
        for item in self._trained:
            for name, tensor in item.history.items():
                tensor.copy_(history[item.blob.name][name])

    def step(self, step: int, progress: Progress) -> Tensor:
        """Make update number `step` + 1; the loss before it, a mean over iter_size batches."""
        config = self.config
        for item in self._trained:
            item.blob.tensor.grad = None
        loss = self._gradients(step)
        with torch.no_grad():
            gradients = [item.blob.tensor.grad for item in self._trained]
            present = [gradient for gradient in gradients if gradient is not None]
            if config.clip_gradients is not None:
                clip_gradients_(present, config.clip_gradients)
            if config.iter_size > 1:
                torch._foreach_mul_(present, 1 / config.iter_size)
            self._apply(step)
            self._project(step + 1, progress)
        return loss

    def _gradients(self, step: int) -> Tensor:
        total: Tensor | None = None
        for part in range(self.config.iter_size):
            index = step * self.config.iter_size + part
            if self._random:
                # Dropout's masks are a function of the step, so that no random state is saved.
                torch.manual_seed(hash((self.config.random_seed, index)))
            images, labels = self.batches.batch(index)
            with self._precision():
                loss = self.net(images, labels, "TRAIN").loss
            assert loss is not None, "a checked net has a loss in TRAIN"
            loss.backward()
            total = loss.detach() if total is None else total + loss.detach()
        assert total is not None
        return total / self.config.iter_size

    def _precision(self) -> AbstractContextManager[object]:
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
        weights = self.net.weights()
        project_(weights, due)
        for ball, _ in due:
            if ball.velocity == "clear":
                for name in ball.weights:
                    velocity = self.history[name].get("velocity")
                    if velocity is not None:
                        velocity.masked_fill_(weights[name] == 0, 0.0)
