"""Prototxt and binary messages, with the line of every field and every field that is not known.

protobuf's own parser reads the values. It skips a field that caffe.proto does not have without a
word, so the text is walked once more, by protobuf's tokenizer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparsenet.caffe.report import Place
from sparsenet.caffe.wire import MAX_BYTES, CaffeError, parsed
from sparsenet.errors import ConfigError, Problem

if TYPE_CHECKING:
    from google.protobuf.message import Message

MAX_TEXT = 2**24
FieldPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Unknown:
    """A field that caffe.proto does not have: of a text its name, of a binary file its number."""

    path: FieldPath
    name: str


@dataclass
class Source:
    """A message of Caffe's as it was read; `lines` says where each field begins, of a text."""

    name: str
    message: Any
    lines: dict[FieldPath, int] = field(default_factory=dict)
    unknown: list[Unknown] = field(default_factory=list)

    def place(self, path: FieldPath) -> Place:
        """Where the field at `path`, or else the nearest above it, was written."""
        above = (path[:length] for length in range(len(path), 0, -1))
        return Place(self.name, next((self.lines[p] for p in above if p in self.lines), None))


def read_content(path: Path) -> bytes | str:
    """A file's text, or its bytes where it is no text. Raises ConfigError."""
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= MAX_BYTES else b""
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(Problem(str(path), "", f"cannot be read: {reason}")) from None
    if size > MAX_BYTES:
        raise ConfigError(Problem(str(path), "", f"is larger than {MAX_BYTES:,} bytes"))
    text = _as_text(content)
    if text is not None and size > MAX_TEXT:
        raise ConfigError(Problem(str(path), "", f"is a text of more than {MAX_TEXT:,} bytes"))
    return content if text is None else text


def _as_text(content: bytes) -> str | None:
    """The text, unless it has what no text has: a message's tags and lengths are such bytes."""
    if any(byte in content for byte in range(32) if chr(byte) not in "\t\n\v\f\r"):
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def parse(name: str, content: bytes | str, kind: type[Message]) -> Source:
    """The message of this kind that is a file's content.

    Raises ConfigError for broken text or a value that a field cannot have, CaffeError for bytes
    that are no such message.
    """
    if isinstance(content, str):
        return _parse_text(name, content, kind())
    try:
        message = parsed(content, kind)
    except CaffeError as error:
        raise CaffeError(f"{name}: {error}") from None
    return Source(name, message, unknown=list(_unknown_numbers(message, ())))


def _parse_text(name: str, text: str, message: Message) -> Source:
    from google.protobuf import text_format  # noqa: PLC0415  an extra

    lines = text.split("\n")
    try:
        text_format.Parse(text, message, allow_unknown_field=True)
    except text_format.ParseError as error:
        line = error.GetLine()
        place = Place(name, line if line is None else min(line, len(lines)))
        raise ConfigError(Problem(str(place), "", _fault(str(error)))) from None
    except RecursionError:
        raise ConfigError(Problem(name, "", "nested too deeply")) from None
    walk = _Walk(Source(name, message), text_format.Tokenizer(lines))
    walk.fields(message.DESCRIPTOR, (), "")
    return walk.source


def _fault(words: str) -> str:
    """protobuf's words without its place and the line's text, and the names of our package."""
    head, _, rest = words.partition(" : ")
    words = rest if head.replace(":", "").isdigit() else words
    if words.startswith("'") and "': " in words:
        words = words.partition("': ")[2]
    return words.replace("sparsenet.caffe.", "").strip()


def _unknown_numbers(message: Message, path: FieldPath) -> Iterator[Unknown]:
    from google.protobuf.unknown_fields import UnknownFieldSet  # noqa: PLC0415  an extra

    unknown = UnknownFieldSet(message)
    numbers = dict.fromkeys(unknown[place].field_number for place in range(len(unknown)))
    yield from (Unknown(path, f"field {number}") for number in numbers)
    for known, value in message.ListFields():
        if known.message_type is None:
            continue
        if known.is_repeated:
            for index, item in enumerate(value):
                yield from _unknown_numbers(item, (*path, known.name, index))
        else:
            yield from _unknown_numbers(value, (*path, known.name))


class _Walk:
    """Goes over the tokens of a text that protobuf has parsed, so that its syntax is right."""

    def __init__(self, source: Source, tokens: Any) -> None:
        self.source, self.tokens = source, tokens

    def fields(self, kind: Any, path: FieldPath, end: str) -> None:
        """The fields up to the token `end`; those of what is itself unknown have no `kind`."""
        counts: dict[str, int] = {}
        while self.tokens.token != end:
            line = self._line()
            name = self._next()
            known = None if kind is None else kind.fields_by_name.get(name)
            if kind is not None and known is None:
                self.source.unknown.append(Unknown(path, name))
                self.source.lines.setdefault((*path, name), line)
            self._values(known, (*path, name), line, counts)
            while self.tokens.token in (",", ";"):
                self._next()
        if end:
            self._next()

    def _values(self, known: Any, path: FieldPath, line: int, counts: dict[str, int]) -> None:
        if self.tokens.token == ":":
            self._next()
        if self.tokens.token != "[":
            self._value(known, path, line, counts)
            return
        self._next()
        while self.tokens.token != "]":
            self._value(known, path, self._line(), counts)
            if self.tokens.token == ",":
                self._next()
        self._next()

    def _value(self, known: Any, path: FieldPath, line: int, counts: dict[str, int]) -> None:
        if known is not None:
            self.source.lines.setdefault(path, line)
            if known.is_repeated:
                counts[known.name] = counts.get(known.name, -1) + 1
                path = (*path, counts[known.name])
                self.source.lines[path] = line
        if self.tokens.token in ("{", "<"):
            end = "}" if self._next() == "{" else ">"
            self.fields(None if known is None else known.message_type, path, end)
            return
        first = self._next()
        while first[0] in "'\"" and self.tokens.token[:1] in ("'", '"'):
            self._next()  # texts that follow one another are one

    def _line(self) -> int:
        """The line of the token that comes next."""
        line: int = self.tokens.ParseError("").GetLine()
        return line

    def _next(self) -> str:
        token: str = self.tokens.token
        self.tokens.NextToken()
        return token
