"""A serialized message looked through before protobuf makes objects of it.

Two bytes can say that there is a message, which takes a hundred or more in memory. So the messages
and fields that a file would become are counted first, in its bytes alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from sparsenet.errors import SparsenetError

if TYPE_CHECKING:
    from google.protobuf.message import Message

    AnyMessage = TypeVar("AnyMessage", bound=Message)

MAX_BYTES = 2**31 - 1
"""What protobuf can read."""
MAX_FIELDS = 100_000
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
Field = tuple[int, int, int, int]
"""(number, wire type, begin, end): where its value stands in the bytes."""


class CaffeError(SparsenetError):
    """A file of Caffe's cannot be read. The functions that take a path name it in the message."""


def parsed(content: bytes, kind: type[AnyMessage]) -> AnyMessage:
    """The message in these bytes; fields that the definition does not have are skipped.

    Raises CaffeError, without naming the file: cut off, damaged, or of more fields than 100,000
    (packed numbers are one), before any memory is taken for them.
    """
    from google.protobuf.message import DecodeError  # noqa: PLC0415  an extra

    _require_modest(memoryview(content), kind)
    try:
        return kind.FromString(content)
    except DecodeError:
        raise CaffeError("the file is damaged") from None


def first_fields(start: bytes, count: int) -> list[Field]:
    """So many fields of a message, fewer where it ends or is damaged before.

    `start` is its beginning; the value of the last may go on behind it.
    """
    found: list[Field] = []
    with suppress(CaffeError):
        for field in _fields(memoryview(start), 0, len(start)):
            found.append(field)
            if len(found) == count:
                break
    return found


def _require_modest(content: memoryview, kind: type[Message]) -> None:
    waiting: list[tuple[int, int, Any]] = [(0, len(content), kind.DESCRIPTOR)]
    seen = 0
    while waiting:
        begin, end, message = waiting.pop()
        for number, wire, first, last in _fields(content, begin, end):
            seen += 1
            if seen > MAX_FIELDS:
                raise CaffeError(f"refused, it holds more than {MAX_FIELDS:,} fields")
            known = message.fields_by_number.get(number)
            if known is not None and known.message_type is not None and wire == _BYTES:
                waiting.append((first, last, known.message_type))


def _fields(content: memoryview, place: int, end: int) -> Iterator[Field]:
    while place < end:
        tag, place = _varint(content, place, end)
        number, wire, first = tag >> 3, tag & 7, place
        if wire == _VARINT:
            _, place = _varint(content, place, end)
        elif wire == _BYTES:
            length, first = _varint(content, place, end)
            place = first + length
        elif wire in (_FIXED64, _FIXED32):
            place += 8 if wire == _FIXED64 else 4
        else:
            raise CaffeError("the file is damaged")
        yield number, wire, first, place
    if place > end:
        raise CaffeError("the file is cut off or damaged")


def _varint(content: memoryview, place: int, end: int) -> tuple[int, int]:
    """A number in groups of seven bits, the lowest first, and the place behind it."""
    value = 0
    for group in range(10):
        if place + group >= end:
            break
        byte = content[place + group]
        value |= (byte & 0x7F) << 7 * group
        if byte < 0x80:
            return value, place + group + 1
    raise CaffeError("the file is cut off or damaged")
