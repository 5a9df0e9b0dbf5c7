"""Which way a net is computed in, as it was measured once on this machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sparsenet.data.locations import cache_folder
from sparsenet.data.raw import DataError
from sparsenet.files import FileError, write_text


@dataclass(frozen=True)
class Choice:
    """The whole net as a program for `group` images at a time, or None: torch, layer by layer.

    `methods` are of the layers with weights; `milliseconds` what was measured, by candidate.
    """

    group: int | None
    methods: Mapping[str, str]
    milliseconds: Mapping[str, float] = field(default_factory=dict)


def key_of(*parts: object) -> str:
    """A name for a choice, of all that it depends on, which JSON can say."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def stored_choice(
    key: str, groups: Collection[int], allowed: Mapping[str, Collection[str]]
) -> Choice | None:
    """The choice in the cache; None where there is none, or none of what can be chosen now."""
    path = _path(key)
    if path is None:
        return None
    try:
        found = json.loads(path.read_text("utf-8"))
        choice = Choice(found["group"], found["methods"], found["milliseconds"])
        methods = {layer: choice.methods[layer] in ways for layer, ways in allowed.items()}
        is_one = len(choice.methods) == len(allowed) and all(methods.values())
        known = choice.group is None or (type(choice.group) is int and choice.group in groups)
        return choice if is_one and known else None
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return None


def store_choice(key: str, choice: Choice) -> None:
    """Keep a choice; where the cache cannot be written it is measured again another time."""
    if path := _path(key):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, json.dumps(asdict(choice), indent=1) + "\n")
        except (OSError, FileError):
            return


def _path(key: str) -> Path | None:
    try:
        return cache_folder() / "autotune" / f"{key}.json"
    except DataError:  # no home folder
        return None
