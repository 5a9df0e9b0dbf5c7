"""What is said of a search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sparsenet.report.page import Report, page
from sparsenet.report.search import search_report
from sparsenet.results.study import read_front, read_study
from tests.plots.studies import write_csv
from tests.report.parsed import parsed, table_of
from tests.report.samples import candidate, study

LAYERS = {"conv1": ([10, 10], 10), "ip1": ([30, 10], 10)}


def front(*rows: tuple[int, int, float | None, int], **keys: Any) -> list[dict[str, Any]]:
    """Rows of (conv1, ip1, validation accuracy, accepted)."""
    return [
        candidate(LAYERS, {"conv1": conv1, "ip1": ip1}, accuracy, accepted=accepted, round=place,
                  layer="ip1" if place else "", spent=1000 * (place + 1), **keys)
        for place, (conv1, ip1, accuracy, accepted) in enumerate(rows)
    ]  # fmt: skip


def report_of(folder: Path, rows: list[dict[str, Any]]) -> Report:
    study(folder, "search", LAYERS, strategy="greedy", cut=0.3, seeds=[1, 2], resume=None, all=True)
    write_csv(folder / "front.csv", rows)
    read = read_study(folder / "study.json")
    return search_report(read, read_front(folder / "front.csv"), "runs/x y")


ROWS = front((100, 300, 0.75, 1), (100, 100, 0.745, 1), (50, 30, 0.74, 0), (50, 20, None, 0),
             (50, 10, 0.739, 0))  # fmt: skip


def test_the_smallest_network_within_a_point_of_the_start_is_named(tmp_path: Path) -> None:
    lead = report_of(tmp_path, ROWS).lead
    assert lead == [
        "4 networks tried by the strategy greedy in 4 rounds, 1 of them accepted; 1 diverged. "
        "The search started from 400 nonzero weights in 1.6 KiB, 75.00 % on validation and "
        "74.60 % on test.",
        "The smallest network within 1 point of it on validation is 3.8 times smaller: "
        "80 nonzero weights (20.00 % of all) in 0.4 KiB, 74.00 % on validation and 73.60 % on "
        "test.",
    ]


def test_numbers_for_the_first_look(tmp_path: Path) -> None:
    facts = report_of(tmp_path, ROWS).facts
    assert [(fact.name, fact.value) for fact in facts] == [
        ("Start", "1.6 KiB"),
        ("Smallest within 1 point", "0.4 KiB"),
        ("End of the accepted path", "0.9 KiB"),
        ("Updates trained", "5,000"),
    ]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (ROWS[:1], ["No network has been tried yet. The search started from 400 nonzero weights"]),
        (front((100, 300, 0.75, 1), (1, 1, 0.1, 1)), ["1 network tried", "No smaller network"]),
        (front((100, 300, None, 1), (1, 1, 0.1, 1)), ["1 network tried", "The start has no valid"]),
    ],
)
def test_searches_without_a_find(
    rows: list[dict[str, Any]], words: list[str], tmp_path: Path
) -> None:
    lead = report_of(tmp_path, rows).lead
    assert len(lead) == len(words)
    assert all(said.startswith(begin) for said, begin in zip(lead, words, strict=True))


def test_tables_have_every_network_layer_and_t(tmp_path: Path) -> None:
    nodes = parsed(page(report_of(tmp_path, ROWS)))
    rows = table_of(nodes, "table-candidates")
    assert [row["val %"] for row in rows] == ["75.00", "74.50", "74.00", "–", "73.90"]  # noqa: RUF001
    assert [row["accepted"] for row in rows] == ["yes", "yes", "no", "no", "no"]
    assert rows[2]["nonzeros"] == "80"
    layers = table_of(nodes, "table-layers")
    assert [(row["layer"], row["shape"], row["t"], row["density %"]) for row in layers] == [
        ("conv1", "10x10", "50", "50.00"),
        ("ip1", "30x10", "30", "10.00"),
    ]
    path = table_of(nodes, "table-t")
    assert [(row["conv1"], row["ip1"]) for row in path] == [("100", "300"), ("100", "100")]


def test_a_point_tells_what_it_is_and_how_to_have_it_again(tmp_path: Path) -> None:
    networks = report_of(tmp_path, ROWS).data["networks"]
    assert isinstance(networks, list)
    told = networks[2]
    assert told["title"] == "Round 2, ip1 cut"
    facts = dict(told["facts"])
    assert facts["validation"] == "74.00 %"
    assert facts["test"] == "73.60 %"
    assert facts["nonzeros"] == "80 (20.00 %)"
    assert [words for _, words in told["copied"]] == [
        "sparsenet search configs/cifar10/quick.yaml --output 'runs/x y' --write-solver 448",
        "regularization: {conv1: {type: l0, t: 50}, ip1: {type: l0, t: 30}}",
    ]


def test_settings_are_shown_as_words(tmp_path: Path) -> None:
    body = page(report_of(tmp_path, ROWS))
    for key, value in (("strategy", "greedy"), ("cut", "0.3"), ("seeds", "1, 2"), ("all", "yes")):
        assert f"<dt>{key}</dt><dd>{value}</dd>" in body
    assert "<dt>resume</dt>" not in body
