"""Strict YAML with line numbers, and `--set` overrides merged over it.

The scalars are YAML 1.2's core schema, not PyYAML's 1.1: `1e-4` is a number, `no` and `on` are
texts, `010` is ten, `1:30` a text. A repeated key is an error, and every key knows its line.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sparsenet.errors import ConfigError, Problem, nearest
from sparsenet.record import KeyPath, shown

MAX_NODES = 100_000
MAX_BYTES = 4 * 2**20


class _CoreLoader(yaml.SafeLoader):
    """SafeLoader whose plain scalars are resolved by YAML 1.2's core schema."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}


_RESOLVERS = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+0123456789."),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "-+."),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
)
for _name, _pattern, _first in _RESOLVERS:
    _CoreLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_name}", re.compile(rf"^(?:{_pattern})$"), list(_first)
    )


_CoreLoader.add_constructor("tag:yaml.org,2002:int", lambda _, node: int(node.value))


@dataclass
class Document:
    """Plain data, and where each key path in it was written: `file:line` or `--set ...`."""

    name: str
    data: Any
    places: dict[KeyPath, str] = field(default_factory=dict)

    def place(self, path: KeyPath) -> str:
        """Where the key at `path`, or else the nearest key above it, was written."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return self.name

    def problem(self, path: KeyPath, message: str) -> Problem:
        """A problem with the value at `path`, placed and named as the user wrote it."""
        return Problem(self.place(path), self.key_text(path), message)

    def key_text(self, path: KeyPath) -> str:
        """A key path as `--set` takes it; list items go by their `name` where they have one."""
        words, node = [], self.data
        for part in path:
            node = _child(node, part)
            named = isinstance(part, int) and isinstance(node, dict)
            words.append(str(node.get("name", part) if named else part))
        return ".".join(words)

    def graft(self, path: KeyPath, other: Document) -> None:
        """Put another document's data at `path`, keeping the places of both."""
        self.data[path[0]] = other.data
        self.places.update({(*path, *sub): place for sub, place in other.places.items()})


def _child(node: object, part: str | int) -> Any:
    if isinstance(node, dict):
        return node.get(part)
    if isinstance(node, list) and isinstance(part, int) and part < len(node):
        return node[part]
    return None


def read_yaml(path: Path) -> Document:
    """Read one YAML file whose top is a mapping.

    Raises ConfigError: unreadable file, not UTF-8, larger than 4 MiB or 100,000 values, broken
    syntax, repeated keys (all of them), keys that are not texts.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(Problem(str(path), "", f"is larger than {MAX_BYTES} bytes"))
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        raise ConfigError(Problem(str(path), "", f"cannot be read: {reason}")) from None
    document = _parse(text, str(path))
    if not isinstance(document.data, dict):
        message = f"must be a mapping of keys to values, not {shown(document.data)}"
        raise ConfigError(Problem(str(path), "", message))
    return document


def _parse(text: str, name: str) -> Document:
    try:
        loader = _CoreLoader(text)
        node = loader.get_single_node()
        if node is None:
            return Document(name, None)
        walk = _Walk(loader, name)
        data = walk.value(node, ())
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(Problem(name + line, "", f"not YAML: {error.problem}")) from None
    except yaml.YAMLError as error:
        first = str(error).splitlines()[0]
        raise ConfigError(Problem(name, "", f"not YAML: {first}")) from None
    except RecursionError:
        raise ConfigError(Problem(name, "", "not YAML: nested too deeply")) from None
    if walk.problems:
        raise ConfigError(walk.problems)
    return Document(name, data, walk.places)


class _Walk:
    """Builds plain data from YAML nodes, noting each key's line and every repeated key."""

    def __init__(self, loader: _CoreLoader, name: str) -> None:
        self.loader, self.name = loader, name
        self.places: dict[KeyPath, str] = {}
        self.problems: list[Problem] = []
        self.count = 0

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        # An alias repeats its node here, so nested aliases multiply: the count bounds them.
        self.count += 1
        if self.count > MAX_NODES:
            raise yaml.YAMLError(f"more than {MAX_NODES} values")
        self.places.setdefault(path, f"{self.name}:{node.start_mark.line + 1}")
        if isinstance(node, yaml.MappingNode):
            return dict(self.items(node, path))
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, i)) for i, item in enumerate(node.value)]
        return self.loader.construct_object(node, deep=True)

    def items(self, node: yaml.MappingNode, path: KeyPath) -> Iterator[tuple[str, Any]]:
        lines: dict[Hashable, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = self.loader.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                self.report(line, path, f"the key {shown(key)} is not a text")
                continue
            here = (*path, key)
            if key in lines:
                self.report(line, here, f"repeated key, first given in line {lines[key]}{_HINT}")
                continue
            lines[key] = line
            self.places[here] = f"{self.name}:{line}"
            yield key, self.value(value_node, here)

    def report(self, line: int, path: KeyPath, message: str) -> None:
        key = ".".join(str(part) for part in path)
        self.problems.append(Problem(f"{self.name}:{line}", key, message))


_HINT = "; several values are written as a list, [a, b]"


def merge_overrides(document: Document, overrides: Iterable[str]) -> None:
    """Set `KEY.PATH=VALUE` arguments over the document: the one precedence rule is that they win.

    A part of the path that meets a list picks the items with that `name`, or the item with that
    number. Missing mappings on the way are made. VALUE is read as YAML. Raises ConfigError.
    """
    problems: list[Problem] = []
    for argument in overrides:
        key, equals, text = argument.partition("=")
        place = f"--set {argument}"
        if not equals or not all(key.split(".")):
            problems.append(Problem(place, "", "must be KEY.PATH=VALUE"))
            continue
        try:
            value = _parse(text, place).data
        except ConfigError as error:
            problems.extend(error.problems)
            continue
        problems.extend(_set(document, document.data, (), key.split("."), value, place))
    if problems:
        raise ConfigError(problems)


def _set(
    document: Document, node: Any, path: KeyPath, parts: list[str], value: Any, place: str
) -> list[Problem]:
    part, rest = parts[0], parts[1:]
    if isinstance(node, list):
        found = _items_called(node, part)
        if not found:
            names = [str(item.get("name", i)) for i, item in enumerate(node) if _is_map(item)]
            words = f"no item '{part}' in {document.key_text(path)}{nearest(part, names)}"
            return [Problem(place, "", words)]
        keys: list[str | int] = list(found)
    elif isinstance(node, dict):
        keys = [part]
        if rest and node.get(part) is None:
            node[part] = {}
    else:
        words = f"{document.key_text(path)} is {shown(node)}, which has no keys"
        return [Problem(place, "", words)]
    problems: list[Problem] = []
    for at in keys:
        if rest:
            problems += _set(document, node[at], (*path, at), rest, value, place)
        else:
            node[at] = value
            _replace_places(document, (*path, at), place)
    return problems


def _items_called(items: list[Any], part: str) -> list[int]:
    named = [i for i, item in enumerate(items) if _is_map(item) and item.get("name") == part]
    if named or not part.isdigit() or int(part) >= len(items):
        return named
    return [int(part)]


def _is_map(item: object) -> bool:
    return isinstance(item, dict)


def _replace_places(document: Document, path: KeyPath, place: str) -> None:
    below = [known for known in document.places if known[: len(path)] == path]
    for known in below:
        del document.places[known]
    document.places[path] = place


def write_yaml(data: object) -> str:
    """Plain data as YAML that `read_yaml` reads back unchanged, keys in their order."""
    return yaml.dump(data, Dumper=_CoreDumper, sort_keys=False, allow_unicode=True, width=100)


class _CoreDumper(yaml.SafeDumper):
    """SafeDumper that quotes just what the core schema would not read as text."""

    yaml_implicit_resolvers = _CoreLoader.yaml_implicit_resolvers

    def ignore_aliases(self, data: object) -> bool:
        return True
