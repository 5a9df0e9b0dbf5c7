"""The records of a net file's templates: `blocks` of layers, and layers that are uses of one."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema

from sparsenet.record import Listed, Record
from sparsenet.record_words import shown

PLACEHOLDER = re.compile(r"\$(\w+)")
"""A text that stands for the value a use gives to a key of its block."""

_KEY = re.compile(r"[A-Za-z_]\w*")
_REPEAT = r"([0-9]{1,6})\.\.([0-9]{1,6})"


def _declared(value: object) -> object:
    """`key`, or `{key: default}` for one that a use may leave out."""
    names = list(value) if isinstance(value, dict) else [value]
    if len(names) != 1 or not isinstance(name := names[0], str):
        raise ValueError(f"{shown(value)} is not a key, nor a key with its default")
    if name in BlockUse.model_fields:
        raise ValueError(f"every use has {name!r} already: choose another name")
    if not _KEY.fullmatch(name):
        raise ValueError(f"{shown(name)} is not a name of letters, digits and _")
    return value


def _span(value: object) -> object:
    match = re.fullmatch(_REPEAT, value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{shown(value)} is not FIRST..LAST, such as 0..8")
    first, last = int(match[1]), int(match[2])
    if last < first:
        raise ValueError(f"{shown(value)} ends before it begins")
    return range(first, last + 1)


Declared = Annotated[
    Any,
    BeforeValidator(_declared),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object", "maxProperties": 1}]}),
]
Span = Annotated[
    Any, BeforeValidator(_span), WithJsonSchema({"type": "string", "pattern": f"^{_REPEAT}$"})
]


class Block(Record):
    """Layers that are used several times, under names and with values that each use gives."""

    keys: Listed[Declared] = Field(
        (),
        description="what a use gives, and `key: default` for what it may leave out; `$key` in the "
        "layers stands for it",
    )
    layers: Listed[dict[str, Any]] = Field(
        min_length=1,
        description="the layers, or uses of other blocks; `$bottom` in a bottom stands for what "
        "the use reads",
    )

    @property
    def defaults(self) -> dict[str, tuple[int, Any] | None]:
        """By key its index in `keys` and its default, None for one that each use must give."""
        return {
            name: (index, key[name]) if isinstance(key, dict) else None
            for index, key in enumerate(self.keys)
            for name in (key if isinstance(key, dict) else [key])
        }


class BlockUse(Record):
    """Stands for the layers of a block, and takes the block's `keys` beside its own."""

    model_config = ConfigDict(extra="allow")

    name: str | None = Field(
        None,
        min_length=1,
        description="its layers are called NAME/LAYER, and NAME is the blob they end with; left "
        "out: they are called as the block calls them",
    )
    block: str = Field(description="the block")
    repeat: Span | None = Field(
        None,
        description="FIRST..LAST: so many one after another, called NAME/FIRST to NAME/LAST",
    )
    bottom: str | None = Field(
        None, description="the blob it reads; left out: the first top of the layer before"
    )

    @property
    def paths(self) -> list[str]:
        """The names of its repetitions; of one that is not repeated its own, maybe nothing."""
        if self.repeat is None:
            return [self.name or ""]
        return [f"{self.name}/{i}" if self.name else str(i) for i in self.repeat]
