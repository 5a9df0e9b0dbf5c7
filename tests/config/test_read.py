import math
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsenet.config.document import Place
from sparsenet.config.read import parse_yaml, read_yaml, write_yaml
from sparsenet.errors import ConfigError


def read(tmp_path: Path, content: str | bytes):
    path = tmp_path / "a.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_yaml(path)


def problems(document) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        document.raise_problems()
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1E5", 1e5),
        ("1.e+2", 100.0),
        (".5", 0.5),
        ("-.5e-1", -0.05),
        ("5.", 5.0),
        ("+7", 7),
        ("-7", -7),
        ("010", 10),
        ("-0", 0),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775807", 1 - 2**63),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("+.Inf", math.inf),
        ("true", True),
        ("TRUE", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("Null", None),
        ("!!str 5", "5"),
        ("!!float 5", 5.0),
        ("'5'", "5"),
        ('"true"', "true"),
        # Of YAML 1.1 and other languages; all texts in 1.2.
        *[(text, text) for text in ("yes", "no", "on", "off", "y", "n", "Yes", "tRUE", "nULL")],
        *[(text, text) for text in ("1_000", "1:30", "0x10", "0o17", "0b1", "1e", "e5", ".", "-")],
        *[(text, text) for text in ("2024-01-01", "=", "<<", "nan", "inf", "1.5.2", "5%", "+.nan")],
    ],
)
def test_scalars_are_those_of_the_core_schema(text, value):
    found = parse_yaml(text if text != "-" else "'-'", "x").data
    assert found == value
    assert type(found) is type(value)


def test_nan():
    assert math.isnan(parse_yaml(".nan", "x").data)
    assert math.isnan(parse_yaml(".NaN", "x").data)


def test_every_value_knows_its_line(tmp_path):
    document = read(tmp_path, "a: 1\nb:\n  c: [x,\n    y]\n  'd e':\n  - {f: 2}\n# end\ng:\n  5\n")
    lines = {
        (): 1,
        ("a",): 1,
        ("b",): 2,
        ("b", "c"): 3,
        ("b", "c", 0): 3,
        ("b", "c", 1): 4,
        ("b", "d e"): 5,
        ("b", "d e", 0): 6,
        ("b", "d e", 0, "f"): 6,
        ("g",): 8,
    }
    assert document.places == {key: Place(document.name, line) for key, line in lines.items()}
    assert str(document.place(("b", "d e", 0, "none", 3))) == f"{tmp_path}/a.yaml:6"


def test_aliases_are_copies_that_point_to_the_original_lines(tmp_path):
    document = read(tmp_path, "a: &x\n  b: [1]\nc: *x\n")
    assert document.data == {"a": {"b": [1]}, "c": {"b": [1]}}
    assert document.data["a"]["b"] is not document.data["c"]["b"]
    assert document.place(("c", "b")).line == 2
    assert document.place(("c",)).line == 3


def test_line_ends_and_a_byte_order_mark_do_not_matter(tmp_path):
    plain = read(tmp_path, "a: 1\nb: [2]\n")
    assert read(tmp_path, "a: 1\r\nb: [2]\r\n").data == plain.data
    assert read(tmp_path, b"\xef\xbb\xbfa: 1\nb: [2]\n").data == plain.data


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ": is empty; a mapping of keys to values is needed"),
        (b"a: 1\nb: \xff\n", ":2: not UTF-8 text"),
        ("a: 1\n".encode("utf-16"), ":1: not UTF-8 text"),
        (b"a: 1\nb: \x00\n", r":2: not YAML: the character '\x00' is not allowed"),
        (b"a: " + b"x" * 2**20, ": is larger than 1 MiB"),
        (b"a: " + b"[" * 1_000 + b"]" * 1_000, ": not YAML: nested too deeply"),
        (b"a: " + b"9" * 5_000, f":1: a: {'9' * 60} is too large; whole numbers end at 2^63"),
        (b"? {a: 1}\n: 2\n", ":1: the key [...] is not a text"),
    ],
)
def test_what_is_no_configuration_at_all(tmp_path, content, words):
    assert problems(read(tmp_path, content)) == [f"{tmp_path}/a.yaml{words}"]


def test_files_that_cannot_be_read(tmp_path):
    missing = tmp_path / "none.yaml"
    assert problems(read_yaml(missing)) == [f"{missing}: cannot be read: No such file or directory"]
    assert problems(read_yaml(tmp_path)) == [f"{tmp_path}: cannot be read: Is a directory"]
    [line] = problems(read_yaml(Path("a\0b")))
    assert line == r"a\x00b: cannot be read: embedded null byte"


def test_a_device_without_end_is_not_read_to_its_end():
    assert problems(read_yaml(Path("/dev/zero"))) == ["/dev/zero: is larger than 1 MiB"]


def test_all_repeated_keys_are_named_and_the_first_counts(tmp_path):
    document = read(tmp_path, "a: 1\nb: {c: 1, c: 2}\na: 3\na: 4\n")
    assert document.data == {"a": 1, "b": {"c": 1}}
    assert [(key, place.line) for place, key, _ in document.problems] == [
        (("b", "c"), 2),
        (("a",), 3),
        (("a",), 4),
    ]


def test_nothing_is_said_of_what_follows_from_a_value_that_cannot_be_read(tmp_path):
    document = read(tmp_path, "a: !!python/name:os.system\nb: 1\n")
    document.report(("a",), "is missing")
    document.report(("a", "deeper"), "is missing")
    document.report(("b",), "is wrong")
    assert problems(document) == [
        f"{tmp_path}/a.yaml:1: a: the tag !!python/name:os.system is not allowed",
        f"{tmp_path}/a.yaml:2: b: is wrong",
    ]


def test_plain_text_is_written_without_quotes_that_it_does_not_need():
    assert write_yaml({"a": "no", "b": "1e-4", "c": 1e-5, "d": None}) == (
        "a: no\nb: '1e-4'\nc: 1.0e-05\nd: null\n"
    )


def test_what_stands_at_two_places_is_written_twice():
    shared = {"iters": 5}
    assert write_yaml({"a": shared, "b": [shared]}) == "a:\n  iters: 5\nb:\n- iters: 5\n"


WORDS = st.sampled_from(["", "no", "1e-4", "010", "~", "null", ".5", "- a", "a: b", "#", "<<", "="])
TEXTS = st.one_of(
    WORDS,
    # All that UTF-8 can hold and YAML allows, in words and with its blanks and line breaks.
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    st.text(" \n\t:#'\"\\-?{}[],&*!|>%@`ab1.eE+", max_size=30),
)
NUMBERS = st.one_of(
    st.integers(1 - 2**63, 2**63 - 1), st.floats(allow_nan=False), st.booleans(), st.none()
)
PLAIN = st.recursive(
    NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(TEXTS, PLAIN, max_size=4))
@settings(max_examples=150, deadline=None)
def test_plain_data_survives_writing_and_reading(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "round-trip.yaml"
    path.write_text(write_yaml(data), encoding="utf-8", newline="")
    document = read_yaml(path)
    document.raise_problems()
    assert document.data == data
    assert repr(document.data) == repr(data)
    assert list(document.data) == list(data)


@given(st.text(max_size=200) | st.text("ab:-[]{}&*!|>'\"#?,% \n\t", max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_gives_data_or_problems_and_no_other_error(text):
    document = parse_yaml(text, "x")
    if document.problems:
        lines = problems(document)
        assert lines
        assert all(len(line.splitlines()) == 1 for line in lines)
    else:
        yaml.safe_dump(document.data)
