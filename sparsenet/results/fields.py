"""The fields of a row of a table or of an object of JSON, read as if anybody had written them."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from sparsenet.errors import printable
from sparsenet.files import FileError

T = TypeVar("T")

_NUMBER = re.compile(r"[-+]?(\d{1,30}(\.\d{0,60})?|\.\d{1,60})([eE][-+]?\d{1,3})?", re.ASCII)
_WHOLE = re.compile(r"\d{1,20}", re.ASCII)
_KEY = re.compile(r"[0-9a-f]{16}")
_LARGEST = 1e100
"""Beyond it, arithmetic on what was read could overflow."""


@dataclass(frozen=True)
class Fields:
    """One row of a table or one object of JSON, and where it stands: `front.csv:3`.

    A field that is not there is as one that is empty or null, and a text of a number is a number.
    Each method raises FileError for a value of another kind.
    """

    place: str
    values: Mapping[str, Any]

    def text(self, key: str) -> str:
        """A text, "" where there is none."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, str):
            raise self._wrong(key, "a text")
        return value or ""

    def number(self, key: str) -> float | None:
        """A finite number."""
        value = self.values.get(key)
        if value in ("", None):
            return None
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            value = float(value)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not abs(value) < _LARGEST:
            raise self._wrong(key, "a number")
        return float(value)

    def fraction(self, key: str) -> float | None:
        """A number from 0 to 1."""
        value = self.number(key)
        if value is not None and not 0 <= value <= 1:
            raise self._wrong(key, "a number from 0 to 1")
        return value

    def needed_fraction(self, key: str) -> float:
        """A number from 0 to 1 that must be there."""
        return self._needed(key, self.fraction(key))

    def count(self, key: str, least: int = 0) -> int | None:
        """A whole number of at least `least`, below 2^64."""
        value = self.values.get(key)
        if value in ("", None):
            return None
        if isinstance(value, str) and _WHOLE.fullmatch(value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 2**64:
            raise self._wrong(key, f"a whole number of {least} or more")
        return value

    def needed_count(self, key: str, least: int = 0) -> int:
        """A count that must be there."""
        return self._needed(key, self.count(key, least))

    def flag(self, key: str) -> bool:
        """1 or 0 of a table."""
        value = self.text(key)
        if value not in ("0", "1"):
            raise self._wrong(key, "0 or 1")
        return value == "1"

    def trial_key(self, key: str) -> str:
        """The key of a trial: it is to be a folder's name."""
        value = self.text(key)
        if not _KEY.fullmatch(value):
            raise self._wrong(key, "16 hexadecimal digits")
        return value

    def counts(self, key: str) -> tuple[int, ...]:
        """A list of counts, as a shape is."""
        items = self._items(key)
        return tuple(items.needed_count(name) for name in items.values)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts."""
        items = self._items(key)
        return tuple(map(items.text, items.values))

    def below(self, key: str) -> Fields:
        """The fields of an object, none where it is not there."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, dict):
            raise self._wrong(key, "an object")
        return Fields(f"{self.place}: {key[:60]}", value or {})

    def each(self, key: str) -> list[Fields]:
        """The objects of a list."""
        items = self._items(key)
        return [items.below(name) for name in items.values]

    def _items(self, key: str) -> Fields:
        """The items of a list, none where it is not there, by their places: `shape[0]`."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, list):
            raise self._wrong(key, "a list")
        return Fields(self.place, {f"{key}[{i}]": item for i, item in enumerate(value or ())})

    def _needed(self, key: str, value: T | None) -> T:
        if value is None:
            raise self._wrong(key, "")
        return value

    def _wrong(self, key: str, wanted: str) -> FileError:
        value = self.values.get(key)
        found = "is missing" if value in ("", None) else f"{shown(value)} is not {wanted}"
        return FileError(printable(f"{self.place}: {key[:60]}: {found}"))


def shown(value: object) -> str:
    """A value in a few words, whatever it is."""
    words = reprlib.repr(value)  # which stops at some depth
    return words if len(words) <= 60 else words[:57] + "..."
