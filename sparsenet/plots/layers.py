"""Figure 4 of Collins & Kohli (2014): how the nonzeros of sparse networks lie in their layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from sparsenet.plots.axes import thousands
from sparsenet.plots.rows import Candidate, CannotDrawError, accuracy, in_words, phase_of
from sparsenet.plots.style import FILLS, SMALL, TEXT, new_panels, text_of

_STACKS = 14
"""So many stacks would fit beside each other."""


@dataclass(frozen=True)
class _Layer:
    """A layer, or several that are drawn as one."""

    label: str
    names: tuple[str, ...]
    weights: int

    def nonzeros(self, row: Candidate) -> int:
        return sum(row.counts[name] for name in self.names)


def layers_figure(path: Sequence[Candidate], weights: Mapping[str, int]) -> Figure:
    """Stacks of nonzeros a layer, each at its network's accuracy: counts, and shares of `weights`.

    Of networks whose stacks would overlap some are left out, and how many are shown is said; the
    smallest of many layers are drawn as one. Raises CannotDrawError where there is nothing to draw.
    """
    phase = phase_of(path)
    points = [(100 * value, row) for row in path if (value := accuracy(row, phase)) is not None]
    if not points:
        raise CannotDrawError(f"no accepted network in it has an accuracy on {phase}")
    layers = _layers(path, weights)
    accuracies = [x for x, _ in points]
    middle = (min(accuracies) + max(accuracies)) / 2
    span = max(max(accuracies) - min(accuracies), 1.0)
    width = span / _STACKS
    shown = [points[place] for place in spread(accuracies, 1.15 * width)]
    figure, panels = new_panels(1, 2, 9.6, 4.4)
    counts, shares = panels
    _stack(counts, shown, width, [(layer, 1.0) for layer in layers])
    _stack(shares, shown, width, [(one, 100 / len(layers) / one.weights) for one in layers])
    counts.set_ylabel("nonzero weights", fontsize=TEXT)
    counts.yaxis.set_major_formatter(FuncFormatter(thousands))
    shares.set_ylabel("nonzeros in % of each layer, mean over layers", fontsize=TEXT)
    for axes in panels:
        axes.set_xlim(middle - span / 2 - width, middle + span / 2 + width)
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_xlabel(f"accuracy on {phase} (%)", fontsize=TEXT)
    words = f"{len(shown)} of {in_words(len(path), 'accepted network')} shown"
    apart = ", so that no stack hides another" if len(shown) < len(points) else ""
    counts.set_title(f"{words}{apart}", loc="left", fontsize=SMALL)
    _legend(figure, layers)
    return figure


def spread(values: Sequence[float], gap: float) -> list[int]:
    """Places of values that are at least `gap` apart: the last, the first, then the farthest."""
    chosen: list[int] = []
    left = [len(values) - 1, *range(len(values) - 1)]
    place = left[0]
    distances = dict.fromkeys(left, float("inf"))
    while len(chosen) < len(values) and distances[place] >= gap:
        chosen.append(place)
        for other in left:
            distances[other] = min(distances[other], abs(values[other] - values[place]))
        place = (
            0 if len(chosen) == 1 and distances[0] >= gap else max(left, key=distances.__getitem__)
        )
    return sorted(chosen)


def _layers(path: Sequence[Candidate], weights: Mapping[str, int]) -> list[_Layer]:
    """The layers in the net's order; beyond what fills tell apart the smallest as one, the last."""
    names = [name for name in weights if all(name in row.counts for row in path)]
    if unknown := {name for row in path for name in row.counts} - set(names):
        words = f"layer {min(unknown)[:60]!r} has"
        raise CannotDrawError(f"study.json does not say how many weights {words}")
    if not names:
        raise CannotDrawError("it has no columns of its layers' nonzeros")
    large = sorted(names, key=lambda name: -weights[name])
    small = large[len(FILLS) - 1 :] if len(names) > len(FILLS) else []
    layers = [_Layer(text_of(name), (name,), weights[name]) for name in names if name not in small]
    if small:
        label = f"{len(small)} smaller layers as one"
        layers.append(_Layer(label, tuple(small), sum(weights[name] for name in small)))
    return layers


def _stack(
    axes: Axes,
    points: Sequence[tuple[float, Candidate]],
    width: float,
    layers: Sequence[tuple[_Layer, float]],
) -> None:
    """A stack of boxes for each network, as high as nonzeros times the layer's scale."""
    bottoms = [0.0] * len(points)
    for (layer, scale), fill in zip(layers, FILLS, strict=False):
        heights = [scale * layer.nonzeros(row) for _, row in points]
        axes.bar([x for x, _ in points], heights, width, bottoms, **fill.keys())
        bottoms = [low + high for low, high in zip(bottoms, heights, strict=True)]
    axes.grid(visible=False, axis="x")


def _legend(figure: Figure, layers: Sequence[_Layer]) -> None:
    """The layers in the order of a stack, from its top."""
    entries = [
        (Patch(**fill.keys()), layer.label) for layer, fill in zip(layers, FILLS, strict=False)
    ][::-1]
    figure.legend(
        [patch for patch, _ in entries],
        [label for _, label in entries],
        loc="outside right upper",
        frameon=False,
        fontsize=SMALL,
        handlelength=2.6,
        handleheight=1.4,
    )
