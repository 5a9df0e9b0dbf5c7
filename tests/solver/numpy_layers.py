"""Caffe's layers and their backward passes in NumPy float64, from BVLC Caffe's source.

A layer is made of its keys in Caffe's words. `forward` keeps what `backward` needs, which takes
dL/dy, adds the gradients of the layer's blobs to `diffs`, and gives dL/dx.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

Array = np.ndarray


class Layer:
    """Blobs are the weight and the bias, or none."""

    blobs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, **keys: Any) -> None:
        self.keys = keys
        self.values: dict[str, Array] = {}
        self.diffs: dict[str, Array] = {}

    def forward(self, x: Array) -> Array:
        raise NotImplementedError

    def backward(self, dy: Array) -> Array:
        raise NotImplementedError


class Convolution(Layer):
    """y[o] = b[o] + sum over c, a, b of w[o, c, a, b] x[c, r - p + a, q - p + b]; b if there is."""

    blobs = ("weight", "bias")

    def forward(self, x: Array) -> Array:
        weight, pad = self.values["weight"], self.keys.get("pad", 0)
        assert "stride" not in self.keys
        self.x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        self.size = [n - weight.shape[2] + 1 for n in self.x.shape[2:]]
        y = np.zeros((len(x), len(weight), *self.size))
        if "bias" in self.values:
            y += self.values["bias"][:, None, None]
        for a, b in np.ndindex(weight.shape[2:]):
            y += np.einsum("nchw,oc->nohw", self._shifted(self.x, a, b), weight[:, :, a, b])
        return y

    def backward(self, dy: Array) -> Array:
        weight, pad = self.values["weight"], self.keys.get("pad", 0)
        dx = np.zeros_like(self.x)
        if "bias" in self.values:
            self.diffs["bias"] += dy.sum((0, 2, 3))
        for a, b in np.ndindex(weight.shape[2:]):
            x = self._shifted(self.x, a, b)
            self.diffs["weight"][:, :, a, b] += np.einsum("nohw,nchw->oc", dy, x)
            self._shifted(dx, a, b)[:] += np.einsum("nohw,oc->nchw", dy, weight[:, :, a, b])
        height, width = dx.shape[2:]
        return dx[:, :, pad : height - pad, pad : width - pad]

    def _shifted(self, padded: Array, a: int, b: int) -> Array:
        """The pixels under tap (a, b) of the kernel, a view."""
        rows, columns = self.size
        return padded[:, :, a : a + rows, b : b + columns]


class InnerProduct(Layer):
    """y = W x + b over the values of an example, in the order channel, row, column."""

    blobs = ("weight", "bias")

    def forward(self, x: Array) -> Array:
        self.shape, self.x = x.shape, x.reshape(len(x), -1)
        return self.x @ self.values["weight"].T + self.values["bias"]

    def backward(self, dy: Array) -> Array:
        self.diffs["weight"] += dy.T @ self.x
        self.diffs["bias"] += dy.sum(0)
        return (dy @ self.values["weight"]).reshape(self.shape)


class ReLU(Layer):
    """y = max(x, 0); the derivative at 0 is 0."""

    def forward(self, x: Array) -> Array:
        self.x = x
        return np.maximum(x, 0)

    def backward(self, dy: Array) -> Array:
        return dy * (self.x > 0)


class Pooling(Layer):
    """ceil((n + 2 p - k) / s) + 1 windows, less one that would begin beyond the image and pad.

    MAX goes over the pixels of the image, the first of equal ones. AVE divides by the size of the
    window, cut off by the end of the pad.
    """

    def forward(self, x: Array) -> Array:
        self.shape = x.shape
        self.windows = [self._windows(n) for n in x.shape[2:]]
        y = np.empty((*x.shape[:2], *map(len, self.windows)))
        self.picked = np.zeros((*y.shape, 2), dtype=int)
        for r, q in np.ndindex(y.shape[2:]):
            rows, columns, size = self._window(r, q)
            pixels = x[:, :, rows, columns]
            flat = pixels.reshape(*x.shape[:2], -1)
            if self.keys["pool"] == "AVE":
                y[:, :, r, q] = flat.sum(-1) / size
                continue
            y[:, :, r, q] = flat.max(-1)
            h, w = np.unravel_index(flat.argmax(-1), pixels.shape[2:])
            self.picked[:, :, r, q] = np.stack([h + rows.start, w + columns.start], -1)
        return y

    def backward(self, dy: Array) -> Array:
        dx = np.zeros(self.shape)
        for r, q in np.ndindex(dy.shape[2:]):
            rows, columns, size = self._window(r, q)
            if self.keys["pool"] == "AVE":
                dx[:, :, rows, columns] += dy[:, :, r, q, None, None] / size
                continue
            n, c = np.indices(self.shape[:2])
            h, w = np.moveaxis(self.picked[:, :, r, q], -1, 0)
            dx[n, c, h, w] += dy[:, :, r, q]
        return dx

    def _windows(self, n: int) -> list[tuple[int, int, int]]:
        """Of each window the first pixel, the one after the last, and its size with the pad."""
        k, s, p = self.keys["kernel_size"], self.keys.get("stride", 1), self.keys.get("pad", 0)
        count = -(-(n + 2 * p - k) // s) + 1
        if p and (count - 1) * s >= n + p:
            count -= 1
        found = []
        for i in range(count):
            start = i * s - p
            end = min(start + k, n + p)
            found.append((max(start, 0), min(end, n), end - start))
        return found

    def _window(self, r: int, q: int) -> tuple[slice, slice, int]:
        (top, bottom, height), (left, right, width) = self.windows[0][r], self.windows[1][q]
        return slice(top, bottom), slice(left, right), height * width


class LRN(Layer):
    """Within a channel Caffe makes it of layers: x times Power of AVE Pooling of the squares."""

    def forward(self, x: Array) -> Array:
        self.x, n, alpha = x, self.keys["local_size"], self.keys["alpha"]
        if self.keys.get("norm_region") == "WITHIN_CHANNEL":
            self.pool = Pooling(pool="AVE", kernel_size=n, stride=1, pad=(n - 1) // 2)
            self.scale = 1 + alpha * self.pool.forward(x**2)
        else:
            self.scale = 1 + alpha / n * self._across(x**2)
        return x * self.scale ** -self.keys["beta"]

    def backward(self, dy: Array) -> Array:
        n, alpha, beta = (self.keys[key] for key in ("local_size", "alpha", "beta"))
        by_scale = -beta * dy * self.x * self.scale ** (-beta - 1)
        if self.keys.get("norm_region") == "WITHIN_CHANNEL":
            by_square = alpha * self.pool.backward(by_scale)
        else:
            by_square = alpha / n * self._across(by_scale)
        return dy * self.scale**-beta + 2 * self.x * by_square

    def _across(self, x: Array) -> Array:
        """Sums over the channels from c - n/2 to c + n/2, those that there are."""
        half = self.keys["local_size"] // 2
        return np.stack(
            [x[:, max(0, c - half) : c + half + 1].sum(1) for c in range(x.shape[1])], axis=1
        )


class BatchNorm(Layer):
    """(x - mean) / sqrt(variance + eps) over the batch; the blobs are sums, and their factor."""

    eps = 1e-5

    def __init__(self, **keys: Any) -> None:
        super().__init__(**keys)
        self.mean, self.variance, self.factor = np.zeros((3, 1))

    def forward(self, x: Array) -> Array:
        fraction, m = self.keys.get("moving_average_fraction", 0.999), x[:, 0].size
        mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3))
        self.mean = mean + fraction * self.mean
        self.variance = m / (m - 1) * variance + fraction * self.variance
        self.factor = 1 + fraction * self.factor
        self.root = np.sqrt(variance + self.eps)[:, None, None]
        self.y = (x - mean[:, None, None]) / self.root
        return self.y

    def backward(self, dy: Array) -> Array:
        by_mean, by_spread = (values.mean((0, 2, 3))[:, None, None] for values in (dy, dy * self.y))
        return (dy - by_mean - by_spread * self.y) / self.root


class Scale(Layer):
    """y[c] = w[c] x[c] + b[c]."""

    blobs = ("weight", "bias")

    def forward(self, x: Array) -> Array:
        self.x = x
        return x * self.values["weight"][:, None, None] + self.values["bias"][:, None, None]

    def backward(self, dy: Array) -> Array:
        self.diffs["weight"] += (dy * self.x).sum((0, 2, 3))
        self.diffs["bias"] += dy.sum((0, 2, 3))
        return dy * self.values["weight"][:, None, None]


class SoftmaxWithLoss:
    """-1/N sum log p(label)."""

    def forward(self, scores: Array, labels: Array) -> float:
        powers = np.exp(scores - scores.max(1, keepdims=True))
        self.p = powers / powers.sum(1, keepdims=True)
        self.labels = labels
        return float(-np.log(self.p[np.arange(len(labels)), labels]).mean())

    def backward(self) -> Array:
        return (self.p - np.eye(self.p.shape[1])[self.labels]) / len(self.labels)


LAYERS: dict[str, type[Layer]] = {
    kind.__name__: kind
    for kind in (Convolution, InnerProduct, ReLU, Pooling, LRN, BatchNorm, Scale)
}
