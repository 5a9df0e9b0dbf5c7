"""The curve of a search: each network a point that says what it is."""

from __future__ import annotations

from sparsenet.report.tradeoff import Details, Kind, Network, details_data, tradeoff
from tests.report.parsed import Node, named, parsed


def network(
    kind: Kind, size: int, val: float | None, test: float | None, chosen: bool = False
) -> Network:
    details = Details(f"of {size}", [("test", "x")], [("a command", "do")])
    return Network(kind, size, val, test, details, chosen)


NETWORKS = [
    network("start", 102_400, 0.75, 0.74),
    network("rejected", 51_200, None, None),
    network("accepted", 51_200, 0.76, 0.7, chosen=True),
    network("accepted", 0, 0.1, 0.1),
    network("rejected", 25_600, 0.7, 0.72),
]
PLOTS = ("plot val", "plot test")


def points(nodes: list[Node], plot: str) -> list[Node]:
    start = next(i for i, node in enumerate(nodes) if node.attributes.get("class") == plot)
    ends = [i for i, n in enumerate(nodes) if i > start and n.attributes.get("class") in PLOTS]
    return named(nodes[start : ends[0] if ends else None], "circle", role="button")


def test_each_measured_network_is_a_point_in_either_drawing() -> None:
    nodes = parsed(tradeoff(NETWORKS))
    for plot in PLOTS:
        found = points(nodes, plot)
        assert sorted(node.attributes["data-i"] or "" for node in found) == ["0", "2", "4"]
        at = {node.attributes["data-i"]: float(node.attributes["cx"] or "") for node in found}
        assert at["4"] < at["2"] < at["0"]
        assert abs((at["2"] - at["4"]) - (at["0"] - at["2"])) < 0.1, "halves are equally far apart"
        heights = {n.attributes["data-i"]: float(n.attributes["cy"] or "") for n in found}
        assert (heights["2"] < heights["0"]) == (plot == "plot val"), "the better is higher"


def test_what_is_not_drawn_is_counted() -> None:
    words = [node.words for node in named(parsed(tradeoff(NETWORKS)), "p")]
    assert "Not shown, without an accuracy on validation or any byte: 2." in words
    assert "Not shown, without an accuracy on test or any byte: 2." in words


def test_one_point_of_a_drawing_is_reached_by_tab_the_chosen_one() -> None:
    nodes = parsed(tradeoff(NETWORKS))
    for plot in PLOTS:
        stops = [n for n in points(nodes, plot) if n.attributes["tabindex"] == "0"]
        assert [node.attributes["data-i"] for node in stops] == ["2"]
        assert "chosen" in (stops[0].attributes["class"] or "")


def test_a_point_has_a_name() -> None:
    names = [n.attributes["aria-label"] for n in points(parsed(tradeoff(NETWORKS)), "plot test")]
    assert "of 102400: 100.0 KiB, 74.00 % on test" in names


def test_without_test_accuracies_there_is_no_switch() -> None:
    nodes = parsed(tradeoff([network("start", 2048, 0.5, None)]))
    assert not named(nodes, "input")
    assert len(named(nodes, "circle", role="button")) == 1
    assert len(named(parsed(tradeoff(NETWORKS)), "input", type="radio")) == 2


def test_without_any_accuracy_it_is_said() -> None:
    nodes = parsed(tradeoff([network("start", 2048, None, None)]))
    assert [node.words for node in nodes] == ["No accuracy was measured: there is no curve."]


def test_the_script_gets_the_details_in_the_order_of_the_networks() -> None:
    data = details_data(NETWORKS)
    assert [item["title"] for item in data] == [f"of {n.bytes}" for n in NETWORKS]
    assert data[0]["copied"] == [("a command", "do")]
