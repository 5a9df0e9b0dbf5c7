"""`--set KEY.PATH=VALUE` over a document: the one precedence rule is that they win."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from sparsenet.config.document import Document, Place
from sparsenet.config.read import parse_yaml
from sparsenet.errors import suggested
from sparsenet.record import KeyPath
from sparsenet.record_words import shown


def merge_overrides(document: Document, overrides: Iterable[str]) -> None:
    """Set `KEY.PATH=VALUE` arguments over the document, noting in it what is wrong with them.

    A part of the path that meets a list picks the items with that `name`, or the item with that
    number. Missing mappings on the way are made. VALUE is read as YAML.
    """
    for argument in overrides:
        _merge(document, argument)


def _merge(document: Document, argument: str) -> None:
    key, equals, text = argument.partition("=")
    place = Place(f"--set {argument}")
    parts = key.split(".")
    document.sources.append(place.name)
    if not equals or not all(parts):
        document.report((), "must be KEY.PATH=VALUE", place)
        return
    value = parse_yaml(text, place.name, lines=False)
    document.problems += [(at, (*parts, *below), words) for at, below, words in value.problems]
    if not value.problems:
        _Setting(document, place, value.data).put(document.data, (), parts)


class _Setting:
    """One value on its way to the keys that one argument names."""

    def __init__(self, document: Document, place: Place, value: object) -> None:
        self.document, self.place, self.value = document, place, value

    def put(self, node: Any, path: KeyPath, parts: list[str]) -> None:
        """Put the value below `node`, which lies at `path`, at the keys `parts`."""
        part, *rest = parts
        for key in self.keys(node, path, part):
            here = (*path, key)
            if not rest:
                node[key] = copy.deepcopy(self.value)
                self.document.replace(here, self.place)
                continue
            if isinstance(node, dict) and node.get(key) is None:
                node[key] = {}
                self.document.replace(here, self.place)
            self.put(node[key], here, rest)

    def keys(self, node: Any, path: KeyPath, part: str) -> list[str | int]:
        """The keys or indices of `node` that `part` names; none, and a problem, where it cannot."""
        if isinstance(node, dict):
            return [part]
        if not isinstance(node, list):
            self.document.report(path, f"{shown(node)} has no keys", self.place)
            return []
        named = {i: item.get("name") for i, item in enumerate(node) if isinstance(item, dict)}
        found: list[str | int] = [i for i, name in named.items() if name == part]
        if not found and part.isdecimal() and int(part) < len(node):
            found = [int(part)]
        if not found:
            names = [name for name in named.values() if isinstance(name, str)]
            words = f"has no item {part!r}{suggested(part, names)}"
            self.document.report(path, words, self.place)
        return found
