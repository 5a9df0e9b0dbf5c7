"""Which channels of a net can go, filters being zero, and why the others stay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sparsenet.config.net import NetConfig
from sparsenet.shrinking.channels import Channels, Limit, Row
from sparsenet.shrinking.zeros import Zeros


@dataclass(frozen=True)
class Kept:
    """Pruned filters of a layer that stay in the net as zeros, how many, and why."""

    layer: str
    filters: int
    why: str


@dataclass(frozen=True)
class Plan:
    """What goes: `removed` are the roots of channels, `filters` how many outputs by layer.

    Layers that lose none and have no pruned one are not among `filters`. `silent` are
    the places, by tensor name, that are zero in the net that the smaller one equals, `kept` the
    pruned filters that stay.
    """

    channels: Channels
    removed: frozenset[int]
    silent: dict[str, tuple[int, ...]]
    filters: dict[str, int]
    kept: tuple[Kept, ...]

    @property
    def outputs(self) -> int:
        """How many filters there were in the layers of `filters`."""
        return sum(len(self.channels.weights[name].outputs) for name in self.filters)

    def left(self, row: Row) -> list[int]:
        """The places of a row whose channels stay."""
        root = self.channels.root
        return [place for place, each in enumerate(row) if root(each) not in self.removed]


def plan_removal(net: NetConfig, pruned: Mapping[str, Collection[int]]) -> Plan:
    """What can be removed from a checked net of which these filters, by layer, have no weights.

    A channel goes where every weight that reads it reads zeros, and nothing takes it together with
    others. One of each layer stays, and groups of a convolution lose equally many.
    """
    channels, zeros = Channels(net), Zeros(net, pruned)
    reasons = _reasons(channels, zeros)
    removed = channels.roots - reasons.keys()
    _settle(channels, removed, reasons)
    kept: Counter[tuple[str, str]] = Counter()
    filters = {}
    for name, weight in channels.weights.items():
        roots = [channels.root(channel) for channel in weight.outputs]
        gone = sum(root in removed for root in roots)
        if gone or pruned.get(name):
            filters[name] = gone
        stays = (roots[place] for place in sorted(pruned.get(name, ())))
        kept.update((name, reasons[root]) for root in stays if root not in removed)
    return Plan(
        channels,
        frozenset(removed),
        {name: tuple(sorted(places)) for name, places in zeros.silent.items()},
        filters,
        tuple(Kept(layer, count, why) for (layer, why), count in kept.items()),
    )


def _reasons(channels: Channels, zeros: Zeros) -> dict[int, str]:
    """Why a root cannot go, for those that cannot: the most telling of several reasons."""
    read_alive: dict[int, str] = {}
    changed: dict[int, str] = {}
    for read in channels.reads:
        states = zeros.read[read.phase, read.index]
        for channel, state in zip(read.channels, states, strict=True):
            if state:
                changed.setdefault(channels.root(channel), state)
            elif state is not None:
                why = f"{read.layer!r} reads it where it is not zero"
                read_alive.setdefault(channels.root(channel), why)
    pinned: dict[int, str] = {}
    for channel, why in channels.pinned.items():
        pinned.setdefault(channels.root(channel), why)
    return read_alive | changed | pinned


def _settle(channels: Channels, removed: set[int], reasons: dict[int, str]) -> None:
    """Put back, the last ones first, what the limits keep, until all of them are met.

    What is put back for one limit may break another; each round removes less, so there is an end.
    """
    broken = True
    while broken:
        broken = False
        for limit in channels.limits:
            for root in _too_many(limit, channels, removed):
                removed.discard(root)
                reasons.setdefault(root, limit.why)
                broken = True


def _too_many(limit: Limit, channels: Channels, removed: set[int]) -> list[int]:
    """The roots of which a limit wants fewer removed."""
    gone = [[root for root in map(channels.root, row) if root in removed] for row in limit.rows]
    most = [min(len(own), len(row) - 1) for own, row in zip(gone, limit.rows, strict=True)]
    if limit.alike:
        most = [min(most)] * len(most)
    return [root for own, count in zip(gone, most, strict=True) for root in own[count:]]
