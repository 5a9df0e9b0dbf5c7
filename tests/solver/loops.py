"""A small run with stages, and a listener that remembers what it was told."""

from __future__ import annotations

import torch

from sparsenet.solver.loop import Loop
from sparsenet.workflows.build import Parts
from tests.small import convolution, inner_product, net_data, parts

L0 = {"type": "l0"}
STAGES = [
    {"name": "dense", "until": {"iters": 5}},
    {"name": "ramp", "t": {"ip1": {"from": "50%", "to": 60, "over": 12}}, "until": {"iters": 14}},
    {"name": "both", "t": {"g": 50}, "interval": 4},
]


def small(*, val=True, **solver):
    """A net with one ball of its own, one shared by two layers, Dropout, and stages."""
    layers = (
        convolution("conv", 3, regularization={"type": "shrink", "strength": 0.02}),
        {"name": "pool", "type": "Pooling", "kernel_size": 2, "stride": 2},
        inner_product("ip1", 12, regularization=L0 | {"interval": 3, "velocity": "clear"}),
        {"name": "relu1", "type": "ReLU"},
        inner_product("ip2", 12, regularization=L0 | {"group": "g"}),
        {"name": "drop", "type": "Dropout", "dropout_ratio": 0.2},
        inner_product("ip3", 10, regularization=L0 | {"group": "g"}),
    )
    data = {"transform": {"scale": 0.0625, "mirror": True}} | ({"split": 60} if val else {})
    keys = {"max_iter": 30, "base_lr": 0.02, "momentum": 0.9, "stages": STAGES, "test_iter": 1}
    return parts(net_data(*layers, **data), **(keys | solver))


class Told:
    """A listener that keeps what it is told, in order."""

    def __init__(self):
        self.events = []
        self.lines = []

    def displayed(self, line):
        self.events.append(("displayed", line["iter"]))
        self.lines.append(line)

    def tested(self, line, score):
        self.events.append(("tested", line["iter"]))
        self.lines.append(line)

    def stage_began(self, loop):
        self.events.append(("stage", loop.step))

    def snapshot(self, loop):
        self.events.append(("snapshot", loop.step))

    def best(self, loop, score):
        self.events.append(("best", loop.step))

    def advanced(self, loop):
        pass

    def at(self, kind):
        return [step for event, step in self.events if event == kind]


def never():
    return False


def trained(run: Parts, listener=None):
    loop, listener = run.loop(), listener or Told()
    loop.run(listener, never)
    loop.close(listener)
    return loop, listener


def state(loop: Loop):
    """All bits that the next update depends on."""
    tensors = {
        (name, kind): tensor
        for name, history in loop.stepper.history.items()
        for kind, tensor in history.items()
    }
    weights = {(name, "weight"): tensor for name, tensor in loop.net.weights().items()}
    return {
        key: tensor.contiguous().view(torch.int32).clone()
        for key, tensor in (tensors | weights).items()
    }


def assert_same_state(one, other):
    assert one.keys() == other.keys()
    for key, bits in one.items():
        assert torch.equal(bits, other[key]), key
