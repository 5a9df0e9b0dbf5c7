"""Tables whose rows the reader sorts by any column; without a script they are plain tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from sparsenet.report.html import Html, breakable, element, joined, text
from sparsenet.results import words

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


_MANY = 15
"""Columns from which on a table is printed across the page."""


@dataclass(frozen=True)
class Cell:
    """What is read, and by which number it is sorted: None is last, either way."""

    words: str
    value: float | None = None


@dataclass(frozen=True)
class Column(Generic[T_contra]):
    """A header, what stands below it for each row's T, and what it means where that is not plain.

    A column that is not `numeric` is sorted by its words.
    """

    title: str
    cell: Callable[[T_contra], Cell]
    numeric: bool = True
    hint: str | None = None


@dataclass(frozen=True)
class Table(Generic[T]):
    """A table and its title; `id` is unique in a page. `strong` rows, by place, stand out."""

    id: str
    title: str
    columns: Sequence[Column[T]]
    rows: Sequence[T]
    strong: frozenset[int] = frozenset()


def label(value: object) -> Cell:
    """A text."""
    return Cell(str(value))


def percent(share: float | None) -> Cell:
    """A fraction, in percent."""
    return Cell(words.percent(share), share)


def kib(count: float | None) -> Cell:
    """Bytes, in KiB."""
    return Cell(words.kib(count), count)


def whole(count: float | None) -> Cell:
    """A whole number."""
    return Cell(words.whole(count), count)


def seed(number: int | None) -> Cell:
    """A number that is a name: its thousands are not apart."""
    return Cell("" if number is None else str(number), number)


def decimal(value: float | None) -> Cell:
    """A loss."""
    return Cell(words.decimal(value), value)


def number_or_words(value: str) -> Cell:
    """A text that may be of a number, as the value of a grid's key is."""
    try:
        number = float(value)
    except ValueError:
        return Cell(value)
    return Cell(value, number if math.isfinite(number) else None)


def table(content: Table[T]) -> Html:
    """The table in a frame that scrolls, also by the keyboard. The rows are numbered from 1.

    Sorting by the numbers gives back the first order.
    """
    title = element("p", text(content.title), id=content.id, class_="small")
    number = _header("#", "the first order", numeric=True)
    head = [_header(column.title, column.hint, column.numeric) for column in content.columns]
    body = joined(
        _row(place + 1, content.columns, row, strong=place in content.strong)
        for place, row in enumerate(content.rows)
    )
    heads = element("thead", element("tr", number, *head))
    rows = element("table", heads, element("tbody", body), aria_labelledby=content.id)
    keys = {"class_": "scroll", "role": "region", "aria_labelledby": content.id}
    frame = element("div", rows, tabindex=0, **keys)
    return element("div", title, frame, class_="wide" if len(content.columns) >= _MANY else None)


def _header(title: str, hint: str | None, numeric: bool) -> Html:
    button = element("button", breakable(title), type="button", title=hint)
    kind = "number" if numeric else None
    return element("th", button, scope="col", class_=kind, aria_sort="none")


def _row(number: int, columns: Sequence[Column[T]], row: T, *, strong: bool) -> Html:
    cells = [_cell(column.cell(row), column.numeric) for column in columns]
    kind = "strong" if strong else None
    return element("tr", _cell(whole(number), numeric=True), *cells, class_=kind)


def _cell(cell: Cell, numeric: bool) -> Html:
    if not numeric:
        return element("td", breakable(cell.words))
    value = "" if cell.value is None else f"{cell.value:.17g}"
    return element("td", text(cell.words), class_="number", data_value=value)
