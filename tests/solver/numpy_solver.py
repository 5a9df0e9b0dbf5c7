"""Caffe's solver in NumPy float64, in the order of BVLC Caffe's source; keys in Caffe's words."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tests.solver.numpy_layers import LAYERS, Array, Layer, SoftmaxWithLoss

Batch = tuple[Array, Array]


class Net:
    """Layers in a row before a SoftmaxWithLoss; `weights` by `layer.weight` and `layer.bias`."""

    def __init__(self, layers: Sequence[Mapping[str, Any]], weights: Mapping[str, Array]) -> None:
        self.loss = SoftmaxWithLoss()
        self.layers: list[Layer] = []
        self.blobs: list[tuple[Layer, str, Mapping[str, float]]] = []
        self.names: list[str] = []
        for keys in layers:
            made = LAYERS[keys["type"]](**{k: v for k, v in keys.items() if k != "type"})
            self.layers.append(made)
            param = [*keys.get("param", ()), {}, {}]
            for blob, multipliers in zip(made.blobs, param, strict=False):
                name = f"{keys['name']}.{blob}"
                if name not in weights:
                    continue  # bias_term is false
                made.values[blob] = weights[name].copy()
                self.blobs.append((made, blob, multipliers))
                self.names.append(name)

    def clear_diffs(self) -> None:
        for layer, blob, _ in self.blobs:
            layer.diffs[blob] = np.zeros_like(layer.values[blob])

    def forward_backward(self, images: Array, labels: Array) -> float:
        """The loss; gradients are added to what there is."""
        values = images
        for layer in self.layers:
            values = layer.forward(values)
        loss = self.loss.forward(values, labels)
        diff = self.loss.backward()
        for layer in reversed(self.layers):
            diff = layer.backward(diff)
        for layer, blob, multipliers in self.blobs:
            if multipliers.get("lr_mult", 1) == 0:
                layer.diffs[blob][:] = 0  # param_propagate_down: it has no gradient
        return loss


class Solver:
    """`step` is one iteration: its loss and learning rate, as Caffe's log has them."""

    def __init__(self, net: Net, batch: Callable[[int], Batch], **param: Any) -> None:
        self.net, self.batch, self.param = net, batch, param
        self.iter = self.current_step = self.batches = 0
        self.clipped: list[bool] = []
        self.history = [
            [np.zeros_like(layer.values[blob]) for _ in range(2)] for layer, blob, _ in net.blobs
        ]

    def step(self) -> tuple[float, float]:
        self.net.clear_diffs()
        iter_size = self.param.get("iter_size", 1)
        loss = 0.0
        for _ in range(iter_size):
            loss += self.net.forward_backward(*self.batch(self.batches))
            self.batches += 1
        rate = self._learning_rate()
        self._clip_gradients()
        for place, (layer, blob, multipliers) in enumerate(self.net.blobs):
            diff = layer.diffs[blob] / iter_size
            decay = self.param.get("weight_decay", 0) * multipliers.get("decay_mult", 1)
            value = layer.values[blob]
            is_l1 = self.param.get("regularization_type") == "L1"
            diff = diff + decay * (np.sign(value) if is_l1 else value)
            local = rate * multipliers.get("lr_mult", 1)
            layer.values[blob] = value - self._update(self.history[place], diff, local)
        self.iter += 1
        return loss / iter_size, rate

    def _clip_gradients(self) -> None:
        limit = self.param.get("clip_gradients", -1)
        if limit < 0:
            return
        norm = math.sqrt(sum((layer.diffs[b] ** 2).sum() for layer, b, _ in self.net.blobs))
        self.clipped.append(norm > limit)
        if norm > limit:
            for layer, blob, _ in self.net.blobs:
                layer.diffs[blob] *= limit / norm

    def _learning_rate(self) -> float:
        p, i, factor = self.param, self.iter, 1.0
        match p.get("lr_policy", "fixed"):
            case "step":
                factor = p["gamma"] ** (i // p["stepsize"])
            case "exp":
                factor = p["gamma"] ** i
            case "inv":
                factor = (1 + p["gamma"] * i) ** -p["power"]
            case "multistep":
                values = p["stepvalue"]
                if self.current_step < len(values) and i >= values[self.current_step]:
                    self.current_step += 1
                factor = p["gamma"] ** self.current_step
            case "poly":
                factor = (1 - i / p["max_iter"]) ** p["power"]
            case "sigmoid":
                factor = 1 / (1 + math.exp(-p["gamma"] * (i - p["stepsize"])))
        return float(p["base_lr"] * factor)

    def _update(self, history: list[Array], g: Array, rate: float) -> Array:
        """What is taken off the weights; ComputeUpdateValue of each solver type."""
        momentum, delta = self.param.get("momentum", 0.0), self.param.get("delta", 1e-8)
        h, h2 = history
        match self.param.get("type", "SGD"):
            case "SGD":
                history[0] = momentum * h + rate * g
                return history[0]
            case "Nesterov":
                history[0] = rate * g + momentum * h
                return (1 + momentum) * history[0] - momentum * h
            case "AdaGrad":
                history[0] = g**2 + h
                return rate * g / (np.sqrt(history[0]) + delta)
            case "RMSProp":
                decay = self.param.get("rms_decay", 0.99)
                history[0] = (1 - decay) * g**2 + decay * h
                return rate * g / (np.sqrt(history[0]) + delta)
            case "AdaDelta":
                history[0] = (1 - momentum) * g**2 + momentum * h
                u = g * np.sqrt((h2 + delta) / (history[0] + delta))
                history[1] = (1 - momentum) * u**2 + momentum * h2
                return rate * u
            case "Adam":
                beta2, t = self.param.get("momentum2", 0.999), self.iter + 1
                history[0] = (1 - momentum) * g + momentum * h
                history[1] = (1 - beta2) * g**2 + beta2 * h2
                correction = math.sqrt(1 - beta2**t) / (1 - momentum**t)
                return rate * correction * history[0] / (np.sqrt(history[1]) + delta)
        raise AssertionError(self.param["type"])
