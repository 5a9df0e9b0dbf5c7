"""Loss and accuracy over the iterations: means of the repetitions in bands."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes

from sparsenet.plots.convergence import Method, convergence_figure
from sparsenet.plots.rows import CannotDrawError, Course
from tests.plots.pictures import assert_legible, legend_texts

VAL = frozenset({"VAL"})
RUNS = (
    Course({0: 2.0, 100: 1.0, 200: 0.8}, {0: 0.1, 100: 0.5}, VAL),
    Course({0: 3.0, 100: 1.4}, {0: 0.2, 100: 0.7}, VAL),
)


def points(axes: Axes) -> list[list[tuple[float, float]]]:
    return [
        [(float(x), round(float(y), 6)) for x, y in np.asarray(line.get_xydata())]
        for line in axes.get_lines()
    ]


def test_means_and_bands_at_the_iterations_that_all_runs_have() -> None:
    figure = convergence_figure([Method("l0", RUNS), Method("dense", RUNS[:1])])
    loss, accuracy = figure.axes
    assert points(loss) == [[(0, 2.5), (100, 1.2)], [(0, 2), (100, 1), (200, 0.8)]]
    assert points(accuracy) == [[(0, 15), (100, 60)], [(0, 10), (100, 50)]]
    [band, _] = [item.get_paths()[0].vertices for item in loss.collections]
    assert (band[:, 1].min(), band[:, 1].max()) == (1.0, 3.0)
    assert {axes.get_xlabel() for axes in figure.axes} == {"iterations"}
    assert (loss.get_ylabel(), accuracy.get_ylabel()) == (
        *("training loss of the batch", "accuracy on VAL (%)"),
    )
    assert legend_texts(figure) == ["l0 (2 runs)", "dense (1 run)"]
    words = "mean of the runs in a band from the least to the greatest"
    assert figure.legends[0].get_title().get_text() == words


def test_of_one_run_there_is_no_mean_but_still_the_note() -> None:
    figure = convergence_figure([Method("l0", RUNS[:1])], "left out: 1 failed")
    assert figure.legends[0].get_title().get_text() == "left out: 1 failed"


def test_marks_of_several_methods_do_not_hide_each_other() -> None:
    long = Course(dict.fromkeys(range(0, 1000, 10), 1.0), {}, VAL)
    loss, _ = convergence_figure([Method(name, (long,)) for name in "abcd"]).axes
    places = {tuple(np.atleast_1d(line.get_markevery())) for line in loss.get_lines()}
    assert len(places) == 4


def test_what_cannot_be_drawn() -> None:
    with pytest.raises(CannotDrawError, match="no losses and no accuracies"):
        convergence_figure([Method("l0", (Course({}, {}, VAL),))])
    with pytest.raises(CannotDrawError, match="9 methods and settings are more than the 8"):
        convergence_figure([Method(str(n), RUNS) for n in range(9)])


@pytest.mark.parametrize(
    "methods",
    [
        [Method("l0", RUNS)],
        [Method(f"a long name of a method, strength=0.{n}", RUNS) for n in range(8)],
        [Method("l0", (Course({n * 450_000: 1.0 for n in range(9)}, {}, VAL),))],
        [Method("l0", (Course({7: 1.0}, {7: 1.0}, VAL),))],
    ],
)
def test_it_is_legible(methods: list[Method]) -> None:
    assert_legible(convergence_figure(methods, "left out: 5 failed, 3 without metrics.jsonl"))
