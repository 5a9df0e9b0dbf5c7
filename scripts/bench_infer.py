"""Inference from packed weights against dense torch and ONNX Runtime, in alternating runs.

    python scripts/bench_infer.py [--nets lenet-5,lenet-1,quick-10,alexnet] [--batch 1,32]
        [--rounds N] [--threads 1,2]

Of each net, microseconds a batch of
  sparse  sparsenet's load_packed, --execution auto
  dense   the same net of sparsenet, in torch, zeros and all
  plain   the net written by hand in torch.nn, its tensors contiguous
  onnx    ONNX Runtime, the exported file
  c       the exported C project, as its Makefile builds it: one thread, -Os, one image at a time
each at the number of threads that suits it best, and of `fc` the fully connected layers of AlexNet
alone. The weights are random, and as many are kept as the name says, the largest: speed does not
depend on what they are. A ratio above 1 says how many times as long the other takes.
"""

from __future__ import annotations

import argparse
import ctypes
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from plain_nets import plain_alexnet, plain_lenet, plain_quick
from torch import Tensor, nn
from turns import Rates, in_turns, ratio

from sparsenet.checkpoint import Checkpoint, save_checkpoint
from sparsenet.config.load import load_solver
from sparsenet.execution.load import runnable
from sparsenet.execution.methods import values
from sparsenet.execution.runnable import Runnable
from sparsenet.execution.structure import structure_of
from sparsenet.execution.weights import held
from sparsenet.exports.inference import inference_of
from sparsenet.exports.onnx.encode import encode_onnx
from sparsenet.packed.model import PackedModel, pack
from sparsenet.program.compiled import Compiled
from sparsenet.program.plan import plan_layer
from sparsenet.regularization.projections import keep_largest_
from sparsenet.workflows.build import build_net
from sparsenet.workflows.c_program import export_c
from sparsenet.workflows.stored import StoredNet, open_stored

CONFIGS = Path(__file__).parent.parent / "configs"
BLOCK = 0.02
"""Seconds that a contender's turn takes at least."""

LARGEST_C = 2**20
"""Bytes of a model above which no C is exported: it would take minutes to compile."""

Call = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """A net by its solver file, how many weights are kept, and its twin in torch.nn."""

    solver: str
    density: float | Mapping[str, int]
    plain: Callable[[], nn.Module]


CASES = {
    "lenet-5": Case("mnist/dense.yaml", 0.05, plain_lenet),
    "lenet-1": Case("mnist/dense.yaml", 0.01, plain_lenet),
    "quick-10": Case("cifar10/quick.yaml", 0.1, plain_quick),
    "alexnet": Case(
        "imagenet/alexnet.yaml",
        {"fc6": 3_000_000, "fc7": 3_000_000, "fc8": 400_000},
        plain_alexnet,
    ),
}


def stored_net(case: Case, folder: Path) -> StoredNet:
    """The case's net with random weights, as a checkpoint that is opened again."""
    configuration = load_solver(CONFIGS / case.solver)
    net = build_net(configuration.solver.net, 1, torch.device("cpu"))
    for blob in net.blobs:
        if blob.is_weight:
            size, name = blob.tensor.numel(), blob.layer.name
            share = case.density if isinstance(case.density, float) else 1.0
            kept = int(share * size)
            if not isinstance(case.density, float):
                kept = case.density.get(name, size)
            keep_largest_([blob.tensor.data], kept)
    mean = net.graphs["TRAIN"].data
    image = torch.zeros(mean.mean_shape) if mean.transform.image_of_mean else None
    path = folder / "net.pt"
    save_checkpoint(path, Checkpoint(configuration.data, 1, net.weights(), mean_image=image))
    return open_stored(path, device="cpu")


def contenders(
    case: Case, stored: StoredNet, images: Tensor, threads: list[int], folder: Path
) -> dict[str, Call]:
    """What is to be called, by `name threads`."""
    model = pack(stored.checkpoint, "net")
    content = encode_onnx(inference_of(stored.net, stored.checkpoint)).content
    plain = case.plain().eval()
    calls: dict[str, Call] = {}
    for count in threads:
        for name, execution in [("sparse", "auto"), ("dense", "dense")]:
            net = runnable(model, "net", execution, count)
            calls[f"{name} {count}"] = with_threads(count, lambda net=net: net(images))
        calls[f"plain {count}"] = with_threads(count, lambda: plain(images))
        calls[f"onnx {count}"] = session_call(content, images, count)
    if len(images) == 1 and model.payload_bytes < LARGEST_C:
        calls["c 1"] = c_call(stored, images, folder)
    return calls


def with_threads(count: int, call: Call) -> Call:
    """The call with so many threads of torch's, and without gradients."""

    def computed() -> object:
        torch.set_num_threads(count)
        with torch.inference_mode():
            return call()

    return computed


def session_call(content: bytes, images: Tensor, threads: int) -> Call:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: images.numpy()}
    return lambda: session.run(None, feed)


def c_call(stored: StoredNet, images: Tensor, folder: Path) -> Call:
    project, _ = export_c(stored, folder / "c", overwrite=True)
    made = project.folder / "net.so"
    source = str(project.folder / f"{project.name}.c")
    flags = ["-Os", "-std=c99", "-fPIC", "-shared", "-o", str(made)]
    subprocess.run(["cc", *flags, source, "-lm"], check=True)
    run = ctypes.CDLL(str(made))[f"{project.name}_run"]
    run.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    image, scores = images.numpy(), np.empty(100_000, np.float32)
    return lambda: run(image.ctypes.data, scores.ctypes.data)


def turn(call: Call) -> Callable[[], float]:
    """Calls a second, over at least BLOCK seconds."""

    def taken() -> float:
        call()
        calls, began = 0, time.perf_counter()
        while (seconds := time.perf_counter() - began) < BLOCK or calls < 3:
            call()
            calls += 1
        return calls / seconds

    return taken


def report(title: str, rates: Rates) -> None:
    """A line for each contender at its best number of threads, and its ratio to sparse."""
    best: dict[str, str] = {}
    for label in rates:
        name = label.split()[0]
        if name not in best or statistics.median(rates[label]) > statistics.median(
            rates[best[name]]
        ):
            best[name] = label
    print(title)
    for name, label in best.items():
        times = [1e6 / rate for rate in rates[label]]
        times_as_long = ratio(rates, best["sparse"], label)
        print(
            f"  {name:7} {label.split()[1]} thread(s) {statistics.median(times):10.1f} us"
            f"  [{min(times):.1f} .. {max(times):.1f}]  {times_as_long:6.2f}"
        )


def fully_connected(model: PackedModel, threads: list[int], rounds: int) -> None:
    """AlexNet's three, one image: each layer's program against torch's F.linear."""
    structure = structure_of(load_solver(CONFIGS / CASES["alexnet"].solver).solver.net)
    weights = held(model, "net", roomy=False)
    nodes = [node for node in structure.weighted if node.layer.name in ("fc6", "fc7", "fc8")]
    inputs = [torch.randn(1, weights.packed[n.layer.name].shape[1]) for n in nodes]
    programs = [plan_layer(node, weights.numbers, weights.packed, 1) for node in nodes]
    dense = [values(weights.packed[node.layer.name]) for node in nodes]
    calls: dict[str, Call] = {}
    for count in threads:
        sparse = [Compiled(program, count) for program in programs]
        calls[f"sparse {count}"] = with_threads(
            count,
            lambda sparse=sparse: [one(x.numpy()) for one, x in zip(sparse, inputs, strict=True)],
        )
        calls[f"dense {count}"] = with_threads(
            count, lambda: [nn.functional.linear(x, w) for w, x in zip(dense, inputs, strict=True)]
        )
    rates = in_turns({label: turn(call) for label, call in calls.items()}, rounds)
    report("alexnet's fc6, fc7 and fc8, batch 1", rates)


def resident(net: Runnable, model: PackedModel) -> str:
    """What the weights take in memory beside what they take packed."""
    held_bytes = sum(net.resident_bytes.values())
    packed = sum(weight.nbytes for weight in model.weights.values())
    return (
        f"{held_bytes:,} bytes of weights in memory, {packed:,} packed: {held_bytes / packed:.3f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", default=",".join(CASES))
    parser.add_argument("--batch", default="1,32")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    threads = list(map(int, options.threads.split(",")))
    for name in options.nets.split(","):
        with tempfile.TemporaryDirectory() as folder:
            stored = stored_net(CASES[name], Path(folder))
            model = pack(stored.checkpoint, "net")
            shape = stored.net.graphs["TEST"].data.image_shape
            for batch in map(int, options.batch.split(",")):
                images = torch.randn(batch, *shape)
                calls = contenders(CASES[name], stored, images, threads, Path(folder))
                rates = in_turns(
                    {label: turn(call) for label, call in calls.items()}, options.rounds
                )
                report(f"{name}, batch {batch}", rates)
            net = runnable(model, "net", "auto", threads[0])
            net(torch.randn(1, *shape))
            print(f"  {resident(net, model)}")
            if name == "alexnet":
                fully_connected(model, threads, options.rounds)


if __name__ == "__main__":
    main()
