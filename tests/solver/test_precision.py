"""What bf16 and tf32 change of the first update, and that nothing else is changed by them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from sparsenet.config.load import load_net
from sparsenet.regularization.schedule import Progress
from sparsenet.solver.evaluate import evaluate
from sparsenet.solver.step import Stepper
from sparsenet.solver.tf32 import has_tf32, tf32
from sparsenet.workflows.build import Parts
from tests.small import convolution, inner_product, net_data, parts

LAYERS = (
    convolution("conv", 8),
    {"name": "bn", "type": "BatchNormScale"},
    {"name": "pool", "type": "Pooling", "kernel_size": 2, "stride": 2},
    {"name": "relu", "type": "ReLU"},
    inner_product("ip1", 32),
    {"name": "relu1", "type": "ReLU"},
    inner_product("ip2", 10),
)
GPU = torch.device("cuda")
# As the keys' descriptions say: of the loss, and of the gradient's norm.
TOLERANCES = {"bf16": (0.01, 0.05), "tf32": (0.001, 0.01)}
DEEP = {"bf16": (0.01, 0.5), "tf32": (0.001, 0.15)}
RESNET20 = Path(__file__).parents[2] / "configs" / "cifar10" / "nets" / "resnet20.yaml"


class Tf32(TorchDispatchMode):
    """Products as a GPU computes them in TF32: factors rounded to 10 bits behind the point."""

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        named = str(function)
        if any(word in named for word in ("aten.mm", "aten.addmm", "aten.convolution")):
            arguments = tuple(self.rounded(each) for each in arguments)
        return function(*arguments, **(keywords or {}))

    @staticmethod
    def rounded(value):
        if not isinstance(value, torch.Tensor) or value.dtype != torch.float32:
            return value
        bits = value.detach().clone().view(torch.int32)
        return ((bits + (1 << 12)) >> 13 << 13).view(torch.float32)


def first_update(seed=0, net=None, **solver) -> tuple[Parts, torch.Tensor, torch.Tensor]:
    """The run, and its loss and gradient."""
    run = parts(net or net_data(*LAYERS), random_seed=seed, **solver)
    stepper = Stepper(run.config, run.net, run.batches["TRAIN"], run.schedule)
    loss = stepper.step(0, Progress())
    return run, loss, torch.cat([blob.tensor.grad.flatten() for blob in run.net.blobs])


def on_digits(path):
    """A shipped net for CIFAR-10, of the embedded digits enlarged to as many pixels."""
    keys = ("source=digits", "split=null", "batch_size=64", "transform={resize: 32, scale: 0.0625}")
    return load_net(path, [f"layers.cifar.{key}" for key in keys]).model_dump(exclude_unset=True)


@pytest.mark.parametrize(
    ("net", "seed"), [*((None, seed) for seed in range(5)), (RESNET20, 0), (RESNET20, 1)]
)
@pytest.mark.parametrize("precision", ["bf16", "tf32"])
def test_the_first_update_is_float32s_within_the_tolerance(precision, net, seed):
    of_loss, of_norm = (DEEP if net else TOLERANCES)[precision]
    net = net and on_digits(net)
    _, exact, whole = first_update(seed, net)
    if precision == "bf16":
        run, loss, gradient = first_update(seed, net, precision="bf16")
    else:
        with Tf32():
            run, loss, gradient = first_update(seed, net)
    assert 0 < abs(loss - exact) <= of_loss * exact
    assert 0 < (gradient - whole).norm() <= of_norm * whole.norm()
    assert {weight.dtype for weight in run.net.weights().values()} == {torch.float32}


@pytest.mark.skipif(not has_tf32(GPU), reason="no GPU with TF32 is here")
@pytest.mark.parametrize("allowed", [False, True])
def test_a_gpu_rounds_its_factors_where_it_may(allowed):
    a, b = torch.randn(2, 64, 64, device=GPU).unbind()
    with tf32(allowed, GPU):
        found = a @ b
    error = (found.double() - a.double() @ b.double()).abs().max()
    assert (error > 1e-4) == allowed


def settings():
    cudnn = torch.backends.cudnn
    return torch.backends.cuda.matmul.allow_tf32, cudnn.allow_tf32, cudnn.deterministic


@pytest.mark.parametrize("allowed", [False, True])
def test_torchs_settings_are_as_before_afterwards(allowed):
    before = settings()
    with tf32(allowed, GPU):
        assert settings() == (allowed, allowed, True)
    assert settings() == before
    with pytest.raises(ZeroDivisionError), tf32(allowed, GPU):
        raise ZeroDivisionError
    assert settings() == before
    with tf32(allowed, torch.device("cpu")):
        assert settings() == before


def test_tf32_is_float32_where_there_is_none():
    assert not has_tf32(torch.device("cpu"))
    _, exact, whole = first_update()
    _, loss, gradient = first_update(precision="tf32")
    assert torch.equal(loss, exact)
    assert torch.equal(gradient, whole)


def test_a_test_is_in_float32_whatever_the_training():
    scores = []
    for precision in ("float32", "bf16", "tf32"):
        run = parts(net_data(*LAYERS), precision=precision)
        scores.append(evaluate(run.net, run.batches["TEST"], "TEST"))
    assert scores[0] == scores[1] == scores[2]


def test_iter_size_batches_are_normalised_each_by_itself():
    data = net_data(*LAYERS, shuffle=False, batch_size=8)
    gradients = {}
    for normalised in (False, True):
        layers = [each for each in data["layers"] if normalised or each["name"] != "bn"]
        for batch_size, iter_size in ((8, 4), (32, 1)):
            layers[0] = layers[0] | {"batch_size": batch_size}
            run = parts(data | {"layers": layers}, iter_size=iter_size)
            stepper = Stepper(run.config, run.net, run.batches["TRAIN"], run.schedule)
            stepper.step(0, Progress())
            gradients[normalised, iter_size] = run.net.blobs[0].tensor.grad
            means = run.net.statistics()
        if normalised:
            assert means.keys() == {"bn.mean", "bn.variance"}
    torch.testing.assert_close(gradients[False, 4], gradients[False, 1], rtol=0, atol=1e-5)
    one, other = gradients[True, 4], gradients[True, 1]
    assert (one - other).norm() > 0.01 * other.norm()
