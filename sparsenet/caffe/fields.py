"""The fields of a message, each of which is to be dealt with: what nobody asked for is told."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparsenet.caffe.report import Report
from sparsenet.caffe.text import FieldPath, Source
from sparsenet.record_words import shown

NOT_CARRIED = "is not carried over"


class Fields:
    """One message of a source. `owner` is the layer that it belongs to, `prefix` its key there.

    Each field that is set is taken, passed over since it changes nothing, left out with a warning,
    or refused. `finish` leaves out what is left, with a warning too: nothing is lost in silence.
    """

    def __init__(
        self,
        source: Source,
        message: Any,
        path: FieldPath,
        report: Report,
        owner: str = "",
        prefix: str = "",
    ) -> None:
        self.source, self.message, self.path = source, message, path
        self.report, self.owner, self.prefix = report, owner, prefix
        self.set = frozenset(field.name for field, _ in message.ListFields())
        self.left = set(self.set)
        self.inner: list[Fields] = []

    def has(self, key: str) -> bool:
        """Whether the file has set a field, be it to its default."""
        return key in self.set

    def value(self, key: str) -> Any:
        """A field's value, its default where it is not set; it counts as dealt with."""
        self.left.discard(key)
        return self.peek(key)

    def peek(self, key: str) -> Any:
        """The same, but it does not count.

        An enum's is its name, a float's the shortest decimal that rounds to it.
        """
        field = self.message.DESCRIPTOR.fields_by_name[key]
        value = getattr(self.message, key)
        return [_plain(field, v) for v in value] if field.is_repeated else _plain(field, value)

    def take(self, key: str) -> Any:
        """The same, but None where it is not set."""
        return self.value(key) if self.has(key) else None

    def taken(self, *keys: str) -> dict[str, Any]:
        """Those that are set, by their names; of a list of one its value."""
        values = {key: self.take(key) for key in keys}
        return {
            key: value[0] if isinstance(value, list) and len(value) == 1 else value
            for key, value in values.items()
            if value is not None
        }

    def sub(self, key: str) -> Fields:
        """The message of a field, empty where it is not set."""
        self.left.discard(key)
        return self._below(getattr(self.message, key), (*self.path, key), key)

    def each(self, key: str) -> list[Fields]:
        """The messages of a repeated field."""
        self.left.discard(key)
        items = enumerate(getattr(self.message, key))
        return [self._below(item, (*self.path, key, index), key) for index, item in items]

    def _below(self, message: Any, path: FieldPath, key: str) -> Fields:
        below = Fields(self.source, message, path, self.report, self.owner, f"{self.prefix}{key}.")
        self.inner.append(below)
        return below

    def pass_over(self, *keys: str) -> None:
        """Fields that change nothing, here as in Caffe."""
        for key in keys:
            self.left.discard(key)

    def leave_out(self, key: str, why: str) -> None:
        """Warn that a field, where it is set, is not carried over."""
        if self.has(key):
            value = "" if self._is_message(key) else self._shown(key)
            self.left.discard(key)
            place = self.source.place((*self.path, key))
            self.report.leave_out(place, self.owner, self.prefix + key, f"{value}{why}")

    def refuse(self, key: str, why: str, *, is_lack: bool = False) -> None:
        """Report that the file cannot be imported for what this field is, or lacks."""
        value = "" if self._is_message(key) else self._shown(key)
        self.left.discard(key)
        place = self.source.place((*self.path, key))
        self.report.refuse(place, self._key(key), f"{value}{why}", is_lack=is_lack)

    def require(self, key: str, only: Any, why: str) -> None:
        """Refuse a field unless it has, set or by default, the one value that there is here."""
        if self.value(key) != only:
            self.refuse(key, f"{why}; it must be {shown(only)}")

    def finish(self) -> None:
        """Warn of all that is left, and of the fields that caffe.proto does not have."""
        for key in sorted(self.left):
            self.leave_out(key, NOT_CARRIED)
        for unknown in self.source.unknown:
            if unknown.path == self.path:
                place = self.source.place((*self.path, unknown.name))
                words = "is not known here, and is left out"
                self.report.leave_out(place, self.owner, self.prefix + unknown.name, words)
        for below in self.inner:
            below.finish()

    def _is_message(self, key: str) -> bool:
        return self.message.DESCRIPTOR.fields_by_name[key].message_type is not None

    def _key(self, key: str) -> str:
        above = f"{self.owner}." if self.owner else ""
        return f"{above}{self.prefix}{key}"

    def _shown(self, key: str) -> str:
        value = self.value(key)
        return f"{shown(value[0] if isinstance(value, list) and len(value) == 1 else value)} "


def _plain(field: Any, value: Any) -> Any:
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    if field.type == field.TYPE_FLOAT:
        return decimal(value)
    return value


def decimal(value: float) -> int | float:
    """The shortest decimal that is this float32, as the user will have written it: 0.0001."""
    short = float(str(np.float32(value)))
    return int(short) if short.is_integer() and abs(short) < 2**53 else short
