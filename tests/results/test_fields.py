"""Values of others: what is right is read, what is of another kind is one line with its place."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsenet.files import FileError
from sparsenet.results.fields import Fields

FIELDS = Fields(
    "a.json:2",
    {"text": "x", "number": "0.25", "count": 7, "list": [1, "2"], "words": ["x", None],
     "one": "1", "zero": "0", "key": "0123456789abcdef", "none": None, "empty": "",
     "objects": [{"a": 1}], "below": {"deep": 1.5}},
)  # fmt: skip


def test_fields_are_read_by_their_kind() -> None:
    assert FIELDS.text("text") == "x"
    assert FIELDS.number("number") == 0.25
    assert FIELDS.fraction("number") == 0.25
    assert FIELDS.count("count") == FIELDS.needed_count("count") == 7
    assert FIELDS.needed_fraction("number") == 0.25
    assert FIELDS.counts("list") == (1, 2)
    assert FIELDS.texts("words") == ("x", "")
    assert (FIELDS.flag("one"), FIELDS.flag("zero")) == (True, False)
    assert FIELDS.trial_key("key") == "0123456789abcdef"
    assert FIELDS.below("below").number("deep") == 1.5
    assert [each.count("a") for each in FIELDS.each("objects")] == [1]


@pytest.mark.parametrize("key", ["none", "absent"])
def test_what_is_not_there_is_nothing(key: str) -> None:
    assert FIELDS.text(key) == ""
    assert FIELDS.number(key) is FIELDS.fraction(key) is FIELDS.count(key) is None
    assert FIELDS.each(key) == []
    assert FIELDS.counts(key) == FIELDS.texts(key) == ()
    assert FIELDS.below(key).values == {}
    assert FIELDS.number("empty") is FIELDS.count("empty") is None


@pytest.mark.parametrize(
    ("read", "value", "words"),
    [
        (Fields.text, 3, "3 is not a text"),
        (Fields.number, "x", "'x' is not a number"),
        (Fields.number, "nan", "'nan' is not a number"),
        (Fields.number, "1_0", "'1_0' is not a number"),
        (Fields.number, float("inf"), "inf is not a number"),
        (Fields.number, float("nan"), "nan is not a number"),
        (Fields.number, True, "True is not a number"),
        (Fields.number, "1e300", "'1e300' is not a number"),
        (Fields.number, [1], "[1] is not a number"),
        (Fields.fraction, 1.5, "1.5 is not a number from 0 to 1"),
        (Fields.fraction, "-0.1", "'-0.1' is not a number from 0 to 1"),
        (Fields.count, -1, "-1 is not a whole number of 0 or more"),
        (Fields.count, 2.0, "2.0 is not a whole number of 0 or more"),
        (Fields.count, False, "False is not a whole number of 0 or more"),
        (Fields.count, 2**64, "18446744073709551616 is not a whole number"),
        (Fields.count, "1" * 30, "'111"),
        (Fields.needed_count, None, "is missing"),
        (Fields.needed_count, "", "is missing"),
        (Fields.needed_fraction, None, "is missing"),
        (Fields.needed_fraction, "2", "'2' is not a number from 0 to 1"),
        (Fields.flag, "", "is missing"),
        (Fields.flag, "true", "'true' is not 0 or 1"),
        (Fields.flag, "-0", "'-0' is not 0 or 1"),
        (Fields.trial_key, "", "is missing"),
        (Fields.trial_key, "../../etc/passwd", "'../../etc/passwd' is not 16 hexadecimal digits"),
        (Fields.trial_key, "F" * 16, "'FFFFFFFFFFFFFFFF' is not 16 hexadecimal digits"),
        (Fields.trial_key, "0" * 16 + "\n", "'0000000000000000\\n' is not 16 hexadecimal digits"),
        (Fields.texts, {}, "{} is not a list"),
        (Fields.below, [], "[] is not an object"),
        (Fields.text, ["\x1b" * 99], "['\\x1b"),
    ],
)
def test_a_value_of_another_kind_is_named(
    read: Callable[[Fields, str], Any], value: object, words: str
) -> None:
    with pytest.raises(FileError) as raised:
        read(Fields("a.csv:3", {"key": value}), "key")
    assert str(raised.value).startswith(f"a.csv:3: key: {words}")
    assert len(str(raised.value)) < 120
    assert str(raised.value).isprintable()


def test_an_item_of_a_list_is_named() -> None:
    with pytest.raises(FileError, match=r"a: list\[1\]: 'x' is not a whole number"):
        Fields("a", {"list": [1, "x"]}).counts("list")
    with pytest.raises(FileError, match=r"a: list\[0\]: 3 is not an object"):
        Fields("a", {"list": [3]}).each("list")


@given(st.text() | st.integers() | st.floats() | st.none() | st.lists(st.none()))
def test_any_value_is_read_or_refused(value: object) -> None:
    fields = Fields("a", {"key": value})
    for read in (Fields.text, Fields.number, Fields.fraction, Fields.count, Fields.flag,
                 Fields.trial_key, Fields.texts, Fields.below, Fields.counts):  # fmt: skip
        with suppress(FileError):
            read(fields, "key")


def test_what_is_nested_deeply_or_long_is_named_in_short() -> None:
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    for fields in (Fields("a", {"key": deep}), Fields("a", {"x" * 99: {}}).below("x" * 99)):
        with pytest.raises(FileError) as raised:
            fields.needed_count("key")
        assert len(str(raised.value)) < 140


def test_the_least_count_is_named() -> None:
    assert Fields("a", {"key": 2}).needed_count("key", least=2) == 2
    with pytest.raises(FileError, match="a: key: 1 is not a whole number of 2 or more"):
        Fields("a", {"key": 1}).count("key", least=2)
