"""The errors a user can cause, all at once and each on one line.

SparsenetError(Exception)        one clear line, or one a fault; exit code 1 of the command line
├── ConfigError                  problems of configuration or usage; exit code 2
└── (each module's own: DataError, CheckpointError, RunFolderError, NonFiniteError)
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class SparsenetError(Exception):
    """An error whose message is meant for the user, not a defect of this program."""

    exit_code = 1


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a configuration: `where: key: message`, always a single line.

    `where` is `file:line`, a `--set` argument, or empty for a usage error without a place.
    """

    where: str
    key: str
    message: str

    def __str__(self) -> str:
        line = ": ".join(part for part in (self.where, self.key, self.message) if part)
        return printable(line)


def printable(text: str) -> str:
    r"""The text with what has no glyph escaped, as `\n` or `\x1b`.

    A key or file name may hold a line break, or a sequence that would steer the terminal.
    """
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


class ConfigError(SparsenetError):
    """Every problem found, each as one line; nothing has been written when it is raised."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem] | Problem | str) -> None:
        if isinstance(problems, str):
            problems = Problem("", "", problems)
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def nearest(name: object, names: Iterable[str]) -> str:
    """`; did you mean 'X'?` for the valid name closest to `name`, or nothing when none is close.

    The first of which `name` is the beginning, up to a `_`, is closest.
    """
    by_fold = {candidate.casefold(): candidate for candidate in names}
    given = str(name)[:100].casefold()
    match = [known for known in by_fold if known.startswith(f"{given}_")]
    match = match or difflib.get_close_matches(given, by_fold, n=1, cutoff=0.6)
    return f"; did you mean {by_fold[match[0]]!r}?" if match else ""


def suggested(name: object, names: Iterable[str]) -> str:
    """As `nearest`, but `; it may be a, b or c` when none is close; nothing when there is none."""
    known = list(names)
    return nearest(name, known) or (f"; it may be {listed(known)}" if known else "")


def listed(names: Iterable[str]) -> str:
    """Names as a sentence lists them: `a, b or c`."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last
