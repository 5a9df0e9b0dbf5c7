"""What is said of ensembles."""

from __future__ import annotations

from pathlib import Path

from sparsenet.report.ensemble import ensemble_report
from sparsenet.report.page import page
from sparsenet.results.study import read_ensemble, read_study
from tests.plots.studies import write_csv
from tests.report.parsed import parsed, table_of
from tests.report.samples import study


def row(
    members: int, trial: int, member: int | None, accuracy: str, size: int
) -> dict[str, object]:
    kept = {"nonzeros": size // 4, "bytes": size}
    measured = {"val_accuracy": "", "test_accuracy": accuracy, "val_loss": "", "test_loss": "0.5"}
    name = {"members": members, "trial": trial, "member": member, "seed": member}
    return name | kept | measured | {"key": "0" * 16}


ROWS = [
    row(1, 1, 1, "0.700000", 1024),
    row(1, 1, None, "0.700000", 1024),
    *(row(2, 1, member, accuracy, 1024) for member, accuracy in ((1, "0.700000"), (2, "0.720000"))),
    row(2, 1, None, "0.750000", 2048),
    *(row(2, 2, member, accuracy, 1024) for member, accuracy in ((1, "0.710000"), (2, ""))),
    row(2, 2, None, "0.730000", 2048),
]


def test_sizes_are_compared_with_their_members(tmp_path: Path) -> None:
    study(tmp_path, "ensemble")
    write_csv(tmp_path / "ensemble.csv", ROWS)
    read = read_study(tmp_path / "study.json")
    report = ensemble_report(read, read_ensemble(tmp_path / "ensemble.csv"))
    assert report.title == "Ensembles of CIFAR10_quick"
    assert report.lead == [
        "3 ensembles of 5 members in all.",
        "2 members, 2.0 KiB in all: 74.00 ± 1.41 % on test, where one of its members alone has "
        "71.00 ± 1.00 %.",
    ]
    assert [(fact.name, fact.value) for fact in report.facts] == [
        ("1 member", "70.00 %"),
        ("2 members", "74.00 ± 1.41 %"),
    ]
    nodes = parsed(page(report))
    one, two = table_of(nodes, "table-sizes")
    assert (one["ensembles"], one["gain, points"]) == ("1", "0.00")
    assert (two["ensembles"], two["KiB"], two["gain, points"]) == ("2", "2.0", "3.00")
    members = table_of(nodes, "table-members")
    assert [each["member"] for each in members] == [
        "1",
        "whole",
        "1",
        "2",
        "whole",
        "1",
        "2",
        "whole",
    ]
