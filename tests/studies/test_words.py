"""Numbers as studies write them."""

from __future__ import annotations

import csv
import io
import statistics
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsenet.results.fields import Fields
from sparsenet.studies.words import csv_text, decimal, percent, score_columns, spread, value_words
from sparsenet.trials.result import Result

ACCURACIES = st.lists(st.none() | st.floats(0, 1), max_size=6)
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]))


def scored(val: float | None) -> Result:
    return Result("0" * 16, accuracy={"VAL": val})


@settings(deadline=None)
@given(st.lists(st.fixed_dictionaries({"a": TEXTS, 'b "c", d': TEXTS}), min_size=1, max_size=4))
def test_csv_is_read_back(rows: list[dict[str, object]]) -> None:
    text = csv_text(rows)
    assert list(csv.DictReader(io.StringIO(text))) == rows
    assert text.endswith("\n")
    assert "\r" not in text


def test_columns_are_fractions_and_empty_where_there_is_none() -> None:
    known = Result("0" * 16, accuracy={"VAL": 0.7483, "TEST": None}, loss={"VAL": 1 / 3})
    assert score_columns(known, ("VAL", "TEST")) == {
        "val_accuracy": "0.748300",
        "test_accuracy": "",
        "val_loss": "0.333333",
        "test_loss": "",
    }


@settings(deadline=None)
@given(st.floats(0, 1e6))
def test_six_decimals(value: float) -> None:
    # Exactly: at 1e6 the nearest float of the text may itself be off by 1e-10.
    assert abs(Decimal(decimal(value)) - Decimal(value)) <= Decimal("0.5e-6")
    assert len(decimal(value).partition(".")[2]) == 6


@given(st.floats(1e9, 3.4e38))
def test_of_a_huge_loss_six_digits_that_are_read_back(value: float) -> None:
    text = decimal(value)
    assert float(text) == pytest.approx(value, rel=5e-6)
    assert Fields("here", {"val_loss": text}).number("val_loss") == float(text)


@pytest.mark.parametrize(("value", "text"), [(None, "-"), (0.0, "0.00"), (0.98765, "98.77")])
def test_percent(value: float | None, text: str) -> None:
    assert percent(value) == text


@settings(deadline=None)
@given(ACCURACIES)
def test_spread_is_mean_and_sample_deviation_in_percent(values: list[float | None]) -> None:
    known = [100 * value for value in values if value is not None]
    text = spread(map(scored, values), "VAL")
    assert spread(map(scored, values), "TEST") == "-"
    if not known:
        assert text == "-"
        return
    mean, _, deviation = text.partition(" ± ")
    assert float(mean) == pytest.approx(statistics.fmean(known), abs=0.0051)
    assert (deviation == "") == (len(known) == 1)
    if deviation:
        assert float(deviation) == pytest.approx(statistics.stdev(known), abs=0.0051)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("10%", "10%"),
        (0.001, "0.001"),
        ([1, 2], "[1, 2]"),
        ([{"name": "dense"}, {"name": "to 5%", "t": {"ip1": "5%"}}], "dense, to 5%"),
        ([{"type": "l0"}], "[{'type': 'l0'}]"),
    ],
)
def test_stages_are_called_by_their_names(value: object, words: str) -> None:
    assert value_words(value) == words
