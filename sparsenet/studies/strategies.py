"""How a search goes from a network to a sparser one: what it trains, and which it keeps.

Each strategy is a class with `@register` above it; a new one is then known to `search --strategy`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import ClassVar, Protocol, TypeVar

from sparsenet.storage.accounting import spread
from sparsenet.trials.result import Result
from sparsenet.trials.trial import Trial

Counts = dict[str, int]


@dataclass(frozen=True)
class Found:
    """A candidate and what it came to: `counts` is t by layer, `layer` the one that was cut."""

    trial: Trial
    counts: Counts
    layer: str
    result: Result

    @property
    def accuracy(self) -> float:
        """On the validation samples; of a network that diverged less than any other."""
        known = self.result.accuracy.get("VAL")
        return -1.0 if known is None else known


class Search(Protocol):
    """What a strategy asks of the search that it serves."""

    shapes: Mapping[str, tuple[int, ...]]
    """The weights' shape of each layer that is searched over, in the net's order."""
    sizes: Counts
    """How many weights each of them learns."""

    def train(
        self, start: Found, cuts: Sequence[tuple[str, Counts]], *, shared: bool
    ) -> list[Found]:
        """Train a candidate from `start` for each (layer cut, t by layer), several at a time.

        With `shared` the counts are those of one l0 ball over all layers together.
        """


class Strategy(ABC):
    """Finds the next network of a search."""

    name: ClassVar[str]
    help: ClassVar[str]

    def __init__(self, cut: Fraction) -> None:
        """`cut` is the share of nonzeros that a round takes away."""
        self.kept = 1 - cut

    @abstractmethod
    def next(self, search: Search, current: Found) -> Found | None:
        """Train candidates from the current network and return the one to go on from.

        None where no layer has a weight left to lose.
        """

    @abstractmethod
    def fewest(self, counts: Counts) -> int:
        """How many candidates a round from these counts trains at the least."""

    def usual(self, counts: Counts) -> Counts:
        """The counts after a round, as far as can be told: the largest layer loses the most."""
        largest = max(counts, key=counts.__getitem__)
        return counts | {largest: self.cut(counts[largest])}

    def cut(self, count: int) -> int:
        """floor((1 - cut) * count), but at least one weight."""
        return max(1, int(self.kept * count))


S = TypeVar("S", bound=Strategy)
STRATEGIES: dict[str, type[Strategy]] = {}


def register(kind: type[S]) -> type[S]:
    """Make a strategy known by its name."""
    STRATEGIES[kind.name] = kind
    return kind


@register
class Greedy(Strategy):
    """Collins & Kohli (2014), section 4.2: one candidate a layer, the best on validation is kept.

    Of equals it keeps the one with fewer nonzeros, then the one whose layer comes first.
    """

    name = "greedy"
    help = "the paper's: a candidate for each layer, and the best is kept"

    def next(self, search: Search, current: Found) -> Found | None:
        """Cut each layer by itself."""
        cuts = self.cuts(current.counts)
        found = search.train(current, list(cuts.items()), shared=False)
        return _best(found)

    def fewest(self, counts: Counts) -> int:
        """One for each layer that can lose a weight."""
        return len(self.cuts(counts))

    def cuts(self, counts: Counts) -> dict[str, Counts]:
        """By layer the counts with that layer's cut, of those that can lose a weight."""
        smaller = {layer: self.cut(count) for layer, count in counts.items()}
        return {
            layer: counts | {layer: smaller[layer]}
            for layer in counts
            if smaller[layer] < counts[layer]
        }


@register
class Lazy(Greedy):
    """Greedy, with a layer's last gain as a bound on what its next cut can gain.

    A gain is what cutting the layer did to the validation accuracy, hardly ever more than zero, and
    it falls as the layer gets sparser. So the layer with the highest bound is tried first, and
    kept as soon as its new gain is no less than every other bound (Minoux's accelerated greedy
    algorithm). In the first round all layers are tried.
    """

    name = "lazy"
    help = "greedy, but a layer is tried again only where its last gain could be the best"

    def __init__(self, cut: Fraction) -> None:
        super().__init__(cut)
        self._bounds: dict[str, float] = {}

    def next(self, search: Search, current: Found) -> Found | None:
        """Cut layers by falling bound until one is better than the bounds of all others."""
        cuts = self.cuts(current.counts)
        fresh = [layer for layer in cuts if layer not in self._bounds]
        tried = self._tried(search, current, cuts, fresh)
        while cuts:
            best = _best([tried[layer] for layer in cuts if layer in tried])
            rest = [layer for layer in cuts if layer not in tried]
            ahead = max(rest, key=self._bounds.__getitem__, default=None)
            if ahead is None or (best and self._bounds[best.layer] >= self._bounds[ahead]):
                return best
            tried |= self._tried(search, current, cuts, [ahead])
        return None

    def fewest(self, counts: Counts) -> int:
        """One, but in the first round."""
        return 1 if self._bounds else super().fewest(counts)

    def _tried(
        self, search: Search, current: Found, cuts: dict[str, Counts], layers: Sequence[str]
    ) -> dict[str, Found]:
        found = search.train(current, [(layer, cuts[layer]) for layer in layers], shared=False)
        for one in found:
            self._bounds[one.layer] = one.accuracy - current.accuracy
        return {one.layer: one for one in found}


class _Whole(Strategy):
    """One candidate a round, all layers cut at once to (1 - cut) of the nonzeros together."""

    shared: ClassVar[bool] = False

    def next(self, search: Search, current: Found) -> Found | None:
        """Cut the total and spread it over the layers."""
        total = sum(current.counts.values())
        least = len(current.counts)
        if total <= least:
            return None
        sizes = search.sizes
        asked = max(least, int(self.kept * total))
        most = sizes if self.shared else current.counts
        counts = _within(self.spread(asked, search.shapes, sizes), asked, most)
        [found] = search.train(current, [("", counts)], shared=self.shared)
        return found

    def fewest(self, counts: Counts) -> int:
        """One."""
        return 1

    def usual(self, counts: Counts) -> Counts:
        """All are cut."""
        return {layer: self.cut(count) for layer, count in counts.items()}

    def spread(self, total: int, shapes: Mapping[str, tuple[int, ...]], sizes: Counts) -> Counts:
        """The counts of the layers, `total` together, at equal density, some perhaps 0."""
        return dict(zip(sizes, spread(total, list(sizes.values())), strict=True))


@register
class Global(_Whole):
    """One l0 ball over all layers: the largest magnitudes of the whole net stay."""

    name = "global"
    help = "one l0 ball over all layers, which share its weights by magnitude"
    shared = True


@register
class Uniform(_Whole):
    """Every layer at the same density: the paper's baseline."""

    name = "uniform"
    help = "every layer at the same density"


@register
class ErdosRenyiKernel(_Whole):
    """A layer's density in proportion to (n_in + n_out + k_h + k_w) / (n_in n_out k_h k_w).

    Evci et al. (2020), "Rigging the Lottery", section 3; a layer that would have more than all of
    its weights keeps all, and the others share the rest.
    """

    name = "erk"
    help = "density by the Erdos-Renyi-Kernel rule: small layers stay denser"

    def spread(self, total: int, shapes: Mapping[str, tuple[int, ...]], sizes: Counts) -> Counts:
        """The counts of the layers, at most `total` together, some perhaps 0."""
        raw = {layer: Fraction(sum(shape), prod(shape)) for layer, shape in shapes.items()}
        dense: set[str] = set()
        while True:
            left = total - sum(sizes[layer] for layer in dense)
            rest = {layer: raw[layer] * sizes[layer] for layer in sizes if layer not in dense}
            scale = Fraction(left) / sum(rest.values()) if rest else Fraction(0)
            full = {layer for layer in rest if scale * raw[layer] > 1}
            if not full:
                break
            dense |= full
        return {
            layer: sizes[layer] if layer in dense else int(scale * rest[layer]) for layer in sizes
        }


def _best(found: Sequence[Found]) -> Found | None:
    return max(found, key=lambda it: (it.accuracy, -it.result.nonzeros), default=None)


def _within(counts: Counts, total: int, most: Counts) -> Counts:
    """The counts, but each at least one and at most its `most`, and in all at most `total`.

    What the layers that would have none get is taken from the largest.
    """
    kept = {layer: max(1, min(count, most[layer])) for layer, count in counts.items()}
    while (excess := sum(kept.values()) - total) > 0:
        largest = max(kept, key=kept.__getitem__)
        kept[largest] = max(1, kept[largest] - excess)
    return kept
