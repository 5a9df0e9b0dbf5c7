"""Where blobs lie in one arena: those that live at the same time beside one another."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sparsenet.program.lowering import ALIGNED
from sparsenet.program.operation import Blob, Operation


@dataclass
class _Room:
    """Blobs in one place, one after another in time: from the first call to the last."""

    size: int
    first: int
    last: int


def placed(
    operations: Sequence[Operation], outside: Collection[Blob]
) -> tuple[dict[Blob, int], int]:
    """The place of every blob and scratch but those outside, in floats, and the arena's size.

    A blob lives from the call that writes it first to the last that reads it. The largest is placed
    first, each at the lowest place where it meets none that lives at the same time (greedy by size:
    Pisarchyk & Lee 2020). What a call writes takes the room of what it reads first where the call
    allows it and nobody reads that later. Beyond the last, a vector may reach.
    """
    rooms = _rooms(operations, outside)
    different = list({id(room): room for room in rooms.values()}.values())
    found: list[tuple[_Room, int]] = []
    for room in sorted(different, key=lambda room: -room.size):
        near = sorted(
            (place, place + other.size)
            for other, place in found
            if other.first <= room.last and room.first <= other.last
        )
        at = 0
        for start, end in near:
            if start - at >= room.size:
                break
            at = max(at, end)
        found.append((room, at))
    by_room = {id(room): place for room, place in found}
    size = max((place + room.size for room, place in found), default=0)
    return {blob: by_room[id(room)] for blob, room in rooms.items()}, size + ALIGNED * (size > 0)


def _rooms(operations: Sequence[Operation], outside: Collection[Blob]) -> dict[Blob, _Room]:
    last_read = {blob: i for i, call in enumerate(operations) for blob in call.reads}
    rooms: dict[Blob, _Room] = {}
    for i, call in enumerate(operations):
        for blob in call.scratch:
            if blob.size:
                rooms[blob] = _Room(_rounded(blob.size), i, i)
        if call.write in outside:
            continue
        last, old = last_read.get(call.write, i), rooms.get(call.reads[0])
        if call.write in rooms:  # a part of it is written already
            continue
        if call.in_place and old and last_read[call.reads[0]] == i and call.write.size <= old.size:
            old.last = max(old.last, last)
            rooms[call.write] = old
        else:
            rooms[call.write] = _Room(_rounded(call.write.size), i, last)
    return rooms


def _rounded(size: int) -> int:
    return -(-size // ALIGNED) * ALIGNED
