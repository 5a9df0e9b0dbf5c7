"""Which layers share a box, and what it says."""

from __future__ import annotations

from typing import Any

import pytest

from sparsenet.plots.cards import LONGEST, Card, cards_of
from sparsenet.plots.wiring import wires_of
from tests.plots.nets import Made, inception, residual


def cards(net: dict[str, Any]) -> list[Card]:
    wires = [wire for wire in wires_of(net["layers"]) if not wire.is_label]
    return cards_of(net["layers"], wires)[0]


def test_what_only_changes_values_shares_the_box_before_it() -> None:
    names = [[layer["name"] for layer in card.layers] for card in cards(residual(1))]
    assert names == [
        ["data"],
        ["conv", "conv_bn", "conv_relu"],
        *([f"block/0/conv{n}{part}" for part in ("", "_bn", "_relu")] for n in (1, 2)),
        ["block/0/sum", "block/0/relu"],
        ["accuracy"],
        ["loss"],
    ]


def test_what_is_read_twice_stands_alone() -> None:
    made = Made()
    made.add("ip", "InnerProduct", (4,), parameters=((4, 3),))
    made.add("relu", "ReLU")
    made.add("sum", "Eltwise", bottom=["ip", "relu"])
    assert [len(card.layers) for card in cards(made.document())] == [1, 1, 1, 1]


def test_layers_of_two_blocks_or_of_the_net_itself_share_no_box() -> None:
    made = Made()
    made.convolution("conv", 8)
    for name in ("a/0/bn", "a/0/relu", "a/1/bn", "a/1/down/bn", "bn", "relu"):
        made.add(name, "BatchNormScale" if name.endswith("bn") else "ReLU")
    names = [[layer["name"] for layer in card.layers] for card in cards(made.document())]
    assert names == [
        ["data"],
        ["conv", "conv_bn", "conv_relu"],
        ["a/0/bn", "a/0/relu"],
        ["a/1/bn"],
        ["a/1/down/bn"],
        ["bn", "relu"],
    ]


def test_arrows_go_between_boxes_once() -> None:
    net = inception(1)
    found, arrows = cards_of(net["layers"], [w for w in wires_of(net["layers"]) if not w.is_label])
    assert [arrow.source for arrow in arrows if arrow.target == len(found) - 3] == [1, 3, 5, 6]
    assert all(arrow.source < arrow.target for arrow in arrows)
    assert len(set(arrows)) == len(arrows)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, ""), (520, "520"), (999, "999"), (1024, "1.02 k"), (25_050, "25.1 k"), (400_500, "400 k"),
     (999_499, "999 k"), (999_500, "1 M"), (37_752_832, "37.8 M"), (2_359_296_000, "2.36 G")],
)  # fmt: skip
def test_counts_are_rounded_to_three_digits(count: int, text: str) -> None:
    made = Made()
    made.add("a", "InnerProduct", (4,), parameters=((count,),))
    assert cards(made.document())[1].rows() == [("a", "InnerProduct", text)]


def test_names_are_without_their_block_and_long_ones_cut_in_the_middle() -> None:
    made = Made()
    made.add("x/y/conv", "Convolution", parameters=((8, 3, 5, 7), (8,)))
    made.add("x/y/down/conv", "Convolution", parameters=((8, 3, 1, 1),))
    made.add("b" * 30 + "\n" + "e" * 30, "Pooling", (3, 16, 16))
    first, second, last = cards(made.document())[1:]
    assert (first.block, second.block, last.block) == ("x/y", "x/y", "")
    assert first.rows()[0][:2] == ("conv", "Convolution 5x7")
    assert second.rows()[0][0] == "down/conv"
    [(name, _, _)] = last.rows()
    assert len(name) == LONGEST
    assert name == "b" * 17 + "…" + "e" * 18
