"""How sparse a network is to become: a number of nonzeros, a density, a ratio, or bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from sparsenet.amounts import percentage
from sparsenet.errors import ConfigError
from sparsenet.storage.accounting import ModelMemory
from sparsenet.storage.report import human_bytes

_UNITS = {"": 1, "B": 1, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_SIZE = r"(\d{1,15}(?:\.\d{1,6})?)\s?(B|KiB|MiB|GiB)?"


@dataclass(frozen=True)
class Size:
    """How many nonzero weights a net has, of how many, and what it takes.

    `bytes` are those of the best formats, biases included, and `dense` those of the dense net.
    """

    nonzeros: int
    weights: int
    bytes: int
    dense: int

    @classmethod
    def of(cls, memory: ModelMemory) -> Size:
        """The size of a net."""
        weights, total = memory.weights, memory.total
        return cls(weights.nonzeros, weights.params, total.bytes["best"], total.bytes["dense"])

    def words(self) -> str:
        """As one reads it."""
        return f"{self.nonzeros:,} nonzero weights and {human_bytes(self.bytes)}"


@dataclass(frozen=True)
class Target:
    """Met by a net of at most so many `nonzeros`, or `bytes`; exactly one of the two is given.

    Where it is of a file, the bytes are those of the file, and its `description` takes so many.
    """

    flag: str
    nonzeros: int | None = None
    bytes: int | None = None
    description: int = 0
    is_file: bool = False

    def met(self, size: Size) -> bool:
        """Whether a net is small enough."""
        if self.nonzeros is not None:
            return size.nonzeros <= self.nonzeros
        return size.bytes + self.description <= (self.bytes or 0)


def target_of(given: Mapping[str, str | None], dense: Size) -> Target:
    """The target of the flags --nonzeros, --density, --ratio and --budget, of which one is given.

    Raises ConfigError where none or several are, or the value is none.
    """
    chosen = {flag: value for flag, value in given.items() if value is not None}
    if not chosen:
        raise ConfigError(f"give one of {', '.join(f'--{flag}' for flag in given)}")
    if len(chosen) > 1:
        flags = " and ".join(f"--{flag}" for flag in chosen)
        raise ConfigError(f"{flags} exclude each other")
    [(flag, value)] = chosen.items()
    text = f"--{flag} {value}"
    if flag == "nonzeros":
        return Target(text, nonzeros=_whole(text, value))
    if flag == "density":
        return Target(text, nonzeros=_share(text, value, dense.weights))
    if flag == "ratio":
        return Target(text, bytes=int(dense.dense / _positive(text, value)))
    return Target(text, bytes=size_in_bytes(text, value), is_file=True)


def size_in_bytes(flag: str, text: str) -> int:
    """The bytes that `64KiB` and the like mean. Raises ConfigError."""
    match = re.fullmatch(_SIZE, text, re.IGNORECASE)
    if match is None:
        raise ConfigError(f"{flag}: is not a size such as 64KiB, 1.5MiB or 65536")
    return int(float(match[1]) * _UNITS[(match[2] or "").upper()])


def _whole(flag: str, text: str) -> int:
    if not re.fullmatch(r"\d{1,15}", text) or int(text) == 0:
        raise ConfigError(f"{flag}: is not a whole number from 1")
    return int(text)


def _share(flag: str, text: str, weights: int) -> int:
    share = percentage(text)
    if share is None or not 0 < share <= 1:
        raise ConfigError(f"{flag}: is not a percentage above 0% and at most 100%, such as 5%")
    return int(share * weights)


def _positive(flag: str, text: str) -> Fraction:
    if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text) or Fraction(text) < 1:
        raise ConfigError(f"{flag}: is not a number from 1, such as 10")
    return Fraction(text)
