"""ensemble.csv and Table 1, by hand."""

from __future__ import annotations

import csv
import io
from typing import Any

from sparsenet.studies.ensemble_report import (
    Ensemble,
    ensemble_csv,
    ensemble_json,
    ensemble_table,
    parameters,
)
from sparsenet.trials.result import Result
from tests.studies.fakes import result

SIZES = {"conv": 36, "ip": 640}
DENSE = 676 + 14  # 4 and 10 biases


def member(seed: int, nonzeros: int, test: float, **keys: Any) -> Result:
    accuracy = {"VAL": 0.5, "TEST": test}
    known = {"seed": seed, "accuracy": accuracy, "params": DENSE, "bytes": 10 * nonzeros}
    return result({"conv": 36, "ip": nonzeros}, SIZES, **known | keys)


def ensemble(trial: int, *tests: float, whole: float) -> Ensemble:
    members = tuple(member(place, 100, test) for place, test in enumerate(tests))
    both = {"conv": 36 * len(tests), "ip": 100 * len(tests)}
    sizes = {name: size * len(tests) for name, size in SIZES.items()}
    params, scores = DENSE * len(tests), {"VAL": 0.6, "TEST": whole}
    joined = result(both, sizes, accuracy=scores, params=params, bytes=2048, seed=7)
    return Ensemble(trial, members, joined)


SINGLE = Ensemble(1, (member(7, 640, 0.9),), member(7, 640, 0.9))
PAIRS = [ensemble(1, 0.80, 0.90, whole=0.92), ensemble(2, 0.70, 0.80, whole=0.88)]
FAILED = Result("0" * 16, seed=3, failed="the loss is not finite")


def test_parameters_are_nonzero_weights_and_all_biases() -> None:
    assert parameters(member(1, 100, 0.9)) == 100 + 36 + 14
    assert PAIRS[0].parameters == 300
    assert SINGLE.parameters == DENSE


def test_of_each_ensemble_a_row_for_every_member_and_one_for_the_whole() -> None:
    rows = list(csv.DictReader(io.StringIO(ensemble_csv([SINGLE, *PAIRS]))))
    assert list(rows[0])[:6] == ["members", "trial", "member", "seed", "nonzeros", "bytes"]
    assert list(rows[0])[6:10] == ["val_accuracy", "test_accuracy", "val_loss", "test_loss"]
    assert [(row["members"], row["trial"], row["member"]) for row in rows] == [
        *(("1", "1", "1"), ("1", "1", "")),
        *(("2", "1", "1"), ("2", "1", "2"), ("2", "1", "")),
        *(("2", "2", "1"), ("2", "2", "2"), ("2", "2", "")),
    ]
    assert [row["nonzeros"] for row in rows] == ["690", "690", *["150", "150", "300"] * 2]
    assert [row["bytes"] for row in rows[2:5]] == ["1000", "1000", "2048"]
    assert [row["test_accuracy"] for row in rows[2:5]] == ["0.800000", "0.900000", "0.920000"]


def test_the_table_has_a_line_for_each_number_of_nets() -> None:
    lines = ensemble_table([SINGLE, *PAIRS]).splitlines()
    single, pair = (line.split() for line in lines[2:4])
    assert single[:6] == ["1", "690", "100.0", "%", "690", "6.2"]
    assert single[6:] == ["50.00", "90.00", "90.00", "1"]
    assert pair[:6] == ["2", "150", "21.7", "%", "300", "2.0"]
    # Means of 92 and 88, and of 80, 90, 70 and 80.
    assert " ".join(pair[6:]) == "60.00 ± 0.00 90.00 ± 2.83 80.00 ± 8.16 2"
    assert "diverged" not in ensemble_table([SINGLE, *PAIRS])


def test_members_that_diverged_are_counted() -> None:
    one = Ensemble(1, (FAILED, member(1, 100, 0.8)), FAILED)
    lines = ensemble_table([one]).splitlines()
    assert lines[2].split()[:4] == ["2", "150", "21.7", "%"]
    assert lines[-1] == "1 of 2 members diverged."
    all_ = ensemble_table([Ensemble(1, (FAILED, FAILED), FAILED)]).splitlines()
    assert all_[2].split() == ["2", "0", "-", "0", "0.0", "-", "-", "-", "1"]
    assert all_[-1] == "2 of 2 members diverged."
    rows = list(csv.DictReader(io.StringIO(ensemble_csv([one]))))
    assert [row["failed"] for row in rows] == [FAILED.failed, "", FAILED.failed]


def test_the_document_has_an_entry_for_each_ensemble() -> None:
    first, second, third = ensemble_json([SINGLE, *PAIRS])
    assert (first["members"], second["members"], third["trial"]) == (1, 2, 2)
    assert (second["nonzeros"], second["bytes"]) == (300, 2048)
    assert second["accuracy"] == {"VAL": 0.6, "TEST": 0.92}
    assert [one["TEST"] for one in second["each"]] == [0.8, 0.9]
