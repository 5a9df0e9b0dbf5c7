"""A trial: one configuration with its seed, to be trained and measured once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sparsenet.files import FileError
from sparsenet.layers.base import Phase
from sparsenet.workflows.decimals import plain
from sparsenet.workflows.pruning import Pruning
from sparsenet.workflows.resume import comparable

KEY_DIGITS = 16
_MEASURED: tuple[Phase, ...] = ("VAL", "TEST")


@dataclass(frozen=True)
class Trial:
    """What is trained, from what, and what is done to it before it is measured.

    `data` is a checked, merged configuration. The net begins with the final weights of the trial
    `start`, or those of a file of that path, or fresh; with `members` it is the mean of their nets
    (see `joined`). Without `trains` no update is made. The trained net is pruned as `pruning` says
    and scored on the phases `measured`. `label` names it for the reader.
    """

    data: dict[str, Any]
    start: Trial | Path | None = None
    members: tuple[Trial, ...] = ()
    trains: bool = True
    pruning: Pruning | None = None
    measured: tuple[Phase, ...] = _MEASURED
    label: str = ""

    @cached_property
    def key(self) -> str:
        """The first digits of the SHA-256 of all that the result follows from.

        Two trials of the same key are the same trial. What cannot change a weight does not count:
        where the data lie, how often is displayed, the label. Raises FileError where the file it
        starts from cannot be read.
        """
        parts = {
            "configuration": comparable(self.data),
            "start": _digest_of(self.start),
            "members": [member.key for member in self.members],
            "trains": self.trains,
            "pruning": _pruning_data(self.pruning),
            "measured": self.measured,
        }
        text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:KEY_DIGITS]

    @property
    def needs(self) -> tuple[Trial, ...]:
        """The trials whose weights it is made of, which come before it."""
        return (*([self.start] if isinstance(self.start, Trial) else []), *self.members)

    @property
    def updates(self) -> int:
        """How many updates it is to make."""
        return int(self.data["max_iter"]) if self.trains else 0

    @property
    def seed(self) -> int:
        """Its random_seed."""
        return int(self.data.get("random_seed", 0))


def _digest_of(start: Trial | Path | None) -> str | None:
    if isinstance(start, Trial):
        return start.key
    if start is None:
        return None
    try:
        with start.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise FileError(f"{start}: cannot be read: {error.strerror}") from None


def _pruning_data(pruning: Pruning | None) -> Mapping[str, object] | None:
    if pruning is None:
        return None
    delta = None if pruning.delta is None else plain(pruning.delta)
    return {"delta": delta, "layers": pruning.layers, "counts": dict(pruning.counts)}
