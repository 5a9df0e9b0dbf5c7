"""Which layers compute the scores, with and without something that judges them."""

from __future__ import annotations

from typing import Any

from sparsenet.config.graph import build_graph
from sparsenet.config.readers import Readers
from tests.small import configured, inner_product, net_data

IP = inner_product("ip", 10)
HIDDEN = inner_product("hidden", 8)
RELU = {"name": "relu", "type": "ReLU", "bottom": "hidden", "top": "hidden"}


def readers(net: dict[str, Any]) -> Readers:
    config = configured(net).solver.net
    graph, problems = build_graph(config, "TEST")
    assert graph is not None, problems
    return Readers(graph)


def needed(found: Readers) -> list[str]:
    return [node.layer.name for node in found.needed()]


def unjudged(net: dict[str, Any]) -> dict[str, Any]:
    """The net without its accuracy, and its loss in TRAIN alone."""
    *computing, _, loss = net["layers"]
    return {**net, "layers": [*computing, {**loss, "phase": "TRAIN"}]}


def test_who_reads_a_name_reads_what_was_written_last_before() -> None:
    net = net_data(HIDDEN, RELU, {**IP, "bottom": "hidden"})
    beside = inner_product("beside", 3, bottom="hidden")
    found = readers({**net, "layers": [*net["layers"], beside]})
    assert needed(found) == ["hidden", "relu", "ip"]
    hidden, relu, ip = found.needed()
    assert found.writer("hidden", relu.index) is hidden
    assert found.writer("hidden", ip.index) is relu
    assert found.writer("digits", hidden.index) is None
    # What the scores do not need does not count; the scores are read once, by whom they are for.
    assert found.uses(found.needed()) == {
        (hidden.index, "hidden"): 1,
        (relu.index, "hidden"): 1,
        (ip.index, "ip"): 1,
    }


def test_without_a_judge_the_scores_are_the_last_blob() -> None:
    found = readers(unjudged(net_data(HIDDEN, RELU, {**IP, "bottom": "hidden"})))
    assert found.judge is None
    assert (found.scores, needed(found)) == ("ip", ["hidden", "relu", "ip"])


def test_a_phase_that_computes_nothing_has_its_images_as_scores() -> None:
    data, *computing = net_data(IP)["layers"]
    layers = [data, *({**layer, "phase": "TRAIN"} for layer in computing)]
    found = readers({"name": "small", "layers": layers})
    assert found.judge is None
    assert (found.scores, found.needed()) == ("data", [])
