import math

import pytest

from sparsenet.record_words import shown, wrong_value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (None, "null"),
        (5, "5"),
        (1e-4, "0.0001"),
        (1.0, "1.0"),
        (math.inf, ".inf"),
        (-math.inf, "-.inf"),
        ("yes", "'yes'"),
        ("a\nb", r"'a\nb'"),
        ([1, "a", [None]], "[1, 'a', [null]]"),
        ((1, 2), "[1, 2]"),
        ({"a": [True], "b": {}}, "{a: [true], b: {}}"),
        ("x" * 60, "'" + "x" * 56 + "..."),
        ("x" * 58, "'" + "x" * 58 + "'"),
    ],
)
def test_values_are_shown_as_yaml_writes_them(value, text):
    assert shown(value) == text


@pytest.mark.parametrize(
    ("kind", "value", "context", "words"),
    [
        ("less_than", 3, {"lt": 2}, "3 must be less than 2"),
        ("too_long", [1, 2], {"max_length": 1}, "[1, 2] must have at most 1 value"),
        ("string_too_short", "", {"min_length": 2}, "'' must have at least 2 characters"),
        ("literal_error", "rde", {"expected": "'red' or 'green'"},
         "'rde' is not red or green; did you mean 'red'?"),
        ("union_tag_invalid", "shrnk", {"expected_tags": "'shrink', 'l1'"},
         "'shrnk' is not shrink or l1; did you mean 'shrink'?"),
        ("int_type", 2.0, {}, "2.0 is not a whole number; write 2"),
        ("bool_type", "yes", {}, "'yes' is not true or false"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_held_against_what_is_wanted(kind, value, context, words):
    assert wrong_value(kind, value, context) == words


def test_a_kind_without_words_has_none():
    assert wrong_value("frozen_instance", 1, {}) is None
