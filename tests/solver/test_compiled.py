"""A compiled training is the one that is not, but for rounding; and what cannot be compiled."""

from __future__ import annotations

import shutil

import pytest
import torch

from sparsenet.regularization.schedule import Progress
from sparsenet.solver.compiled import Compiled, CompileError, compiling
from sparsenet.solver.step import Stepper
from sparsenet.workflows.build import Parts
from tests.small import convolution, inner_product, net_data, parts

LAYERS = (
    convolution("conv", 4, regularization={"type": "bridgeout"}),
    {"name": "bn", "type": "BatchNormScale"},
    {"name": "relu", "type": "ReLU"},
    {"name": "pool", "type": "Pooling", "pool": "AVE", "kernel_size": 3, "stride": 2},
    inner_product("ip1", 12, regularization={"type": "l0", "t": "50%", "interval": 2}),
    {"name": "drop", "type": "Dropout"},
    inner_product("ip2", 10, regularization={"type": "bridgeout", "granularity": "example"}),
)
SOLVER = {"iter_size": 2, "momentum": 0.9, "weight_decay": 0.01, "base_lr": 0.05}


def run_of(**solver) -> Parts:
    return parts(net_data(*LAYERS), **SOLVER, **solver)


def stepper_of(run: Parts, backend: str | None = None) -> Stepper:
    stepper = Stepper(run.config, run.net, run.batches["TRAIN"], run.schedule)
    if backend:
        stepper.compiled = Compiled(run.net, torch.device("cpu"), backend)
    return stepper


def first_gradient(run: Parts, stepper: Stepper) -> tuple[torch.Tensor, torch.Tensor]:
    """Also the loss."""
    loss = stepper.step(0, Progress())
    return loss, torch.cat([blob.tensor.grad.flatten() for blob in run.net.blobs])


def assert_close(one, other, of_norm):
    """Loss and gradient, as the key's description says."""
    assert abs(one[0] - other[0]) <= of_norm * other[0]
    assert (one[1] - other[1]).norm() <= of_norm * other[1].norm()


# The one test that takes a compiler's time.
@pytest.mark.skipif(not shutil.which("g++"), reason="no C++ compiler is here")
def test_compiled_updates_are_the_others_and_go_on_bit_for_bit():
    plain, compiled = run_of(), run_of(compile=True)
    names = list(compiled.net.weights())
    stepper, other = stepper_of(compiled), stepper_of(plain)
    assert_close(first_gradient(compiled, stepper), first_gradient(plain, other), 1e-5)
    other.step(1, Progress())
    resumed = run_of(compile=True)
    after = stepper_of(resumed)
    after.load_history(stepper.history)
    for name, tensor in resumed.net.weights().items():
        tensor.copy_(compiled.net.weights()[name])
    torch._dynamo.reset()  # as in another process
    after.step(1, Progress())
    stepper.step(1, Progress())
    assert list(compiled.net.weights()) == names == list(plain.net.weights())
    for name, tensor in compiled.net.weights().items():
        assert torch.equal(tensor, resumed.net.weights()[name])
        torch.testing.assert_close(tensor, plain.net.weights()[name], rtol=1e-4, atol=1e-5)
    assert int(compiled.net.weights()["ip1.weight"].count_nonzero()) == 216


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_what_torch_compiles_from_is_the_same_update(precision):
    plain, traced = run_of(precision=precision), run_of(precision=precision)
    one, other = stepper_of(traced, "aot_eager"), stepper_of(plain)
    tolerance = 1e-6 if precision == "float32" else 1e-2
    assert_close(first_gradient(traced, one), first_gradient(plain, other), tolerance)
    for name, tensor in traced.net.statistics().items():
        torch.testing.assert_close(tensor, plain.net.statistics()[name], rtol=1e-5, atol=1e-6)


class Held:
    """A net whose outputs are overwritten by its next call, as a CUDA graph's are."""

    replays = True

    def __init__(self, net):
        self.net, self.returned = net, []

    def __call__(self, images, labels):
        for tensor in self.returned:
            tensor.zero_()
        loss = self.net(images, labels, "TRAIN").loss * 1
        self.returned = [loss.detach()]
        for blob in self.net.blobs:
            if blob.tensor.grad is None:
                blob.tensor.register_post_accumulate_grad_hook(self.keep)
        return loss

    def keep(self, tensor):
        if len(self.returned) <= len(self.net.blobs):
            self.returned.append(tensor.grad)


def test_what_a_cuda_graph_returns_is_copied_before_the_next_batch():
    plain, replayed = run_of(), run_of()
    stepper = stepper_of(replayed)
    stepper.compiled = Held(replayed.net)
    assert_close(first_gradient(replayed, stepper), first_gradient(plain, stepper_of(plain)), 1e-6)


def test_a_compiler_that_is_not_there_is_one_line(monkeypatch, tmp_path):
    # Nothing is to be found that was compiled before.
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", ("no-such-compiler",))
    torch._dynamo.reset()
    with pytest.raises(CompileError) as caught:
        stepper_of(run_of(compile=True)).step(0, Progress())
    (line,) = str(caught.value).splitlines()
    assert "C++ compiler" in line
    assert line.endswith("; compile: false trains without it")
    assert caught.value.exit_code == 1


def test_other_errors_stay_what_they_are():
    with pytest.raises(RuntimeError, match="mine"), compiling():
        raise RuntimeError("mine")
