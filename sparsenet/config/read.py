"""Strict YAML with line numbers.

The plain scalars are those of YAML 1.2's core schema but for its octal and hexadecimal numbers, and
not PyYAML's of 1.1: `1e-4` is a number, `no` and `on` are texts, `010` is ten, `1:30` a text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from sparsenet.config.document import Document, Place
from sparsenet.errors import ConfigError, Problem
from sparsenet.record import KeyPath, shown

MAX_BYTES = 2**20
MAX_NODES = 100_000
MAX_DEPTH = 50

_TAG = "tag:yaml.org,2002:"


def _number(text: str) -> int:
    if len(text) > 30 or abs(int(text)) >= 2**63:
        raise ValueError("beyond 2^63")
    return int(text)


def _decimal(text: str) -> float:
    return float(text.replace(".inf", "inf").replace(".nan", "nan") if text[-1].isalpha() else text)


# In this order: what looks like a whole number is one.
_SCALARS: dict[str, tuple[str, str, Callable[[str], object]]] = {
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF", lambda text: text.lower() == "true"),
    "int": (r"[-+]?[0-9]+", "-+0123456789", _number),
    "float": (
        r"[-+]?(?:(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)",
        "-+0123456789.",
        lambda text: _decimal(text.lower()),
    ),
    "null": (r"~|null|Null|NULL|", "~nN", lambda _: None),
    "str": (r"(?s:.*)", "", str),
}


class _CoreLoader(yaml.SafeLoader):
    """SafeLoader whose plain scalars are resolved by YAML 1.2's core schema."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}


for _kind, (_pattern, _first, _) in _SCALARS.items():
    if _kind != "str":
        _CoreLoader.add_implicit_resolver(
            _TAG + _kind, re.compile(rf"(?:{_pattern})\Z"), [*_first, *[""] * (_kind == "null")]
        )


def read_yaml(path: Path) -> Document:
    """Read one YAML file whose top is a mapping.

    What can be passed over is noted in the document: repeated keys, keys that are not texts,
    values of foreign types. Raises ConfigError for what cannot: unreadable file, not UTF-8, larger
    than 1 MiB or 100,000 values, nested deeper than 50, broken syntax.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(Problem(str(path), "", f"cannot be read: {reason}")) from None
    if len(content) > MAX_BYTES:
        raise ConfigError(Problem(str(path), "", "is larger than 1 MiB"))
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        place = Place(str(path), content[: error.start].count(b"\n") + 1)
        raise ConfigError(Problem(str(place), "", "not UTF-8 text")) from None
    document = parse_yaml(text, str(path))
    if not isinstance(document.data, dict):
        words = "is empty" if document.data is None else f"is {shown(document.data)}"
        words += "; a mapping of keys to values is needed"
        raise ConfigError(Problem(str(path), "", words))
    return document


def parse_yaml(text: str, name: str, lines: bool = True) -> Document:
    """YAML text as a document called `name`, its places with or without `lines`.

    Raises ConfigError as `read_yaml` does for broken syntax and size.
    """
    document = Document(name)
    line: int | None = None
    try:
        loader = _CoreLoader(text)
        if (node := loader.get_single_node()) is not None:
            document.data = _Walk(document, lines).value(node, ())
        return document
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        words = ", ".join(part for part in (error.context, error.problem) if part)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        words = f"the character {chr(error.character)!r} is not allowed"
    except (RecursionError, _TooMuchError) as error:
        words = str(error) if isinstance(error, _TooMuchError) else "nested too deeply"
    raise ConfigError(Problem(str(Place(name, line if lines else None)), "", f"not YAML: {words}"))


class _TooMuchError(Exception):
    """A file that would take too much memory."""


class _Walk:
    """Builds plain data from YAML nodes, noting each key's line and what is wrong with it."""

    def __init__(self, document: Document, lines: bool) -> None:
        self.document, self.lines = document, lines
        self.count = 0

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        # An alias repeats its node here, so nested aliases multiply: the count bounds them.
        self.count += 1
        if self.count > MAX_NODES:
            raise _TooMuchError(f"more than {MAX_NODES:,} values")
        if len(path) > MAX_DEPTH:
            raise _TooMuchError("nested too deeply")
        self.document.places.setdefault(path, self.place(node))
        kind = node.tag.removeprefix(_TAG)
        if isinstance(node, yaml.MappingNode) and kind == "map":
            return dict(self.items(node, path))
        if isinstance(node, yaml.SequenceNode) and kind == "seq":
            return [self.value(item, (*path, i)) for i, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and kind in _SCALARS:
            return self.scalar(node, kind, path)
        tag = f"!!{kind}" if node.tag.startswith(_TAG) else node.tag
        self.document.spoil(path, f"the tag {tag} is not allowed", self.place(node))
        return None

    def scalar(self, node: yaml.ScalarNode, kind: str, path: KeyPath) -> Any:
        pattern, _, convert = _SCALARS[kind]
        try:
            if re.fullmatch(pattern, node.value):
                return convert(node.value)
            words = f"is not what its tag !!{kind} says"
        except ValueError as error:
            words = f"is {error}"
        self.document.spoil(path, f"{shown(node.value)} {words}", self.place(node))
        return None

    def items(self, node: yaml.MappingNode, path: KeyPath) -> Iterator[tuple[str, Any]]:
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            place = self.place(key_node)
            if key_node.tag != f"{_TAG}str":
                quoted = f"{key_node.value!r}" if isinstance(key_node.value, str) else "[...]"
                self.document.report(path, f"the key {quoted} is not a text", place)
            elif key_node.value in lines:
                words = f"repeated key, first given in line {lines[key_node.value]}"
                hint = "; several values are written as a list, [a, b]"
                self.document.report((*path, key_node.value), words + hint, place)
            else:
                lines[key_node.value] = key_node.start_mark.line + 1
                self.document.places[*path, key_node.value] = place
                yield key_node.value, self.value(value_node, (*path, key_node.value))

    def place(self, node: yaml.Node) -> Place:
        return Place(self.document.name, node.start_mark.line + 1 if self.lines else None)


def write_yaml(data: object) -> str:
    """Plain data as YAML that `read_yaml` reads back unchanged, keys in their order."""
    return yaml.dump(data, Dumper=_CoreDumper, sort_keys=False, allow_unicode=True, width=100)


class _CoreDumper(yaml.SafeDumper):
    """SafeDumper that quotes just what the core schema would not read as text."""

    yaml_implicit_resolvers = _CoreLoader.yaml_implicit_resolvers

    def ignore_aliases(self, data: object) -> bool:
        return True
