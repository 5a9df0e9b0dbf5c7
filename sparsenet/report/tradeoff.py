"""Accuracy against memory of the networks of a search, each of them a point to ask about.

The drawing is whole without a script; report.js shows a point's `Details` beside it. They are not
in the drawing but in the page's data, in the order of `data-i`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sparsenet.report.axes import Frame, Point, Scale, log_padded, note, padded, polyline, segment
from sparsenet.report.html import Html, element, joined, text
from sparsenet.results.words import kib, with_sign

Kind = Literal["start", "accepted", "rejected"]
Split = Literal["val", "test"]

WIDTH, HEIGHT = 720.0, 440.0
LEFT, TOP, BELOW = 68.0, 34.0, 66.0
SPLITS: dict[Split, str] = {"val": "validation", "test": "test"}


@dataclass(frozen=True)
class Details:
    """What is said of a point: a title, names with values, and texts to copy with their names."""

    title: str
    facts: Sequence[tuple[str, str]]
    copied: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Network:
    """A point. `chosen` is the one a reader looks for first."""

    kind: Kind
    bytes: int | None
    val: float | None
    test: float | None
    details: Details
    chosen: bool = False

    @property
    def kib(self) -> float:
        """Its memory, 0 where it is not known."""
        return (self.bytes or 0) / 1024

    def accuracy(self, split: Split) -> float | None:
        """On validation or test; None where there is no place for it on the logarithmic scale."""
        if not self.bytes:
            return None
        return self.val if split == "val" else self.test


def details_data(networks: Sequence[Network]) -> list[dict[str, object]]:
    """The details as plain data for the page's script."""
    return [vars(network.details) for network in networks]


def tradeoff(networks: Sequence[Network]) -> Html:
    """The figure: a drawing each for validation and test where measured, with a switch.

    Without any accuracy there is nothing to draw, which is said.
    """
    drawn = [split for split in SPLITS if any(n.accuracy(split) is not None for n in networks)]
    if not drawn:
        return element("p", text("No accuracy was measured: there is no curve."))
    plots = [_plot(networks, split) for split in drawn]
    switch = [_switch(split, checked=split == drawn[0]) for split in drawn]
    parts = [*(part for pair in switch for part in pair)] if len(drawn) > 1 else []
    return element("div", joined([*parts, *plots, _legend(), _tip()]), class_="tradeoff")


def _switch(split: Split, *, checked: bool) -> tuple[Html, Html]:
    keys = {"type": "radio", "name": "split", "class_": f"switch {split}"}
    name = f"show-{split}"
    label = element("label", text(f"{SPLITS[split]} accuracy"), for_=name)
    return element("input", id=name, checked=checked, **keys), label


def _plot(networks: Sequence[Network], split: Split) -> Html:
    shown = {i: n for i, n in enumerate(networks) if n.accuracy(split) is not None}
    frame = _frame(list(shown.values()), split)
    places = {
        i: (frame.x(n.kib), frame.y(100 * (n.accuracy(split) or 0))) for i, n in shown.items()
    }
    stop = next((i for i, n in shown.items() if n.chosen), next(iter(shown)))
    body = [frame.axes(), _path(networks, places)]
    # What is drawn later lies above.
    for kind in ("rejected", "accepted", "start"):
        body += [
            _point(n, i, places[i], split, stop=i == stop)
            for i, n in shown.items()
            if n.kind == kind
        ]
    body += _reference(networks, split, frame)
    words = f"Accuracy on {SPLITS[split]} against memory; the arrow keys go from point to point"
    box = f"0 0 {WIDTH:g} {HEIGHT:g}"
    drawing = element("svg", joined(body), role="group", aria_label=words, viewBox=box)
    return element(
        "div", drawing, *_left_out(len(networks) - len(shown), split), class_=_kind(split)
    )


def _kind(split: Split) -> str:
    return f"plot {split}"


def _frame(shown: Sequence[Network], split: Split) -> Frame:
    x_range = log_padded([network.kib for network in shown])
    y_range = padded([100 * (network.accuracy(split) or 0) for network in shown], least=1.0)
    x = Scale(*x_range, begin=LEFT, end=WIDTH - 16, log=True)
    y = Scale(*y_range, begin=HEIGHT - BELOW, end=TOP)
    name = f"{SPLITS[split]} accuracy, %"
    return Frame(x, y, "memory in the best formats, KiB (logarithmic)", name)


def _left_out(count: int, split: Split) -> list[Html]:
    """What is not in the drawing, in words."""
    if not count:
        return []
    words = f"Not shown, without an accuracy on {SPLITS[split]} or any byte: {count}."
    return [element("p", text(words), class_="small")]


def _reference(networks: Sequence[Network], split: Split, frame: Frame) -> list[Html]:
    """A line across at the accuracy of the start, and on validation one a point below."""
    start = next((n.accuracy(split) for n in networks if n.kind == "start"), None)
    if start is None:
        return []
    levels = [(100 * start, "the start")]
    if split == "val":
        levels.append((100 * start - 1, "1 point below"))
    marks = []
    for level, words in levels:
        if frame.y.low <= level <= frame.y.high:
            at = frame.y(level)
            marks.append(segment((frame.x.begin, at), (frame.x.end, at), "reference"))
            marks.append(note(words, frame.x.begin + 6, at - 5))
    return [element("g", joined(marks), class_="references", aria_hidden="true")]


def _path(networks: Sequence[Network], places: dict[int, Point]) -> Html:
    """A line through what was accepted, in the order of the search."""
    taken = [i for i, n in enumerate(networks) if n.kind != "rejected" and i in places]
    return polyline([places[i] for i in taken], "path")


def _point(network: Network, i: int, place: Point, split: Split, *, stop: bool) -> Html:
    """A point; `stop` is the one that Tab comes to."""
    accuracy = with_sign(network.accuracy(split))
    words = f"{network.details.title}: {kib(network.bytes)} KiB, {accuracy} on {SPLITS[split]}"
    return element(
        "circle",
        cx=place[0],
        cy=place[1],
        r=4 if network.kind == "rejected" else 5,
        data_i=i,
        tabindex=0 if stop else -1,
        role="button",
        aria_label=words,
        class_=f"point {network.kind}{' chosen' * network.chosen}",
    )


def _legend() -> Html:
    kinds = {
        "start": "the start",
        "accepted": "accepted",
        "rejected": "tried, not accepted",
        "chosen": "smallest within 1 point of the start on validation",
    }
    return element("ul", *(_entry(kind, words) for kind, words in kinds.items()), class_="legend")


def _entry(kind: str, words: str) -> Html:
    point = element("circle", cx=8, cy=8, r=5, class_=f"point {kind}")
    mark = element("svg", point, viewBox="0 0 16 16", aria_hidden="true")
    return element("li", mark, text(f" {words}"))


def _tip() -> Html:
    """Where report.js says what it knows of a point."""
    body = [
        element("strong"),
        element("dl"),
        element("div", class_="copied"),
        element("p", role="status", class_="small said"),
    ]
    return element("div", *body, class_="tip", id="tip", hidden=True)
