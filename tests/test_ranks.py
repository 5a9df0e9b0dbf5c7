"""What two processes tell each other, and that a failure in one is a failure in both."""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from sparsenet import ranks
from sparsenet.errors import ConfigError, SparsenetError
from sparsenet.solver.evaluate import evaluate
from sparsenet.solver.exchange import Exchange, UnequalError, require_same
from tests.small import inner_product, net_data, parts


def failing() -> None:
    raise ConfigError("only one has seen it")


def failure(function: Callable[[], object]) -> tuple[str, int]:
    try:
        function()
    except SparsenetError as error:
        return str(error), error.exit_code
    raise AssertionError("nothing failed")


def scored() -> Any:
    """48 rows a batch, of which the last of the 360 samples has 24."""
    made = parts(net_data(inner_product("ip", 10), batch_size=48))
    return evaluate(made.net, made.batches["TEST"], "TEST", None)


def masks() -> torch.Tensor:
    made = parts(net_data({"name": "drop", "type": "Dropout"}, inner_product("ip", 10)))
    loop = made.loop()
    return loop.stepper._forward(0).blobs["drop"] != 0


def ignoring() -> list[float]:
    """The loss of a whole batch, of whose labels each process has to ignore another number."""
    found = []
    for normalization in ("VALID", "FULL", "BATCH_SIZE", "NONE"):
        keys = {"ignore_label": 3, "normalization": normalization}
        data = net_data(inner_product("ip", 10))
        data["layers"][-1] |= keys
        exchange, stepper = Exchange(), parts(data).loop().stepper
        loss = stepper._forward(0).loss
        assert loss is not None
        found.append(float(exchange.mean_([], loss.detach())))
    return found


def wishes_of(stopping: Callable[[], bool], saving: Callable[[], bool]) -> list[bool]:
    """Whether all are to stop, and to save."""
    exchange = Exchange()
    exchange.stopping, exchange.saving = stopping, saving
    exchange.mean_([], torch.tensor(0.0))
    return [exchange.stop(), exchange.save()]


def process(rank: int, port: int, folder: Path) -> None:
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_PORT": str(port)}
    os.environ["MASTER_ADDR"] = "localhost"
    ranks.join()
    exchange = Exchange()
    exchange.stopping, exchange.saving = lambda: rank == 1, lambda: rank == 0
    gradient = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).T * (rank + 1)
    loss = exchange.mean_([gradient], torch.tensor(float(rank)))
    with ranks.apart():
        alone = (ranks.rank(), ranks.size())
    weights = {"a.weight": torch.ones(3), "b.weight": torch.tensor([0.0, -0.0 if rank else 0.0])}
    found = {
        "first": ranks.first(lambda: (rank, torch.arange(3))),
        "first fails": failure(lambda: ranks.first(failing)),
        "in turn": ranks.in_turn(lambda: rank),
        "one fails": failure(lambda: ranks.in_turn(failing if rank else lambda: None)),
        "gathered": ranks.gathered({"rank": rank}),
        "mean": (gradient, loss, exchange.stop(), exchange.save()),
        "unasked": wishes_of(lambda: False, lambda: rank == 1),
        "alone": alone,
        "unequal": failure(lambda: require_same(weights, 7)),
        "equal": require_same({"a.weight": torch.ones(3)}, 7),
        "score": scored(),
        "masks": masks(),
        "ignoring": ignoring(),
    }
    torch.save(found, folder / f"{rank}.pt")
    ranks.leave()


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("ranks")
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["sparsenet.cli.train", "sklearn.datasets"])
    started = [context.Process(target=process, args=(rank, port, folder)) for rank in range(2)]
    for each in started:
        each.start()
    for each in started:
        each.join(120)
        assert each.exitcode == 0
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(2)]


def test_what_the_first_has_all_get(found: list[dict[str, Any]]) -> None:
    for each in found:
        rank, tensor = each["first"]
        assert rank == 0
        assert tensor.tolist() == [0, 1, 2]
    assert [each["in turn"] for each in found] == [0, 1]
    assert found[0]["gathered"] == found[1]["gathered"] == [{"rank": 0}, {"rank": 1}]
    assert [each["alone"] for each in found] == [(0, 1), (0, 1)]


@pytest.mark.parametrize("name", ["first fails", "one fails"])
def test_a_failure_in_one_is_one_in_all(name: str, found: list[dict[str, Any]]) -> None:
    assert [each[name] for each in found] == [("only one has seen it", 2)] * 2


def test_gradients_and_loss_are_means_and_one_wish_stops_all(found: list[dict[str, Any]]) -> None:
    for each in found:
        gradient, loss, *wishes = each["mean"]
        assert gradient.tolist() == [[1.5, 4.5], [3.0, 6.0]]
        assert (float(loss), wishes) == (0.5, [True, True])
        assert each["unasked"] == [False, True]


def test_weights_that_differ_in_a_bit_are_named(found: list[dict[str, Any]]) -> None:
    words = "after 7 updates b.weight is not the same in process 1 as in process 0"
    assert [each["unequal"] for each in found] == [(f"{words}: the run cannot go on", 1)] * 2
    assert UnequalError.exit_code == 1


def test_the_score_is_that_of_one_process(found: list[dict[str, Any]]) -> None:
    assert [each["score"] for each in found] == [scored()] * 2


def test_a_loss_is_that_of_the_whole_batch(found: list[dict[str, Any]]) -> None:
    assert found[0]["ignoring"] == found[1]["ignoring"] == pytest.approx(ignoring(), rel=1e-6)


def test_each_has_masks_of_its_own(found: list[dict[str, Any]]) -> None:
    assert not torch.equal(found[0]["masks"], found[1]["masks"])
