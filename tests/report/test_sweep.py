"""What is said of a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sparsenet.report.page import Report, page
from sparsenet.report.sweep import sweep_report
from sparsenet.results.study import read_study, read_sweep
from tests.plots.studies import write_csv
from tests.report.parsed import named, parsed, table_of
from tests.report.samples import study


def row(
    method: str, strength: str, seed: int, val: str, nonzeros: int, **keys: Any
) -> dict[str, Any]:
    """A row whose test accuracy is that on validation."""
    name = {"method": method, "strength": strength, "seed": seed, "weights": 1000}
    kept = {"nonzeros": nonzeros, "density": f"{nonzeros / 1000:.6f}", "bytes": 4 * nonzeros}
    scores = {f"{split}_{kind}": val if kind == "accuracy" else "" for kind in ("accuracy", "loss")
              for split in ("train", "val", "test")}  # fmt: skip
    return name | kept | scores | {"iterations": 10, "failed": "", "key": "0" * 16} | keys


ROWS = [
    row("dense", "", 1, "0.800000", 1000),
    row("dense", "", 2, "0.820000", 1000),
    row("l0", "0.5", 1, "0.810000", 500),
    row("l0", "0.5", 2, "0.800000", 500),
    row("l0", "0.1", 1, "0.600000", 100),
    row("l1", "1e-3", 1, "", 0, failed="the loss is not finite"),
]


def report_of(folder: Path, rows: list[dict[str, Any]], **settings: Any) -> Report:
    study(folder, "sweep", **settings)
    write_csv(folder / "sweep.csv", rows)
    return sweep_report(read_study(folder / "study.json"), read_sweep(folder / "sweep.csv"))


def test_methods_are_held_against_the_dense_reference(tmp_path: Path) -> None:
    report = report_of(tmp_path, ROWS, figure="sweep")
    assert report.lead == [
        "6 trials at 4 settings, for the paper's Figure 6: the methods are dense, l0, l1; "
        "1 failed.",
        "Dense networks have 81.00 ± 1.41 % on test with 1,000 nonzero weights.",
        "The fewest weights within 1 point of them on validation by l0: 500 nonzeros, 2.0 KiB, "
        "80.50 ± 0.71 % on test (l0, strength 0.5).",
    ]
    assert [(fact.name, fact.value) for fact in report.facts] == [
        ("dense", "1,000 nonzeros"),
        ("l0", "500 nonzeros"),
    ]


def test_without_a_dense_reference_nothing_is_compared(tmp_path: Path) -> None:
    report = report_of(tmp_path, ROWS[2:])
    assert report.lead == ["4 trials at 3 settings: the methods are l0, l1; 1 failed."]
    assert report.facts == []


def test_seeds_are_gathered_in_the_order_of_the_grid(tmp_path: Path) -> None:
    nodes = parsed(page(report_of(tmp_path, ROWS)))
    means = table_of(nodes, "table-means")
    assert [
        (each["method"], each["strength"], each["seeds"], each["failed"]) for each in means
    ] == [
        ("dense", "", "2", "0"),
        ("l0", "0.5", "2", "0"),
        ("l0", "0.1", "1", "0"),
        ("l1", "1e-3", "1", "1"),
    ]
    assert means[1]["test %"] == "80.50 ± 0.71"
    assert table_of(nodes, "table-trials")[5]["failed"] == "the loss is not finite"


@pytest.mark.parametrize(("values", "numeric"), [(("0.5", "1e-3"), True), (("0.5", "all"), False)])
def test_a_key_of_numbers_is_sorted_as_numbers(
    values: tuple[str, str], numeric: bool, tmp_path: Path
) -> None:
    rows = [row("l0", value, 1, "0.500000", 10) for value in values]
    nodes = parsed(page(report_of(tmp_path, rows)))
    cells = [node for node in named(nodes, "td") if node.words in values]
    assert len(cells) == 4
    assert all(("data-value" in cell.attributes) == numeric for cell in cells)
