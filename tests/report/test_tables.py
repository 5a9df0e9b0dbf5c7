"""A table as it stands without a script."""

from __future__ import annotations

from sparsenet.report import tables
from sparsenet.report.tables import Cell, Column, Table, number_or_words, table
from tests.report.parsed import named, parsed, table_of
from tests.report.samples import EVIL

Row = tuple[str, float | None]
COLUMNS: list[Column[Row]] = [
    Column("name", lambda row: tables.label(row[0]), numeric=False),
    Column("share %", lambda row: tables.percent(row[1]), hint="a <hint>"),
]
ROWS: list[Row] = [(EVIL, 0.12345), ("b", None)]
NODES = parsed(table(Table("t", "A title", COLUMNS, ROWS, frozenset({1}))))


def test_rows_are_numbered_and_what_is_missing_is_a_dash() -> None:
    assert table_of(NODES, "t") == [
        {"#": "1", "name": EVIL, "share %": "12.35"},
        {"#": "2", "name": "b", "share %": "\N{EN DASH}"},
    ]


def test_numbers_carry_the_value_they_are_sorted_by_and_texts_none() -> None:
    values = [node.attributes.get("data-value") for node in named(NODES, "td")]
    assert values == ["1", None, "0.12345", "2", None, ""]


def test_headers_are_buttons_that_say_how_the_column_is_sorted() -> None:
    headers = named(NODES, "th")
    assert [node.attributes["aria-sort"] for node in headers] == ["none"] * 3
    assert [node.attributes["scope"] for node in headers] == ["col"] * 3
    buttons = named(NODES, "button", type="button")
    assert [node.words for node in buttons] == ["#", "name", "share %"]
    assert buttons[2].attributes["title"] == "a <hint>"


def test_the_frame_is_named_and_reached_by_the_keyboard() -> None:
    [frame] = named(NODES, "div", role="region")
    assert (frame.attributes["tabindex"], frame.attributes["aria-labelledby"]) == ("0", "t")


def test_some_rows_stand_out() -> None:
    assert [node.attributes.get("class") for node in named(NODES, "tr")] == [None, None, "strong"]


def test_a_table_without_rows_has_its_headers() -> None:
    empty: list[Row] = []
    nodes = parsed(table(Table("t", "A title", COLUMNS, empty)))
    assert len(named(nodes, "th")) == 3
    assert not named(nodes, "td")


def test_words_that_are_numbers_are_sorted_as_such() -> None:
    assert number_or_words("1e-3") == Cell("1e-3", 0.001)
    assert number_or_words("all") == Cell("all")
    assert number_or_words("inf") == Cell("inf")
