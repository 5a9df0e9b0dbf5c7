"""Accuracy against the pruned fraction, drawn from the CSV alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sparsenet.plots.prune import PRUNE_MARK, draw_prune, prune_figure
from sparsenet.plots.rows import CannotDrawError
from sparsenet.results.rows import PrunedRow
from sparsenet.results.run import read_prunings
from tests.plots.pictures import assert_legible
from tests.plots.studies import write_prunings

ROW = PrunedRow("net", "filter-norm", "layer", 0.5, 0.9, None, None)


@pytest.fixture
def rows(tmp_path: Path) -> tuple[PrunedRow, ...]:
    write_prunings(tmp_path)
    return read_prunings(tmp_path / "prune.csv")


def test_a_curve_a_net_and_what_it_came_to(rows: tuple[PrunedRow, ...]) -> None:
    figure = prune_figure(rows)
    lines = figure.axes[0].get_lines()
    dense, smaller, tuned, other, _ = lines
    assert [point[0] for point in dense.get_xydata()] == pytest.approx(range(0, 100, 10))
    assert list(dense.get_ydata()) == pytest.approx([95 - n**2 for n in range(10)])
    assert len(smaller.get_xydata()) == 9
    assert dense.get_color() == smaller.get_color() == tuned.get_color() != other.get_color()
    assert tuned.get_markerfacecolor() == "white"
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        *("dense/best.pt", "dense/best.pt, smaller net", "dense/best.pt, fine-tuned"),
        *("bridgeout/best.pt", "bridgeout/best.pt, smaller net"),
    ]
    assert_legible(figure)


@pytest.mark.parametrize(
    ("criterion", "scope", "label"),
    [
        ("filter-norm", "layer", "filters of each layer, smallest norm first, set to zero (%)"),
        ("random", "net", "filters of the net, at random, set to zero (%)"),
        ("magnitude", "layer", "weights of each filter, smallest first, set to zero (%)"),
    ],
)
def test_the_abscissa_says_what_is_zero(criterion: str, scope: str, label: str) -> None:
    figure = prune_figure([replace(ROW, criterion=criterion, scope=scope)])
    assert figure.axes[0].get_xlabel() == label


def test_of_several_seeds_it_is_the_mean_with_its_deviation() -> None:
    seeds = [replace(ROW, fraction=f, test_accuracy=a) for f in (0.0, 0.5) for a in (0.9, 0.8, 0.7)]
    figure = prune_figure([*seeds, replace(ROW, training="other", fraction=0.0, test_accuracy=0.5)])
    [axes] = figure.axes
    assert list(axes.get_lines()[0].get_ydata()) == pytest.approx([80, 80])
    bars = [container for container in axes.containers if container.has_yerr]
    [lines] = bars[0].lines[2]
    ends = [sorted(y for _, y in segment) for segment in lines.get_segments()]
    assert ends == [pytest.approx([70, 90])] * 2
    assert len(bars) == 1
    assert_legible(figure)


def test_what_has_no_accuracy_is_counted(rows: tuple[PrunedRow, ...]) -> None:
    figure = prune_figure([*rows, replace(ROW, training="dense/best.pt", test_accuracy=None)])
    assert figure.legends[0].get_title().get_text() == "left out: 1 without accuracy"


def test_too_many_nets_are_refused() -> None:
    with pytest.raises(CannotDrawError, match="9 trainings are more than the 8"):
        prune_figure([replace(ROW, training=str(n)) for n in range(9)])


def test_the_picture_says_what_it_is_of(rows: tuple[PrunedRow, ...], tmp_path: Path) -> None:
    assert rows
    draw_prune(tmp_path / "prune.csv", tmp_path / "prune.png")
    assert PRUNE_MARK.encode() in (tmp_path / "prune.png").read_bytes()[:1024]


def test_of_one_fraction_the_axis_is_of_what_fractions_can_be() -> None:
    low, high = prune_figure([replace(ROW, fraction=0.0)]).axes[0].get_xlim()
    assert -5 <= low < 0
    assert 5 < high <= 100
