"""A run whose numbers are no longer finite, and the clock of one that goes on."""

from __future__ import annotations

import pytest

from sparsenet.solver.loop import Clock, NotFiniteError
from sparsenet.workflows.build import Parts
from tests.small import inner_product, net_data, parts
from tests.solver.loops import Told, never, small


def stopped(run: Parts, spoil=None):
    """The message of a run that is spoilt after so many updates, and its loop and listener."""
    loop, listener = run.loop(), Told()
    if spoil:
        step, change = spoil

        def advanced(loop):
            if loop.step == step:
                change(loop.net.weights())

        listener.advanced = advanced
    with pytest.raises(NotFiniteError) as caught:
        loop.run(listener, never)
    return str(caught.value), loop, listener


def test_the_layer_whose_weights_went_first_is_named():
    def change(weights):
        weights["ip2.bias"][3] = float("nan")

    message, loop, told = stopped(small(snapshot=2), (7, change))
    assert message == "the loss is not finite at iteration 7: the weights of ip2 went first"
    assert loop.step == 7
    assert told.at("snapshot") == [2, 4, 6]


def test_of_layers_in_one_update_the_first_is_named_and_no_other_is_spoilt_by_the_loss():
    frozen = [{"lr_mult": 0}, {"lr_mult": 0}]
    exploding = [{"lr_mult": 3e36}, {"lr_mult": 1}]
    net = net_data(
        inner_product("ip1", 12, param=frozen),
        inner_product("ip2", 12, param=[{"lr_mult": 1}, {"lr_mult": 1}]),
        inner_product("ip3", 10, param=exploding),
    )
    message, _, _ = stopped(parts(net, base_lr=100.0))
    assert message == "the loss is not finite at iteration 1: the weights of ip3 went first"


def test_with_finite_weights_the_first_blob_is_named():
    def change(weights):
        weights["ip1.weight"].fill_(3e38)

    message, loop, _ = stopped(small(), (4, change))
    assert message == (
        "the loss is not finite at iteration 4: all weights are still finite, "
        "the first blob that is not is ip1"
    )
    assert loop.net.first_not_finite() is None


def test_losses_whose_sum_overflows_are_named_so():
    net = net_data(inner_product("ip", 10, weight_filler={"type": "constant", "value": 0.01}))
    net["layers"][-1]["loss_weight"] = 1e38
    message, _, _ = stopped(parts(net, iter_size=4))
    assert message == (
        "the loss is not finite at iteration 0: all weights are still finite, "
        "the first blob that is not is the sum of the losses"
    )


@pytest.mark.parametrize("last", [8, 30])
def test_weights_that_are_not_finite_are_never_saved_as_a_snapshot(last):
    def change(weights):
        weights["ip2.weight"][3, 1] = float("inf")

    message, _, told = stopped(small(snapshot=4), (last, change))
    assert message == f"after {last} updates the weights of ip2 are not finite"
    assert told.at("snapshot") == list(range(4, last, 4))


# The clock.


def test_the_clock_counts_from_where_a_resume_begins(monkeypatch):
    now = iter([100.0, 107.0, 110.0, 111.0, 115.0])
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    clock = Clock(before=30.0)
    assert clock.seconds == 30.0
    clock.start()
    assert clock.seconds == 37.0
    clock.start()  # reads the clock for what has passed, and for where it goes on
    assert clock.seconds == 44.0
