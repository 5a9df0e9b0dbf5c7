"""Plain data that knows where each of its keys was written, and collects what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sparsenet.errors import ConfigError, Problem
from sparsenet.record import KeyPath


class Place(NamedTuple):
    """A line of a file, counted from 1; or, without a line, a file or a `--set` argument."""

    name: str
    line: int | None = None

    def __str__(self) -> str:
        return self.name if self.line is None else f"{self.name}:{self.line}"


@dataclass
class Document:
    """One configuration: data read from files and arguments, and all problems found so far.

    `name` is where it begins, `sources` what was read after that, in order.
    `places` says where the value at a key path was written, `moved` under which key where that is
    another. What lies at or below a `spoiled` key path could not be read, which has been reported:
    it is None in the data, and nothing that follows from that is a problem of its own.
    `origins` says which key paths hold what the file writes at another, and once for several.
    """

    name: str
    data: Any = None
    places: dict[KeyPath, Place] = field(default_factory=dict)
    moved: dict[KeyPath, KeyPath] = field(default_factory=dict)
    spoiled: set[KeyPath] = field(default_factory=set)
    origins: dict[KeyPath, KeyPath] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)
    problems: list[tuple[Place, KeyPath, str]] = field(default_factory=list)

    def at(self, path: KeyPath) -> Any:
        """The value at `path`, None where there is none."""
        node = self.data
        for part in path:
            node = _child(node, part)
        return node

    def place(self, path: KeyPath) -> Place:
        """Where the key at `path`, or else the nearest key above it, was written."""
        known = (path[:length] for length in range(len(path), -1, -1))
        return next((self.places[above] for above in known if above in self.places), self.here)

    @property
    def here(self) -> Place:
        """The document as a whole."""
        return Place(self.name)

    def report(self, path: KeyPath, message: str, place: Place | None = None) -> None:
        """Note a problem with the value at `path`, unless it only follows from a spoiled one."""
        if not self.is_spoiled(path):
            self.problems.append((place or self.place(path), path, message))

    def spoil(self, path: KeyPath, message: str, place: Place | None = None) -> None:
        """Report that the value at `path` cannot be read, and let nothing more be said about it."""
        self.report(path, message, place)
        self.spoiled.add(path)

    def is_spoiled(self, path: KeyPath) -> bool:
        """Whether the value at `path`, or one above it, could not be read."""
        return any(path[:length] in self.spoiled for length in range(len(path) + 1))

    def raise_problems(self) -> None:
        """Raise ConfigError with every problem, source after source and by their lines.

        What is wrong alike with several layers that the file writes once is said of the first.
        """
        ranks = {name: rank for rank, name in enumerate([self.name, *self.sources])}
        ordered = sorted(self.problems, key=lambda it: (ranks[it[0].name], it[0].line or 0))
        first: dict[tuple[Place, KeyPath, str], Problem] = {}
        for at, key, text in ordered:
            line = Problem(str(at), self.key_text(key), text)
            first.setdefault((at, self._origin(key), text), line)
        if first:
            raise ConfigError(list(dict.fromkeys(first.values())))

    def _origin(self, path: KeyPath) -> KeyPath:
        above = (path[:length] for length in range(len(path), 0, -1))
        known = next((prefix for prefix in above if prefix in self.origins), ())
        return (*self.origins.get(known, known), *path[len(known) :])

    def key_text(self, path: KeyPath) -> str:
        """A key path as `--set` takes it; list items go by their `name` where they have one."""
        return ".".join(self._words(path))

    def _words(self, path: KeyPath) -> list[str]:
        above = (path[:length] for length in range(len(path), 0, -1))
        known = next((prefix for prefix in above if prefix in self.moved), None)
        if known is not None:
            path = self.moved[known] + path[len(known) :]
        words, node = [], self.data
        for part in path:
            node = _child(node, part)
            word = str(_name(node, part) if isinstance(part, int) else part)
            words.append(word if len(word) <= 60 else word[:57] + "...")
        return words

    def graft(self, path: KeyPath, other: Document) -> None:
        """Put another document's data at `path`, keeping the places and problems of both."""
        self.sources.append(other.name)
        self.data[path[0]] = other.data
        self.places.update({(*path, *below): place for below, place in other.places.items()})
        self.spoiled.update((*path, *below) for below in other.spoiled)
        for place, key, text in other.problems:
            # What is wrong with the whole file is not a matter of the key that names it.
            self.problems.append((place, (*path, *key) if key else (), text))

    def move(self, path: KeyPath, written: KeyPath) -> None:
        """Note that what lies at `path` was written as the value of the key path `written`."""
        spoiled = self.is_spoiled(written)
        self.replace(path, self.place(written))
        self.moved[path] = written
        if spoiled:
            self.spoiled.add(path)

    def rewrite(self, path: KeyPath, data: Any, origins: dict[KeyPath, KeyPath]) -> None:
        """Put data at `path` that were written elsewhere in the document, as `origins` says.

        The problems noted so far go on to name what lay there by its own names.
        """
        self.problems = [(at, tuple(self._words(key)), text) for at, key, text in self.problems]
        places = {new: self.place(old) for new, old in origins.items()}
        spoiled = {new for new, old in origins.items() if old in self.spoiled}
        for known in [known for known in self.places if known[: len(path)] == path != known]:
            del self.places[known]
        self.spoiled = {known for known in self.spoiled if known[: len(path)] != path} | spoiled
        self.places.update(places)
        self.origins.update(origins)
        self.at(path[:-1])[path[-1]] = data

    def replace(self, path: KeyPath, place: Place) -> None:
        """Note that what lies at `path` is new, and was written at `place`."""
        for known in [known for known in self.places if known[: len(path)] == path]:
            del self.places[known]
        self.places[path] = place


def _child(node: object, part: str | int) -> Any:
    if isinstance(node, dict):
        return node.get(part)
    if isinstance(node, list) and isinstance(part, int) and part < len(node):
        return node[part]
    return None


def _name(item: object, index: int) -> str | int:
    name = item.get("name") if isinstance(item, dict) else None
    return name if name and isinstance(name, str) else index
