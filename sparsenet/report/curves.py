"""The learning curves of a run: loss and accuracy over its updates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sparsenet.report.axes import (
    Frame,
    Point,
    Scale,
    log_padded,
    note,
    padded,
    polyline,
    segment,
)
from sparsenet.report.html import Html, element, joined, text

WIDTH, HEIGHT = 720.0, 300.0
MOST_POINTS = 1000
"""Of a curve; of a longer one every nth point is drawn, and its last."""

_LETTER = 11.5
"""How wide one of a stage's name is where the window is narrow."""

_KINDS = {"TRAIN": "train", "VAL": "val", "TEST": "test"}


@dataclass(frozen=True)
class Chart:
    """Curves of one quantity by phase; `stages` are the updates after which a stage ended.

    `log` is for a logarithmic scale where the values allow it; `low` puts the stages' names at the
    bottom, where a quantity that grows leaves room.
    """

    name: str
    curves: Mapping[str, Sequence[Point]]
    stages: Sequence[tuple[int, str]] = ()
    log: bool = False
    low: bool = False


def chart(content: Chart) -> Html:
    """The drawing; nothing where there is nothing to draw."""
    curves = {phase: points for phase, points in content.curves.items() if points}
    if not curves:
        return Html("")
    frame = _frame(content, curves)
    marks = [frame.axes(), *_stages(content, frame)]
    for phase, points in curves.items():
        places = [(frame.x(x), frame.y(y)) for x, y in thinned(points)]
        marks.append(_curve(places, f"curve {_KINDS[phase]}"))
    marks.append(_key(list(curves)))
    spoken = ", ".join(
        f"{phase} from {p[0][1]:.4g} to {p[-1][1]:.4g}" for phase, p in curves.items()
    )
    words = f"{content.name} over {frame.x.high:,.0f} updates: {spoken}"
    size = f"0 0 {WIDTH:g} {HEIGHT:g}"
    return element("svg", joined(marks), role="img", aria_label=words, viewBox=size)


def thinned(points: Sequence[Point]) -> list[Point]:
    """At most some `MOST_POINTS` of the points, equally far apart in their order, and the last."""
    step = -(-len(points) // MOST_POINTS)
    return [*points[:-1:step], points[-1]]


def _frame(content: Chart, curves: Mapping[str, Sequence[Point]]) -> Frame:
    updates = [x for points in curves.values() for x, _ in points]
    values = [y for points in curves.values() for _, y in points]
    log = content.log and min(values) > 1e-30
    low, high = log_padded(values) if log else padded(values, least=1e-3 + 1e-3 * abs(values[0]))
    x = Scale(0.0, max(1.0, *updates), begin=68.0, end=WIDTH - 16)
    y = Scale(low, high, begin=HEIGHT - 66, end=34.0, log=log)
    return Frame(x, y, "updates", f"{content.name}{' (logarithmic)' * log}")


def _curve(places: Sequence[Point], kind: str) -> Html:
    if len(places) > 1:
        return polyline(places, kind)
    return element("circle", cx=places[0][0], cy=places[0][1], r=3, class_=kind)


def _stages(content: Chart, frame: Frame) -> list[Html]:
    """A line where a stage ended, its name at the left of it where there is room."""
    marks, before = [], frame.x.begin
    height = frame.y.begin - 8 if content.low else frame.y.end + 14
    for update, name in content.stages:
        if 0 < update <= frame.x.high:
            at = frame.x(update)
            marks.append(segment((at, frame.y.begin), (at, frame.y.end), "reference"))
            if len(name) * _LETTER < at - before:
                marks.append(note(name, at - 5, height, anchor="end"))
            before = at
    return [element("g", joined(marks), class_="references", aria_hidden="true")]


def _key(phases: Sequence[str]) -> Html:
    """Which line is which, at the top right."""
    marks = []
    for place, phase in enumerate(reversed(phases)):
        right = WIDTH - 16 - 120 * place
        begin, end = (right - 114, 15.5), (right - 86, 15.5)
        marks.append(polyline([begin, end], f"curve {_KINDS[phase]}"))
        marks.append(element("text", text(phase), x=right - 80, y=20.0, class_="name"))
    return element("g", joined(marks), aria_hidden="true")
