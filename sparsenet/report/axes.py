"""The scales, axes and lines that the charts of a report share, as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sparsenet.report.html import Html, element, joined, text

Point = tuple[float, float]


@dataclass(frozen=True)
class Scale:
    """Maps [low, high], low < high, onto [begin, end] of the drawing; where `log`, low > 0."""

    low: float
    high: float
    begin: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Where a value lies."""
        low, high, at = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        return self.begin + (at - low) / (high - low) * (self.end - self.begin)

    def ticks(self) -> list[float]:
        """Round numbers within, some three to nine."""
        if self.log:
            decades = math.log10(self.high) - math.log10(self.low)
            digits = (1, 2, 5) if decades < 2.5 else (1,)
            found = self._powers(digits, stride=max(1, round(decades / 6)))
            if len(found) >= 3:
                return found
        return _round_numbers(self.low, self.high)

    def _powers(self, digits: Sequence[int], stride: int) -> list[float]:
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        exponents = [e for e in range(first, last + 1) if e % stride == 0]
        values = [digit * 10.0**exponent for exponent in exponents for digit in digits]
        return [value for value in values if self.low <= value <= self.high]


def _round_numbers(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{place * step:.12g}") for place in range(first, last + 1)]


def padded(values: Sequence[float], share: float = 0.06, least: float = 0.0) -> Point:
    """The range of the values and some room around; at least `least` from end to end."""
    low, high = min(values), max(values)
    room = max((high - low) * share, (least - (high - low)) / 2)
    return low - room, high + room


def log_padded(values: Sequence[float], share: float = 0.06) -> Point:
    """The same of positive values on a logarithmic scale; at least a factor of two."""
    low, high = padded([math.log(value) for value in values], share, math.log(2))
    return math.exp(low), math.exp(high)


def number(value: float) -> str:
    """A tick's number as a reader writes it: 20,000 and not 2e+04, but 1e-05."""
    return f"{value:,.10g}"


@dataclass(frozen=True)
class Frame:
    """A plot's two scales, the names of its axes, and what is drawn within."""

    x: Scale
    y: Scale
    x_name: str
    y_name: str

    def axes(self) -> Html:
        """Grid lines, numbers and names. Every other number is `alt`: left out where it is narrow.

        What is of the drawing alone is hidden from screen readers.
        """
        marks = [*self._columns(), *self._rows()]
        middle = (self.x.begin + self.x.end) / 2
        bottom = self.y.begin
        marks.append(_words(self.x_name, middle, bottom + 54, anchor="middle", kind="name"))
        marks.append(_words(self.y_name, self.x.begin, self.y.end - 14, kind="name"))
        return element("g", joined(marks), class_="axes", aria_hidden="true")

    def _columns(self) -> list[Html]:
        bottom, top = self.y.begin, self.y.end
        marks = []
        for place, value in enumerate(self.x.ticks()):
            at = self.x(value)
            marks.append(segment((at, bottom), (at, top)))
            kind = "alt" if place % 2 else None
            marks.append(_words(number(value), at, bottom + 22, anchor="middle", kind=kind))
        return marks

    def _rows(self) -> list[Html]:
        marks = []
        for place, value in enumerate(self.y.ticks()):
            at = self.y(value)
            marks.append(segment((self.x.begin, at), (self.x.end, at)))
            kind = "alt" if place % 2 else None
            marks.append(_words(number(value), self.x.begin - 8, at + 4.5, anchor="end", kind=kind))
        return marks


def segment(begin: Point, end: Point, kind: str | None = None) -> Html:
    """A straight line."""
    (x1, y1), (x2, y2) = begin, end
    return element("line", x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2), class_=kind)


def polyline(points: Sequence[Point], kind: str) -> Html:
    """A line through points of the drawing."""
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return element("polyline", points=places, class_=kind)


def _words(
    words: str, x: float, y: float, anchor: str | None = None, kind: str | None = None
) -> Html:
    return element("text", text(words), x=float(x), y=float(y), text_anchor=anchor, class_=kind)


def note(words: str, x: float, y: float, anchor: str = "start", kind: str = "note") -> Html:
    """A word beside what it explains."""
    return _words(words, x, y, anchor, kind)
