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
from sparsenet.record import KeyPath
from sparsenet.record_words import shown

MAX_BYTES = 2**20
MAX_NODES = 100_000
MAX_DEPTH = 50

_TAG = "tag:yaml.org,2002:"


def _whole(text: str) -> int:
    if len(text) > 30 or abs(int(text)) >= 2**63:
        raise ValueError("too large; whole numbers end at 2^63")
    return int(text)


def _decimal(text: str) -> float:
    return float(text.replace(".", "") if text[-1] in "fFnN" else text)


# In this order: what looks like a whole number is one.
_SCALARS: dict[str, tuple[str, Callable[[str], object]]] = {
    "bool": (r"true|True|TRUE|false|False|FALSE", lambda text: text.lower() == "true"),
    "int": (r"[-+]?[0-9]+", _whole),
    "float": (
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        _decimal,
    ),
    "null": (r"~|null|Null|NULL|", lambda _: None),
    "str": (r"(?s:.*)", str),
}


class _CoreLoader(yaml.SafeLoader):
    """SafeLoader whose plain scalars are resolved by YAML 1.2's core schema."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}


for _kind, (_pattern, _) in _SCALARS.items():
    if _kind != "str":
        _CoreLoader.add_implicit_resolver(_TAG + _kind, re.compile(rf"(?:{_pattern})\Z"), None)


def read_yaml(path: Path) -> Document:
    """Read one YAML file whose top is a mapping; what is wrong with it is noted in the document.

    Values of foreign types are None, of repeated keys the first counts. A file that cannot be read
    at all is empty and spoiled: no such file, not UTF-8, larger than 1 MiB or 100,000 values,
    nested deeper than 50, broken syntax.
    """
    document = Document(str(path), {})
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        document.spoil((), "not UTF-8 text", Place(document.name, line))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        document.spoil((), f"cannot be read: {reason}")
    else:
        if len(content) > MAX_BYTES:
            document.spoil((), "is larger than 1 MiB")
        else:
            document = parse_yaml(text, str(path))
    if not isinstance(document.data, dict):
        words = "is empty" if document.data is None else f"is {shown(document.data)}"
        document.spoil((), f"{words}; a mapping of keys to values is needed")
        document.data = {}
    return document


def parse_yaml(text: str, name: str, lines: bool = True) -> Document:
    """YAML text as a document called `name`, its places with or without `lines`.

    As `read_yaml` for what is wrong with it, but the top may be any value.
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
        words = _syntax_words(error)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        words = f"the character {chr(error.character)!r} is not allowed"
    except (RecursionError, yaml.YAMLError) as error:
        words = str(error) if isinstance(error, yaml.YAMLError) else "nested too deeply"
    spoiled = Document(name, {})
    spoiled.spoil((), f"not YAML: {words}", Place(name, line if lines else None))
    return spoiled


def _syntax_words(error: yaml.MarkedYAMLError) -> str:
    """What PyYAML found and while doing what, with the line that began in where it is another."""
    if "'\\t'" in str(error.problem):
        return "a tab, where YAML takes only spaces"
    context = error.context or ""
    begin, end = error.context_mark, error.problem_mark
    if begin is not None and end is not None and begin.line != end.line:
        context += f" from line {begin.line + 1} on"
    return ", ".join(part for part in (context, error.problem) if part)


class _Walk:
    """Builds plain data from YAML nodes, noting each key's line and what is wrong with it."""

    def __init__(self, document: Document, lines: bool) -> None:
        self.document, self.lines = document, lines
        self.count = 0

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        # An alias repeats its node here, so nested aliases multiply: the count bounds them.
        self.count += 1
        if self.count > MAX_NODES:
            raise yaml.YAMLError(f"more than {MAX_NODES:,} values")
        if len(path) > MAX_DEPTH:
            raise yaml.YAMLError("nested too deeply")
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
        pattern, convert = _SCALARS[kind]
        try:
            if re.fullmatch(pattern, node.value):
                return convert(node.value)
            words = f"{shown(node.value)} is not what its tag !!{kind} says"
        except ValueError as error:
            words = f"{node.value[:60]} is {error}"
        self.document.spoil(path, words, self.place(node))
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
    return yaml.dump(data, Dumper=CoreDumper, sort_keys=False, allow_unicode=True, width=100)


class CoreDumper(yaml.SafeDumper):
    """SafeDumper that quotes just what the core schema would not read as text."""

    yaml_implicit_resolvers = _CoreLoader.yaml_implicit_resolvers

    def ignore_aliases(self, data: object) -> bool:
        """Always: what stands twice in the data is written twice."""
        return True

    def represent_text(self, text: str) -> yaml.ScalarNode:
        """A text plain where that reads back as text, else in quotes."""
        # To PyYAML these are line breaks, which only double quotes keep.
        style = '"' if any(c in text for c in "\x85\u2028\u2029") else None
        return self.represent_scalar(f"{_TAG}str", text, style)


CoreDumper.add_representer(str, CoreDumper.represent_text)
