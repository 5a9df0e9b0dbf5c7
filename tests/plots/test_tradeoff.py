"""Accuracy against memory: what is drawn of one search, and of several."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.lines import Line2D

from sparsenet.plots.rows import Candidate, CannotDrawError, Search
from sparsenet.plots.tradeoff import tradeoff_figure
from tests.plots.pictures import assert_legible, legend_texts

START = Candidate("greedy", True, 1.0, 1024 * 500, 0.76, 0.75, {})
OTHER = replace(START, accepted=False, density=0.9, bytes=1024 * 400, test_accuracy=0.74)
NEXT = replace(START, density=0.8, bytes=1024 * 300, test_accuracy=0.755)
DIVERGED = replace(OTHER, test_accuracy=None, val_accuracy=None)


def search(*rows: Candidate, name: str = "greedy") -> Search:
    return Search(name, rows)


def with_points(lines: list[Line2D]) -> list[list[tuple[float, float]]]:
    """The data of the lines that are no reference across all of the axes."""
    return [
        [(float(x), float(y)) for x, y in np.asarray(line.get_xydata())]
        for line in lines
        if list(np.asarray(line.get_xdata())) != [0, 1]
    ]


def test_candidates_are_marks_and_what_was_accepted_is_a_line() -> None:
    figure = tradeoff_figure([search(START, OTHER, NEXT, DIVERGED)])
    [axes] = figure.axes
    reference, *lines = axes.get_lines()
    assert list(np.asarray(reference.get_ydata())) == [75, 75]
    others, path = with_points(lines)
    assert others == [(400, 74)]
    assert path == [(500, 75), (300, 75.5)]
    assert lines[0].get_linestyle() == "None"
    assert lines[1].get_linestyle() == "-"
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel() == "memory (KiB), each layer in its best format"
    assert axes.get_ylabel() == "accuracy on TEST (%)"
    assert legend_texts(figure) == [
        *("dense start, 75.00 % in 500 KiB", "accepted path", "other candidates")
    ]
    assert figure.legends[0].get_title().get_text() == "left out: 1 without accuracy"


def test_a_search_without_test_accuracies_shows_those_of_validation() -> None:
    rows = [replace(row, test_accuracy=None) for row in (START, NEXT)]
    [axes] = tradeoff_figure([search(START, *rows)]).axes
    assert axes.get_ylabel() == "accuracy on VAL (%)"
    assert with_points(list(axes.get_lines()))[1] == [(500, 76), (500, 76), (300, 76)]


def test_several_searches_are_a_curve_each() -> None:
    figure = tradeoff_figure(
        [search(START, NEXT, name="greedy"), search(START, OTHER, name="$_uniform")]
    )
    [axes] = figure.axes
    assert len(axes.get_lines()) == 1 + 2 * 2
    assert legend_texts(figure) == [
        *("dense start, 75.00 % in 500 KiB", "greedy", r"\$_uniform", "other candidates")
    ]


def test_starts_that_differ_are_a_reference_each() -> None:
    other = replace(START, density=0.5, test_accuracy=0.7)
    figure = tradeoff_figure([search(START, name="a"), search(other, name="b")])
    [axes] = figure.axes
    assert [line.get_ydata()[0] for line in axes.get_lines()[:2]] == [70, 75]  # type: ignore[index]
    assert legend_texts(figure) == ["start", "a", "b"]


def test_what_cannot_be_drawn() -> None:
    with pytest.raises(CannotDrawError, match="9 searches are more than the 8"):
        tradeoff_figure([search(START)] * 9)
    with pytest.raises(CannotDrawError, match="takes memory and has an accuracy on TEST"):
        tradeoff_figure([search(replace(START, bytes=0))])


def many(count: int) -> Search:
    rows = [
        replace(
            OTHER,
            accepted=nth % 5 == 0,
            bytes=int(580_000 * 0.99**nth),
            test_accuracy=0.76 - 1e-6 * nth**2,
        )
        for nth in range(count)
    ]
    return search(START, *rows)


@pytest.mark.parametrize(
    "searches",
    [
        [search(START)],
        [many(300)],
        [search(*[replace(row, test_accuracy=0.75) for row in (START, OTHER, NEXT)])],
        [search(START, replace(NEXT, bytes=3))],
        [search(replace(START, bytes=240_000_000), replace(NEXT, bytes=60_000_000))],
        [replace(many(20), name=f"a search with quite a long name {n}") for n in range(8)],
    ],
)
def test_it_is_legible(searches: list[Search]) -> None:
    assert_legible(tradeoff_figure(searches))
