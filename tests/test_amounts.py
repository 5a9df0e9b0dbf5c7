"""Whole numbers and percentages: exact, and refused in one line."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from sparsenet.amounts import Amount, percentage, resolve_amount
from sparsenet.record import Record, check_record


class Holder(Record):
    t: Amount


AMOUNTS = TypeAdapter(Amount)


@pytest.mark.parametrize(
    ("t", "size", "count"),
    [
        (1, 1, 1),
        (300, 500, 300),
        (500, 500, 500),
        ("100%", 7, 7),
        ("5%", 430_500, 21_525),
        ("1%", 430_500, 4_305),
        ("0.5%", 430_500, 2_152),
        ("8%", 37_748_736, 3_019_898),
        ("57%", 100, 57),  # 0.57 * 100 is 56.99999999999999 in binary
        ("29%", 100, 29),
        ("1.1%", 1000, 11),
        ("99.999%", 100_000, 99_999),
        ("0.000000000000000001%", 10**20, 1),
    ],
)
def test_amount_is_exact(t, size, count):
    assert resolve_amount(t, size) == count


@given(
    thousandths=st.integers(1, 100_000),
    size=st.integers(1, 10**12),
)
@settings(deadline=None, max_examples=200)
def test_percentage_is_floored_in_exact_arithmetic(thousandths, size):
    text = f"{thousandths // 1000}.{thousandths % 1000:03}%"
    expected = thousandths * size // 100_000
    if expected:
        assert resolve_amount(text, size) == expected
    else:
        with pytest.raises(ValueError, match="less than one weight"):
            resolve_amount(text, size)
    assert Fraction(expected) <= Fraction(thousandths * size, 100_000) < expected + 1


NOT_AN_AMOUNT = "{} is not a whole number from 1 or a percentage such as 5%"


@pytest.mark.parametrize(
    ("t", "message"),
    [
        (0, NOT_AN_AMOUNT.format("0")),
        (-3, NOT_AN_AMOUNT.format("-3")),
        (True, NOT_AN_AMOUNT.format("true")),
        (0.05, NOT_AN_AMOUNT.format("0.05")),
        (5.0, NOT_AN_AMOUNT.format("5.0")),
        ([5], NOT_AN_AMOUNT.format("[5]")),
        ("abc", NOT_AN_AMOUNT.format("'abc'")),
        ("5", NOT_AN_AMOUNT.format("'5'")),
        ("%", NOT_AN_AMOUNT.format("'%'")),
        ("-5%", NOT_AN_AMOUNT.format("'-5%'")),
        ("5%%", NOT_AN_AMOUNT.format("'5%%'")),
        ("1/2%", NOT_AN_AMOUNT.format("'1/2%'")),
        ("nan%", NOT_AN_AMOUNT.format("'nan%'")),
        ("\u0665%", NOT_AN_AMOUNT.format("'\u0665%'")),
        ("5%\n", NOT_AN_AMOUNT.format(r"'5%\n'")),
        ("9" * 5000 + "%", NOT_AN_AMOUNT.format("'" + "9" * 56 + "...")),
        ("0%", "'0%' must be above 0% and at most 100%"),
        ("0.000%", "'0.000%' must be above 0% and at most 100%"),
        ("100.1%", "'100.1%' must be above 0% and at most 100%"),
        ("150%", "'150%' must be above 0% and at most 100%"),
    ],
)
def test_what_is_no_amount_is_said_in_one_line(t, message):
    assert check_record(Holder, {"t": t})[1] == [(("t",), message)]
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        resolve_amount(t, 1000)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("t", "size", "message"),
    [
        (501, 500, "501 is more than the 500 weights there are"),
        (1, 0, "1 is more than the 0 weights there are"),
        ("0.1%", 500, "0.1% of 500 weights is less than one weight"),
        ("100%", 0, "100% of 0 weights is less than one weight"),
    ],
)
def test_an_amount_that_does_not_fit_is_refused(t, size, message):
    with pytest.raises(ValueError, match="weight") as caught:
        resolve_amount(t, size)
    assert str(caught.value) == message


@pytest.mark.parametrize("t", [1, 300, "5%", "0.5%", "100%"])
def test_amount_is_kept_as_written(t):
    assert AMOUNTS.validate_python(t) == t
    assert Holder(t=t).model_dump() == {"t": t}


def test_json_schema_of_an_amount():
    integer, text = AMOUNTS.json_schema()["anyOf"]
    assert integer == {"type": "integer", "minimum": 1}
    assert text["type"] == "string"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5%", Fraction(1, 20)),
        ("0.5%", Fraction(1, 200)),
        ("33.3333%", Fraction(333333, 1_000_000)),
        ("100%", 1),
        ("0%", 0),
        ("999%", Fraction(999, 100)),
        *[
            (text, None)
            for text in ("5", "5 %", " 5%", "5%\n", "-5%", "5e1%", ".5%", "5.%", "\u0665%")
        ],
        *[(value, None) for value in ("", "%", "1000%", 5, 0.05, None, True)],
    ],
)
def test_percentages_are_exact(text, value):
    assert percentage(text) == value
