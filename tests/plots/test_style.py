"""What all figures share: marks that are told apart, and files that are always the same."""

from __future__ import annotations

import itertools
import re
import sys
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sparsenet.files import FileError
from sparsenet.plots.style import (
    FIGURE_MARK,
    FILLS,
    FORMATS,
    LINES,
    legend_below,
    new_figure,
    save_figure,
    text_of,
)
from tests.plots.pictures import assert_legible


def test_curves_differ_in_more_than_colour() -> None:
    assert len(LINES) >= 6
    for key in ("color", "marker", "linestyle"):
        assert len({getattr(line, key) for line in LINES}) == len(LINES)


def lightness(color: str) -> float:
    red, green, blue = to_rgb(color)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def test_boxes_differ_in_grey_and_from_their_neighbours_without_hatch() -> None:
    assert len({(round(lightness(fill.color), 2), fill.hatch) for fill in FILLS}) == len(FILLS)
    for below, above in itertools.pairwise(FILLS):
        assert abs(lightness(below.color) - lightness(above.color)) > 0.1, (below, above)


def sample() -> Figure:
    figure, axes = new_figure()
    line = axes.plot([1, 2], [3, 4], **LINES[0].keys())[0]
    axes.bar([1, 2], [3, 4], **FILLS[1].keys())
    legend_below(figure, {"a": line})
    return figure


def test_the_same_figure_gives_the_same_bytes_in_whatever_company(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        paths = save_figure(sample(), tmp_path / name, "figure")
        assert paths == tuple(tmp_path / name / f"figure.{kind}" for kind in FORMATS)
    for kind in FORMATS:
        once = (tmp_path / "one" / f"figure.{kind}").read_bytes()
        assert once == (tmp_path / "two" / f"figure.{kind}").read_bytes()
        [alone] = save_figure(sample(), tmp_path, "alone", [kind])
        assert alone.read_bytes() == once, kind
        assert FIGURE_MARK.encode() in once
        assert not re.search(rb"20\d\d-\d\d-\d\d|D:20\d\d", once)


def test_each_format_is_what_it_is_called(tmp_path: Path) -> None:
    png, svg, pdf = (path.read_bytes() for path in save_figure(sample(), tmp_path, "x"))
    assert png.startswith(b"\x89PNG")
    assert b"<svg " in svg
    assert b"<text" not in svg, "letters are outlines: no reader needs the font"
    assert pdf.startswith(b"%PDF")


def test_nothing_global_is_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # its import now fails
    before = {key: mpl.rcParams[key] for key in mpl.rcParams if key != "backend"}
    save_figure(sample(), tmp_path, "x")
    assert {key: mpl.rcParams[key] for key in mpl.rcParams if key != "backend"} == before


def test_a_folder_that_is_not_there_is_a_file_error(tmp_path: Path) -> None:
    with pytest.raises(FileError):
        save_figure(sample(), tmp_path / "none", "x")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("conv1", "conv1"),
        ("a\nb", r"a\nb"),
        ("_x", " _x"),
        ("$a$", r"\$a\$"),
        ("x" * 50, "x" * 17 + "…" + "x" * 18),
    ],
)
def test_names_are_plain_text_on_one_line(name: str, shown: str) -> None:
    assert text_of(name) == shown


@pytest.mark.parametrize(
    "names", [["a"], ["abcdef"] * 9, ["x" * 36, "y" * 30, "z"], ["n" * 36] * 8]
)
def test_legends_have_room(names: list[str]) -> None:
    figure, axes = new_figure()
    axes.plot([1, 2], [1, 2])
    entries = {f"{name}{nth}": Line2D([], []) for nth, name in enumerate(names)}
    legend_below(figure, entries, "left out: 3 with no weight left, " * 4)
    assert_legible(figure)


def test_short_labels_stand_in_one_row() -> None:
    figure = sample()
    entries = {name: Line2D([], []) for name in ("l0", "l1", "shrink", "dense")}
    legend_below(figure, entries)
    assert figure.legends[-1]._ncols == 4  # type: ignore[attr-defined]


def test_letters_that_the_font_lacks_are_no_warning(tmp_path: Path) -> None:
    figure, axes = new_figure()
    axes.set_xlabel(text_of("层"))
    save_figure(figure, tmp_path, "x")
