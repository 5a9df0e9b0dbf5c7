"""The figure is drawn from the CSV alone; what it shows is looked at before it is a picture."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from sparsenet.files import FileError
from sparsenet.plots import threshold
from sparsenet.plots.threshold import THRESHOLD_MARK, draw_threshold
from tests.plots.pictures import assert_legible, words_on

COLUMNS = ["label", "weights", "nonzeros", "test_accuracy"]
RETRAINED = ["retrained_nonzeros", "retrained_test_accuracy"]
DENSE = ("unpruned", 430500, 430500, 0.99, "", "")
ROWS = [
    ("delta 0", 430500, 430500, 0.99, 430500, 0.991),
    ("delta 0.05", 430500, 80697, 0.93, 80690, 0.985),
    ("delta 0.07", 430500, 4852, 0.475, 4852, 0.97),
    ("delta 0.5", 430500, 0, 0.1, "", ""),
]


def written(path: Path, rows: list[tuple[object, ...]]) -> Path:
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerows([(*COLUMNS, *RETRAINED), DENSE, *rows])
    return path


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures on their way to the disk."""
    figures: list[Figure] = []
    save = threshold.save_png

    def keep(figure: Figure, path: Path, mark: str) -> None:
        figures.append(figure)
        save(figure, path, mark)

    monkeypatch.setattr(threshold, "save_png", keep)
    return figures


def test_the_curves_are_the_rows(tmp_path: Path, drawn: list[Figure]) -> None:
    draw_threshold(written(tmp_path / "t.csv", ROWS), tmp_path / "t.png")
    axes = drawn[0].axes[0]
    dense, pruned, trained = axes.get_lines()
    assert list(dense.get_ydata()) == [99, 99]
    assert pruned.get_xydata() == pytest.approx(np.array([(4852, 47.5), (80697, 93), (430500, 99)]))
    assert trained.get_xydata() == pytest.approx(
        np.array([(4852, 97), (80690, 98.5), (430500, 99.1)])
    )
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel() == "nonzero weights (left out: 1 with none)"
    assert axes.get_ylabel() == "accuracy on TEST (%)"
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        *("unpruned, 99.00 %", "thresholded", r"trained under $\ell_0$, same counts")
    ]


def test_without_retraining_there_are_two_lines(tmp_path: Path, drawn: list[Figure]) -> None:
    rows = [(*row[:4], "", "") for row in ROWS[:2]]
    draw_threshold(written(tmp_path / "t.csv", rows), tmp_path / "t.png")
    assert len(drawn[0].axes[0].get_lines()) == 2
    assert drawn[0].axes[0].get_xlabel() == "nonzero weights"


@pytest.mark.parametrize(
    "counts",
    [[430500], [300], [4305, 215250], [1, 430500], [400000, 410000, 420000, 430500], [7, 900], [0]],
)
def test_no_words_overlap_and_all_are_on_the_picture(
    counts: list[int], tmp_path: Path, drawn: list[Figure]
) -> None:
    rows = [(f"t {n}", 430500, n, 0.5, n or "", 0.6 if n else "") for n in counts]
    draw_threshold(written(tmp_path / "t.csv", rows), tmp_path / "t.png")
    assert_legible(drawn[0])
    words, height = words_on(drawn[0]), drawn[0].canvas.get_width_height()[1]
    assert sum(box.y1 < height / 5 for _, box in words) >= 2  # a number and the label below


def settings() -> dict[str, object]:
    """matplotlib's, but for the backend, which by being asked for is chosen."""
    return {key: mpl.rcParams[key] for key in mpl.rcParams if key != "backend"}


def test_the_png_says_what_made_it_and_nothing_global_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # its import now fails
    before = settings()
    draw_threshold(written(tmp_path / "t.csv", ROWS), tmp_path / "t.png")
    content = (tmp_path / "t.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert THRESHOLD_MARK.encode() in content[:1024]
    assert settings() == before


def test_a_folder_that_is_not_there_is_a_file_error(tmp_path: Path) -> None:
    table = written(tmp_path / "t.csv", ROWS)
    with pytest.raises(FileError):
        draw_threshold(table, tmp_path / "none" / "t.png")
