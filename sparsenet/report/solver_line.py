"""How to have a network of a search again: the command, and its counts as in a solver file."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

_PLAIN = re.compile(r"[A-Za-z][\w./-]*", re.ASCII)
_WORDS = {"true", "false", "null"}
"""What YAML's core schema takes for something else than a text."""


def solver_command(solver: str, folder: str, size: int) -> str:
    """The command that writes the solver of the study's network of `size` bytes."""
    words = ["sparsenet", "search", solver, "--output", folder, "--write-solver", str(size)]
    return shlex.join(words)


def regularization_line(counts: Mapping[str, int]) -> str:
    """The t of each layer as a line of a solver file."""
    items = (f"{_key(name)}: {{type: l0, t: {count}}}" for name, count in counts.items())
    return f"regularization: {{{', '.join(items)}}}"


def _key(name: str) -> str:
    """A name as a key within braces, quoted where YAML would read another thing."""
    if _PLAIN.fullmatch(name) and name.lower() not in _WORDS:
        return name
    return f'"{"".join(map(_quoted, name))}"'


def _quoted(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08x}"
