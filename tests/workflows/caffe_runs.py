"""Trainings whose losses BVLC Caffe printed, and the files that they are given.

`caffe_losses/NAME.trace` is what Caffe 1.0 printed of the training NAME: the number of each update
and its loss. It is the package `caffe` of Debian 11, on the CPU, with OpenBLAS's kernels for
Haswell and one thread:

    python -m tests.workflows.caffe_runs DIR    # with SPARSENET_DATA; writes DIR
    cd DIR && OPENBLAS_NUM_THREADS=1 caffe train --solver NAME.prototxt --weights NAME.caffemodel
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torchvision.datasets import MNIST, ImageFolder

from tests.caffe.files import blob, layer, write_net
from tests.data.lmdbs import raw, write_lmdb, write_mean

LOSSES = Path(__file__).parent / "caffe_losses"
IMAGES = {"mnist": 12_800, "cifar": 2_000}
"""Records of each LMDB; after the last the first follows."""
Shapes = dict[str, tuple[tuple[int, ...], float]]
"""Of a layer's weight, with the deviation that it is drawn with."""


@dataclass(frozen=True)
class Run:
    """A training: a solver's lines, and the net with the size of its batches."""

    net: Net
    batch: int
    solver: str
    updates: int = 200


@dataclass(frozen=True)
class Net:
    """Layers between the data and the loss of `bottom`; what is written for the data layer."""

    data: str
    transform: str
    layers: tuple[str, ...]
    bottom: str
    weights: Shapes

    def text(self, batch: int, lmdb: str = "") -> str:
        """The prototxt; `lmdb` is where the images are, by default beside it."""
        source = lmdb or f"{self.data}_lmdb"
        return "\n".join(
            (
                f'layer {{ name: "{self.data}" type: "Data" top: "data" top: "label"',
                f"  transform_param {{ {self.transform} }}",
                f'  data_param {{ source: "{source}" batch_size: {batch} backend: LMDB }}',
                "}",
                *self.layers,
                f'layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "{self.bottom}"',
                '  bottom: "label" top: "loss" }',
                "",
            )
        )


def wired(name: str, kind: str, bottom: str, keys: str = "", top: str = "") -> str:
    words = f'name: "{name}" type: "{kind}" bottom: "{bottom}" top: "{top or name}"'
    return f"layer {{ {words} {keys} }}"


def learnt(name: str, bottom: str, keys: str, decay: int = 1) -> str:
    """A layer with weights, biases at twice the rate and `decay` times the decay."""
    kind, field = (
        ("Convolution", "convolution_param")
        if "kernel_size" in keys
        else ("InnerProduct", "inner_product_param")
    )
    rates = f"param {{ lr_mult: 1 }} param {{ lr_mult: 2 decay_mult: {decay} }}"
    return wired(name, kind, bottom, f"{rates} {field} {{ {keys} }}")


def pooled(name: str, bottom: str, pool: str, size: int) -> str:
    keys = f"pooling_param {{ pool: {pool} kernel_size: {size} stride: 2 }}"
    return wired(name, "Pooling", bottom, keys)


def relu(name: str, blob: str) -> str:
    return wired(name, "ReLU", blob, top=blob)


def _by_fan_in(shape: tuple[int, ...]) -> float:
    return float(np.prod(shape[1:])) ** -0.5


def lenet() -> Net:
    layers = (
        learnt("conv1", "data", "num_output: 20 kernel_size: 5"),
        pooled("pool1", "conv1", "MAX", 2),
        learnt("conv2", "pool1", "num_output: 50 kernel_size: 5"),
        pooled("pool2", "conv2", "MAX", 2),
        learnt("ip1", "pool2", "num_output: 500"),
        relu("relu1", "ip1"),
        learnt("ip2", "ip1", "num_output: 10"),
    )
    shapes = {"conv1": (20, 1, 5, 5), "conv2": (50, 20, 5, 5), "ip1": (500, 800), "ip2": (10, 500)}
    drawn = {name: (shape, _by_fan_in(shape)) for name, shape in shapes.items()}
    return Net("mnist", "scale: 0.00390625", layers, "ip2", drawn)


def quick(decay: int = 1, *, larger: bool = False) -> Net:
    """cifar10_quick; the decay of its biases is so many times that of its weights.

    `larger` first weights than its own, whose conv1 of deviation 0.0001 leaves so many maxima of
    pool1 so near to others that roundings decide between them.
    """
    layers = (
        learnt("conv1", "data", "num_output: 32 pad: 2 kernel_size: 5", decay),
        pooled("pool1", "conv1", "MAX", 3),
        relu("relu1", "pool1"),
        learnt("conv2", "pool1", "num_output: 32 pad: 2 kernel_size: 5", decay),
        relu("relu2", "conv2"),
        pooled("pool2", "conv2", "AVE", 3),
        learnt("conv3", "pool2", "num_output: 64 pad: 2 kernel_size: 5", decay),
        relu("relu3", "conv3"),
        pooled("pool3", "conv3", "AVE", 3),
        learnt("ip1", "pool3", "num_output: 64", decay),
        learnt("ip2", "ip1", "num_output: 10", decay),
    )
    drawn: Shapes = {
        "conv1": ((32, 3, 5, 5), 0.0001),
        "conv2": ((32, 32, 5, 5), 0.01),
        "conv3": ((64, 32, 5, 5), 0.01),
        "ip1": ((64, 1024), 0.1),
        "ip2": ((10, 64), 0.1),
    }
    if larger:
        deviations = {"conv1": 0.002, "conv2": 0.02, "conv3": 0.02, "ip1": 0.05}
        drawn |= {name: (drawn[name][0], deviation) for name, deviation in deviations.items()}
    return Net("cifar", 'mean_file: "mean.binaryproto"', layers, "ip2", drawn)


def full(*, normalized: bool) -> Net:
    """cifar10_full, or with sigmoids and BatchNorm instead, as in Caffe's examples."""
    local = "local_size: 3 alpha: 5e-05 beta: 0.75 norm_region: WITHIN_CHANNEL"
    layers, bottom = [], "data"
    for n, outputs in ((1, 32), (2, 32), (3, 64)):
        conv, pool, norm = f"conv{n}", f"pool{n}", f"norm{n}"
        layers.append(learnt(conv, bottom, f"num_output: {outputs} pad: 2 kernel_size: 5"))
        first = n == 1  # the first is pooled before it is rectified, and by maxima
        bottom = pool if first else conv
        if first:
            layers.append(pooled(pool, conv, "MAX", 3))
        if normalized:
            layers.append(
                wired(f"bn{n}", "BatchNorm", bottom, " ".join(["param { lr_mult: 0 }"] * 3))
            )
            bottom = f"bn{n}"
            layers.append(wired(f"sigmoid{n}", "Sigmoid", bottom, top=bottom))
        else:
            layers.append(relu(f"relu{n}", bottom))
        if not first:
            layers.append(pooled(pool, bottom, "AVE", 3))
            bottom = pool
        if not normalized and n < 3:
            layers.append(wired(norm, "LRN", bottom, f"lrn_param {{ {local} }}"))
            bottom = norm
    layers.append(learnt("ip1", bottom, "num_output: 10", 0))
    drawn: Shapes = {
        "conv1": ((32, 3, 5, 5), 0.0001),
        "conv2": ((32, 32, 5, 5), 0.01),
        "conv3": ((64, 32, 5, 5), 0.01),
        "ip1": ((10, 1024), 0.01),
    }
    return Net("cifar", 'mean_file: "mean.binaryproto"', tuple(layers), "ip1", drawn)


INV = 'lr_policy: "inv" gamma: 0.0001 power: 0.75'
CLIPPED = "iter_size: 2 clip_gradients: {}"
SGD_LENET = "base_lr: 0.01 momentum: 0.9 weight_decay: 0.0005"
SGD_CIFAR = "base_lr: 0.0005 momentum: 0.9 weight_decay: 0.004"
L1_STEP = 'regularization_type: "L1" lr_policy: "step" gamma: 0.5 stepsize: 50'
ADAM = 'type: "Adam" base_lr: 0.0001 momentum: 0.9 momentum2: 0.999 lr_policy: "fixed"'
RUNS = {
    "lenet_nesterov": Run(lenet(), 32, f'type: "Nesterov" {SGD_LENET} {INV} {CLIPPED.format(3)}'),
    "lenet_adam": Run(lenet(), 32, f"{ADAM} weight_decay: 0.0005 {CLIPPED.format(4)}"),
    "quick_l2_fixed": Run(quick(), 50, f'{SGD_CIFAR} lr_policy: "fixed"'),
    "quick_l1_step": Run(quick(decay=0), 25, f"{SGD_CIFAR} {L1_STEP}"),
    "quick_nesterov": Run(
        quick(larger=True), 25, f'type: "Nesterov" {SGD_CIFAR} {INV} {CLIPPED.format(20)}'
    ),
    "quick_adam": Run(quick(larger=True), 25, f"{ADAM} weight_decay: 0.004 {CLIPPED.format(25)}"),
    "full_l2_inv": Run(full(normalized=False), 50, f"{SGD_CIFAR} {INV}", 40),
    "full_batch_norm": Run(full(normalized=True), 50, f"{SGD_CIFAR} {INV}", 40),
}


def images(name: str, data: Path) -> list[tuple[np.ndarray, int]]:
    """The first of MNIST's training digits; of CIFAR-10 one of each class in turn."""
    if name == "mnist":
        digits = MNIST(data, train=True)
        pairs = (digits[number] for number in range(IMAGES[name]))
        return [(np.asarray(image)[None], label) for image, label in pairs]
    folder = ImageFolder(data / "cifar10" / "train")
    of_class = [[i for i, each in enumerate(folder.targets) if each == c] for c in range(10)]
    chosen = [of_class[i % 10][i // 10] for i in range(IMAGES[name])]
    return [(np.asarray(folder[i][0]).transpose(2, 0, 1), folder.targets[i]) for i in chosen]


def write_run(folder: Path, name: str) -> Path:
    """The solver's file of a training, which this returns; its net and its first weights."""
    run = RUNS[name]
    (folder / f"{name}_net.prototxt").write_text(run.net.text(run.batch))
    words = f'net: "{name}_net.prototxt" {run.solver} max_iter: {run.updates} display: 1'
    solver = folder / f"{name}.prototxt"
    solver.write_text(f'{words} snapshot_prefix: "{name}" solver_mode: CPU\n')
    random = np.random.RandomState(1)  # its numbers are the same in every release
    layers = []
    for each, (shape, deviation) in run.net.weights.items():
        weight = torch.from_numpy(random.normal(0, deviation, shape).astype(np.float32))
        kind = "Convolution" if len(shape) == 4 else "InnerProduct"
        layers.append(layer(each, kind, blob(weight), blob(torch.zeros(shape[0]))))
    write_net(folder / f"{name}.caffemodel", *layers)
    return solver


def write_images(folder: Path, name: str, data: Path) -> None:
    """Their LMDB, and the mean image of CIFAR-10's."""
    pairs = images(name, data)
    write_lmdb(folder / f"{name}_lmdb", (raw(image, label) for image, label in pairs))
    if name == "cifar":
        mean = np.mean([image for image, _ in pairs], axis=0, dtype=np.float64)
        write_mean(folder / "mean.binaryproto", mean.astype(np.float32))


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True)
    for kind in IMAGES:
        write_images(target, kind, Path(os.environ["SPARSENET_DATA"]))
    for each in RUNS:
        write_run(target, each)
