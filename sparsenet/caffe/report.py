"""What an import has to say of the file it reads: what is wrong, and what it did not take over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sparsenet.errors import ConfigError, Problem

_NAMED = 3
"""Layers that a warning names before it only counts the others."""


@dataclass(frozen=True)
class Place:
    """A line of a file, counted from 1; without a line, a binary file."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


@dataclass
class Report:
    """Collects both, and notes that are no loss: what to point a Data layer at.

    It `lacks` something where what is left of the net cannot be checked.
    """

    problems: list[tuple[Place, str, str]] = field(default_factory=list)
    left_out: list[tuple[Place, str, str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lacks: bool = False

    def refuse(self, place: Place, key: str, message: str, *, is_lack: bool = False) -> None:
        """The file cannot be imported for this, without which the rest may be wrong too."""
        self.lacks |= is_lack
        self.problems.append((place, key, message))

    def leave_out(self, place: Place, owner: str, key: str, message: str) -> None:
        """A key of a layer, or of the solver where `owner` is empty, that is not carried over."""
        self.left_out.append((place, owner, key, message))

    def note(self, text: str) -> None:
        """Something to know or to do, once."""
        if text not in self.notes:
            self.notes.append(text)

    def raise_problems(self, others: Iterable[Problem] = ()) -> None:
        """Raise ConfigError with every problem and `others`, file after file and by their lines.

        Returns where there are none.
        """
        problems = [Problem(str(place), *words) for place, *words in self.problems] + [*others]
        places = [problem.where.rpartition(":") for problem in problems]
        ranks = {file: rank for rank, file in enumerate(dict.fromkeys(it[0] for it in places))}
        order = [(ranks[file], int(line) if line.isdigit() else 0) for file, _, line in places]
        if problems:
            ordered = sorted(zip(order, problems, strict=True), key=lambda it: it[0])
            raise ConfigError([problem for _, problem in ordered])

    def warnings(self) -> list[str]:
        """A line for all that was left out for one reason, with the place of its first."""
        alike: dict[tuple[str, str, str], list[tuple[Place, str]]] = {}
        for place, owner, key, message in self.left_out:
            alike.setdefault((place.file, key, message), []).append((place, owner))
        return [
            str(Problem(str(found[0][0]), _owners(owner for _, owner in found), words))
            for (_, key, message), found in alike.items()
            for words in (f"{key}: {message}" if key else message,)
        ]


def _owners(names: Iterable[str]) -> str:
    """Layers in a line: `conv1, conv2, conv3 and 3 more`."""
    different = [name for name in dict.fromkeys(names) if name]
    more = f" and {len(different) - _NAMED} more" if len(different) > _NAMED else ""
    return ", ".join(different[:_NAMED]) + more
