"""What is said of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sparsenet.report.page import Report, page
from sparsenet.report.run import run_report
from sparsenet.results.rows import Log
from sparsenet.results.run import read_log, read_summary
from tests.report import samples
from tests.report.parsed import named, parsed, table_of


def report_of(folder: Path, summary: dict[str, Any] | None) -> Report:
    samples.run(folder)
    log = read_log(folder / "metrics.jsonl")
    if summary is None:
        return run_report("LeNet", log, None)
    (folder / "summary.json").write_text(json.dumps(summary))
    return run_report("LeNet", log, read_summary(folder / "summary.json"))


def test_a_run_is_told_by_its_networks_and_their_memory(tmp_path: Path) -> None:
    report = report_of(tmp_path, samples.summary())
    assert report.title == "Run of LeNet"
    assert report.lead == [
        "LeNet with seed 1: the best network, after 900 updates, has 98.10 % on VAL and 98.10 % on "
        "TEST; the final network, after 1,000 updates, has 98.10 % on VAL and 98.61 % on TEST.",
        "14,537 of 145,376 weights (10.00 %) are not zero; with its biases the network takes "
        "74.5 KiB in the best formats and 567.9 KiB dense.",
    ]
    assert [fact.name for fact in report.facts] == [
        "Best on VAL",
        "Best on TEST",
        "Memory",
        "Nonzeros",
    ]


def test_a_missed_goal_is_said(tmp_path: Path) -> None:
    report = report_of(tmp_path, samples.summary() | {"missed": ["sparse"]})
    assert report.lead[-1] == "It missed its goal in: sparse."


def test_tables_have_every_layer_test_and_stage(tmp_path: Path) -> None:
    nodes = parsed(page(report_of(tmp_path, samples.summary())))
    memory = table_of(nodes, "table-memory")
    assert [row["layer"] for row in memory] == list(samples.LAYERS)
    assert (memory[0]["dense"], memory[0]["format"]) == ("9.4", "bitmask")
    tests = table_of(nodes, "table-tests")
    assert [row["updates"] for row in tests] == [f"{100 * i:,}" for i in range(11)]
    assert tests[0]["accuracy %"] == "10.00"
    assert [row["stage"] for row in table_of(nodes, "table-stages")] == ["dense"]
    models = table_of(nodes, "table-models")
    assert models[3] == {"#": "4", "network": "final.pt", "updates": "1,000", "phase": "TEST",
                         "accuracy %": "98.61", "loss": "0.0500"}  # fmt: skip


def test_loss_and_accuracy_are_drawn(tmp_path: Path) -> None:
    names = [node.attributes["aria-label"] or "" for node in
             named(parsed(page(report_of(tmp_path, None))), "svg")]  # fmt: skip
    assert [name.partition(":")[0] for name in names] == [
        "loss over 1,000 updates",
        "accuracy, % over 1,000 updates",
    ]
    assert "VAL from 10 to 89.8" in names[1]


def test_a_run_without_a_summary_has_not_ended(tmp_path: Path) -> None:
    report = report_of(tmp_path, None)
    assert report.lead == [
        "This run has not ended: after 1,000 updates there is no summary.json yet."
    ]
    assert [section.id for section in report.sections] == ["curves", "tests"]
    begun = run_report("LeNet", Log(), None)
    assert "after 0 updates" in begun.lead[0]
    assert "Nothing has been logged yet." in page(begun)


def test_a_net_with_several_accuracies_has_them_all(tmp_path: Path) -> None:
    summary = samples.summary()
    scores = {"samples": 9, "loss": None, "accuracy_top1": 0.5, "accuracy_top5": 0.75}
    summary["best"]["VAL"] = summary["final"]["VAL"] = scores
    report = report_of(tmp_path, summary)
    assert report.facts[0].value == "50.00 %"
    row = table_of(parsed(page(report)), "table-models")[0]
    assert (row["accuracy_top1 %"], row["accuracy_top5 %"]) == ("50.00", "75.00")
