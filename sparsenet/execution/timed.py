"""How long a part of a net took."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timed:
    """Layers that were computed together, how, and in how many seconds."""

    layers: tuple[str, ...]
    method: str
    seconds: float
