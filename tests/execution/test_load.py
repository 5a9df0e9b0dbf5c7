"""Packed models that compute: every execution against the dense net, and what stays in memory."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

import sparsenet
from sparsenet.config.load import Configuration, from_data
from sparsenet.errors import ConfigError
from sparsenet.execution.load import EXECUTIONS, Execution, runnable
from sparsenet.execution.weights import held
from sparsenet.packed.file import write_packed
from sparsenet.packed.model import PackError, unpack
from sparsenet.storage.encoded import encode
from sparsenet.storage.values import FLOAT32
from sparsenet.workflows.joined import joined_configuration
from tests.execution.packed_nets import (
    SOLVER,
    away,
    images_of,
    loaded,
    packed_net,
    shipped_solver,
    small_solver,
)
from tests.program.sparse_nets import NEEDS_COMPILER
from tests.small import convolution, inner_product, net_data

EVERY_EXECUTION = pytest.mark.parametrize("execution", EXECUTIONS)
RELU = {"name": "relu", "type": "ReLU"}


def small() -> Configuration:
    layers = (convolution("conv", 6, pad=1), RELU, inner_product("ip1", 30))
    return small_solver(*layers, inner_product("ip2", 10))


@NEEDS_COMPILER
@EVERY_EXECUTION
@pytest.mark.parametrize(
    ("path", "density", "blob"),
    [
        ("mnist/l0-5.yaml", 0.05, "ip2"),
        ("cifar10/quick.yaml", 0.1, "ip2"),
        ("cifar10/resnet20.yaml", 0.2, "fc"),
    ],
)
def test_shipped_nets(path: str, density: float, blob: str, execution: Execution) -> None:
    model, net = packed_net(shipped_solver(path), density)
    assert away(loaded(model, execution), net, blob, 3) < 1e-5


@NEEDS_COMPILER
@EVERY_EXECUTION
@pytest.mark.parametrize("values", ["float32", "int8", "shared:5"])
def test_kinds_of_values_and_numbers_of_images(values: str, execution: Execution) -> None:
    model, net = packed_net(small(), 0.3, values)
    runs = loaded(model, execution, threads=2)
    for count in (1, 3, 8, 33):
        assert away(runs, net, "ip2", count) < 1e-5


@EVERY_EXECUTION
def test_an_ensemble_gives_the_mean_of_probabilities(execution: Execution) -> None:
    model, net = packed_net(joined_configuration(small(), 2), 0.1)
    runs = loaded(model, execution)
    assert away(runs, net, "prob", 2) < 1e-5
    assert torch.allclose(runs(images_of(net, 2)).sum(1), torch.ones(2))


@EVERY_EXECUTION
def test_groups_strides_and_names_that_are_written_again(execution: Execution) -> None:
    layers = (
        convolution("conv1", 6, stride=2, pad=1),
        {"name": "relu", "type": "ReLU", "bottom": "conv1", "top": "conv1"},
        convolution("conv2", 8, group=2, dilation=1, bottom="conv1"),
        {"name": "prelu", "type": "PReLU"},
    )
    model, net = packed_net(small_solver(*layers, inner_product("ip", 10)), 0.4)
    for count in (1, 5):
        assert away(loaded(model, execution), net, "ip", count) < 1e-5


@pytest.mark.parametrize("execution", ["auto", "sparse"])
def test_without_a_compiler(execution: Execution, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    model, net = packed_net(small(), 0.2)
    runs = loaded(model, execution)
    for count in (1, 9):
        assert away(runs, net, "ip2", count) < 1e-5
        methods = runs.choice(images_of(net, count)).methods
        assert methods["conv"] == "decoded"
        assert set(methods.values()) <= {"decoded", "csr"}


@NEEDS_COMPILER
def test_memory_is_that_of_the_packed_bytes() -> None:
    configuration = small_solver(convolution("conv", 6), inner_product("ip", 10))
    model, net = packed_net(configuration, 0.97)
    packed = {name.removesuffix(".weight"): one.nbytes for name, one in model.weights.items()}
    for execution in ("auto", "sparse"):
        runs = loaded(model, execution)
        away(runs, net, "ip", 1)
        away(runs, net, "ip", 40)
        for layer, count in runs.resident_bytes.items():
            assert count <= 1.1 * packed[layer] if execution == "auto" else count == packed[layer]
    dense = loaded(model, "dense").resident_bytes
    assert dense == {"conv": 4 * 54, "ip": 4 * 6 * 36 * 10}
    assert loaded(model, "auto").resident_bytes == dense  # 97 % and a bitmask: not a tenth less
    model, _ = packed_net(configuration, 0.8)
    assert sum(loaded(model, "auto").resident_bytes.values()) < 0.9 * sum(dense.values())


@NEEDS_COMPILER
@EVERY_EXECUTION
@pytest.mark.parametrize("values", ["float32", "int8"])
def test_kernel_patterns_are_computed_from_their_values_and_table(
    values: str, execution: Execution
) -> None:
    layers = (convolution("first", 8), convolution("conv", 16, kernel_pattern="PSD1_P16"))
    model, net = packed_net(small_solver(*layers, inner_product("ip", 10)), 1.0, values)
    assert model.weights["conv.weight"].format.name == "periodic"
    runs = loaded(model, execution)
    for count in (1, 9):
        assert away(runs, net, "ip", count) < 1e-5
    if execution == "sparse":
        assert runs.resident_bytes["conv"] == model.weights["conv.weight"].nbytes


def test_a_file_that_breaks_its_pattern_is_refused() -> None:
    layers = (convolution("first", 8), convolution("conv", 16, kernel_pattern="PSD1_P16"))
    model, net = packed_net(small_solver(*layers, inner_product("ip", 10)), 1.0)
    weight = net.weights()["conv.weight"].detach().clone()
    beyond = weight == 0
    weight[beyond] = 0.5
    broken = replace(model, weights=model.weights | {"conv.weight": encode(weight, FLOAT32)})
    words = f"test: conv.weight: {int(beyond.sum())} nonzero values outside the kernel_pattern"
    for opened in (partial(loaded, broken, "dense"), partial(unpack, broken, "test")):
        with pytest.raises(PackError, match=f"^{words}$"):
            opened()


@NEEDS_COMPILER
def test_a_sparse_layer_has_no_dense_copy() -> None:
    """Counted in what Python and torch hold, not by what the net says of itself."""
    model, net = packed_net(small(), 0.05)
    runs = loaded(model)
    runs(images_of(net, 2))
    sizes = [tensor.numel() for tensor in (*runs.parameters(), *runs.buffers())]
    held = [value for value in vars(runs).values() if isinstance(value, torch.Tensor)]
    assert sum(sizes) == len(held) == 0
    assert sum(runs.resident_bytes.values()) == sum(one.nbytes for one in model.weights.values())


@NEEDS_COMPILER
def test_threads_may_call_at_once() -> None:
    model, net = packed_net(small(), 0.2)
    runs, images = loaded(model, "sparse", threads=2), images_of(net, 20)
    expected = loaded(model, "dense")(images).numpy()
    found: list[float] = []

    def call() -> None:
        found.extend(float(np.abs(runs(images).numpy() - expected).max()) for _ in range(20))

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 60
    assert max(found) < 1e-5 * np.abs(expected).max()


def test_threads_are_torchs_where_none_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = packed_net(small(), 0.2)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    for asked, threads in ((None, 3), (1, 1)):
        runs = runnable(model, "test", "sparse", asked)
        assert runs._candidates.threads == threads  # type: ignore[attr-defined]


def test_what_is_held_lets_the_files_bytes_go() -> None:
    model, _ = packed_net(small(), 0.2, "shared:5")
    weights = held(model, "x", roomy=False)
    for layer, mine in weights.packed.items():
        files = model.weights[f"{layer}.weight"]
        for name in ("index", "codes", "table"):
            assert np.array_equal(getattr(mine, name), getattr(files, name))
            assert not np.shares_memory(getattr(mine, name), getattr(files, name))
    for name, tensor in weights.numbers.items():
        assert tensor.data_ptr() != model.others[name].data_ptr()


def test_load_packed_is_public(tmp_path: Path) -> None:
    model, net = packed_net(small(), 0.2)
    write_packed(tmp_path / "x.safetensors", model)
    runs = sparsenet.load_packed(tmp_path / "x.safetensors", "dense")
    assert away(runs, net, "ip2", 2) < 1e-5
    with pytest.raises(AttributeError, match="no attribute 'load_nothing'"):
        _ = sparsenet.load_nothing


def test_what_is_refused(tmp_path: Path) -> None:
    model, _ = packed_net(small(), 0.2)
    with pytest.raises(ConfigError, match="no such packed model"):
        sparsenet.load_packed(tmp_path / "none")
    with pytest.raises(ConfigError, match="execution 'fast': it may be auto, sparse or dense"):
        runnable(model, "x", "fast")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="threads 0: must be at least 1"):
        runnable(model, "x", "auto", 0)
    others = {name: one for name, one in model.others.items() if name != "ip1.bias"}
    for wrong, has in [({}, "none"), ({"ip1.bias": torch.ones(3)}, r"one of shape \(3,\)")]:
        with pytest.raises(PackError, match=rf"^x: .* ip1\.bias of shape \(30,\), .* is {has}$"):
            runnable(replace(model, others=others | wrong), "x")
    turned = encode(model.weights["ip2.weight"].decoded().T.contiguous())
    with pytest.raises(PackError, match=r"x: ip2: a weight of shape \(30, 10\), not \(10, 30\)"):
        runnable(replace(model, weights=model.weights | {"ip2.weight": turned}), "x")


@EVERY_EXECUTION
def test_a_net_whose_scores_are_its_images_is_refused(execution: Execution) -> None:
    data = net_data(inner_product("pixels", 64))
    loss = {"name": "loss", "type": "EuclideanLoss", "bottom": ["data", "pixels"]}
    data["layers"] = [*data["layers"][:2], loss]
    model, _ = packed_net(from_data({"net": data, **SOLVER}, "test"), 0.2)
    with pytest.raises(ConfigError, match="x: the net has no layer that computes scores from"):
        runnable(model, "x", execution)


@EVERY_EXECUTION
def test_bytes_that_are_no_index_are_refused_before_c_reads_them(execution: Execution) -> None:
    model, _ = packed_net(small(), 0.05)
    good = model.weights["ip1.weight"]
    bad = replace(good, index=np.zeros_like(good.index))
    wrong = replace(model, weights=model.weights | {"ip1.weight": replace(bad, nonzeros=5)})
    with pytest.raises(PackError, match=r"^x: ip1\.weight: "):
        runnable(wrong, "x", execution)


@EVERY_EXECUTION
def test_images(execution: Execution) -> None:
    model, net = packed_net(small(), 0.2)
    runs = loaded(model, execution)
    assert runs(torch.empty(0, 1, 8, 8)).shape == (0, 10)
    for wrong in (torch.zeros(2, 1, 8, 8, dtype=torch.float64), torch.zeros(2, 1, 8, 7)):
        with pytest.raises(ValueError, match=r"not torch.float32 \(N, 1, 8, 8\)"):
            runs(wrong)
    with pytest.raises(ValueError, match="no images"):
        runs.timed(torch.empty(0, 1, 8, 8))
    other = images_of(net, 4).contiguous(memory_format=torch.channels_last)[::2]
    assert torch.allclose(runs(other), runs(other.contiguous().clone()), atol=1e-6)
