"""Which figures are drawn from which folders, where they go, and what stops it before it writes."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sparsenet.errors import ConfigError
from sparsenet.files import FileError
from sparsenet.plots.style import FORMATS
from sparsenet.results.captions import CAPTIONS
from sparsenet.workflows import plot_figures
from sparsenet.workflows.plot import Drawn, PlotOptions, draw_all, plot
from sparsenet.workflows.plot_figures import FIGURES
from tests.plots.runs import write_runs
from tests.plots.studies import (
    write_convergence,
    write_csv,
    write_datasize,
    write_metrics,
    write_prunings,
    write_search,
    write_study,
    write_sweep,
    write_thresholds,
)
from tests.report import samples

SVG = ("svg",)
EVERY_FIGURE = pytest.mark.parametrize("name", FIGURES)


def sources(name: str, folder: Path) -> list[Path]:
    """Folders from which a figure can be drawn."""
    makers: dict[str, Callable[[Path], Any]] = {
        "tradeoff": lambda path: write_search(path, rounds=2),
        "layers": lambda path: write_search(path, rounds=2),
        "convergence": lambda path: write_convergence(path, seeds=2),
        "threshold": write_thresholds,
        "prune": write_prunings,
        "sweep": lambda path: write_sweep(path, seeds=2),
        "datasize": lambda path: write_datasize(path, seeds=2),
        "ensemble": samples.ensemble,
    }
    if name == "filters":
        return write_runs(folder)
    makers[name](folder / name)
    return [folder / name]


def names(drawn: list[Drawn]) -> list[str]:
    return [figure.name for figure in drawn]


@EVERY_FIGURE
def test_every_figure_is_drawn_in_three_formats_again_the_same(name: str, tmp_path: Path) -> None:
    paths = sources(name, tmp_path)
    [drawn] = plot(paths, PlotOptions((name,)))
    assert drawn.name == name
    assert drawn.paths == tuple(paths[0] / "plots" / f"{name}.{kind}" for kind in FORMATS)
    [again] = plot(paths, PlotOptions((name,), output=tmp_path / "again", formats=SVG))
    assert again.paths[0].read_bytes() == drawn.paths[1].read_bytes()
    assert {path.name for path in (paths[0] / "plots").iterdir()} == {p.name for p in drawn.paths}


@EVERY_FIGURE
def test_every_caption_is_a_sentence_that_names_what_of_the_paper_it_repeats(name: str) -> None:
    caption = CAPTIONS[name]
    collins = r"(Figure [1-7]|Table 1) of Collins & Kohli \(2014\)"
    assert re.search(rf", after ({collins}|Khan & Stavness \(2020\))\.$", caption)
    assert caption.count(". ") == 0
    assert caption[0].isupper()


@EVERY_FIGURE
def test_a_folder_without_its_files_says_what_was_looked_for(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        plot([tmp_path], PlotOptions((name,)))
    looked = f"{tmp_path}: nothing to draw; looked for {FIGURES[name].looks_for} ({name})"
    assert str(caught.value) == looked
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("made", "drawn"),
    [
        ("tradeoff", ["tradeoff", "layers"]),
        ("filters", ["filters"]),
        ("convergence", ["convergence"]),
        ("threshold", ["threshold"]),
        ("prune", ["prune"]),
        ("sweep", ["sweep"]),
        ("datasize", ["datasize"]),
        ("ensemble", ["ensemble"]),
    ],
)
def test_all_that_the_files_allow(made: str, drawn: list[str], tmp_path: Path) -> None:
    assert names(plot(sources(made, tmp_path), PlotOptions(formats=SVG))) == drawn


def test_a_sweep_made_for_no_figure_is_drawn_as_its_columns_allow(tmp_path: Path) -> None:
    write_convergence(tmp_path / "one", seeds=2)
    write_study(tmp_path / "one", "sweep", figure=None)
    assert names(draw_all(tmp_path / "one", SVG)) == ["convergence", "sweep"]
    write_datasize(tmp_path / "two", seeds=1)
    (tmp_path / "two" / "study.json").unlink()
    assert names(draw_all(tmp_path / "two", SVG)) == ["datasize"]


def test_another_figure_than_a_sweep_is_made_for_can_be_asked_for(tmp_path: Path) -> None:
    write_convergence(tmp_path, seeds=2)
    assert names(plot([tmp_path], PlotOptions(("sweep",), formats=SVG))) == ["sweep"]


def test_all_of_an_empty_folder_is_nothing(tmp_path: Path) -> None:
    assert draw_all(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConfigError) as caught:
        plot([tmp_path])
    for kind in FIGURES.values():
        assert kind.looks_for in str(caught.value)


def test_a_figure_that_cannot_be_drawn_is_noted_beside_those_that_can(tmp_path: Path) -> None:
    write_search(tmp_path, rounds=1)
    (tmp_path / "study.json").unlink()
    notes: list[str] = []
    assert names(plot([tmp_path], PlotOptions(formats=SVG), notes.append)) == ["tradeoff"]
    words = "study.json does not say how many weights layer 'conv1' has"
    assert notes == [f"layers is not drawn: {tmp_path}/front.csv: {words}"]
    with pytest.raises(ConfigError) as caught:
        plot([tmp_path], PlotOptions(("layers",)))
    assert str(caught.value) == f"layers: {tmp_path}/front.csv: {words}"


def test_where_none_can_be_drawn_all_reasons_are_errors(tmp_path: Path) -> None:
    rows = write_search(tmp_path, rounds=0)
    rows[0] |= {"test_accuracy": "", "val_accuracy": ""}
    write_csv(tmp_path / "front.csv", rows)
    with pytest.raises(ConfigError) as caught:
        plot([tmp_path])
    words = f"{tmp_path}/front.csv: no network in it has an accuracy"
    assert str(caught.value).splitlines()[:2] == [
        *(f"tradeoff is not drawn: {words}", f"layers is not drawn: {words}")
    ]
    assert not (tmp_path / "plots").exists()


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the searches of the next tradeoff figure."""
    found: list[str] = []
    draw = plot_figures.tradeoff_figure

    def keep(given: list[Any]) -> Any:
        found.extend(search.name for search in given)
        return draw(given)

    monkeypatch.setattr(plot_figures, "tradeoff_figure", keep)
    return found


def test_searches_are_named_by_strategy_and_folder(tmp_path: Path, searches: list[str]) -> None:
    folders = [tmp_path / "a", tmp_path / "b", tmp_path / "c"]
    for folder, strategy in zip(folders, ("greedy", "uniform", "greedy"), strict=True):
        write_search(folder, strategy=strategy, rounds=1)
    assert names(plot(folders, PlotOptions(formats=SVG))) == ["tradeoff"], "layers shows but one"
    assert searches == ["greedy, a", "uniform", "greedy, c"]


def test_folders_of_one_name_are_told_by_their_paths(tmp_path: Path, searches: list[str]) -> None:
    folders = [tmp_path / "a" / "s", tmp_path / "b" / "s"]
    for folder in folders:
        write_search(folder, rounds=1)
    plot(folders, PlotOptions(("tradeoff",), formats=SVG))
    assert searches == [f"greedy, {folder}" for folder in folders]


def test_stacks_are_of_accepted_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    draw = plot_figures.layers_figure
    monkeypatch.setattr(
        plot_figures, "layers_figure", lambda *rows: given.append(rows[0]) or draw(*rows)
    )
    write_search(tmp_path, rounds=2)
    plot([tmp_path], PlotOptions(("layers",), formats=SVG))
    assert [row.accepted for row in given[0]] == [True] * 3


def test_a_figure_of_one_study_is_not_asked_for_of_two(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        write_sweep(folder, seeds=1)
    with pytest.raises(ConfigError) as caught:
        plot(folders, PlotOptions(("sweep",)))
    files = f"{tmp_path}/a/sweep.csv and {tmp_path}/b/sweep.csv"
    assert str(caught.value) == f"sweep: {files}: the figure shows one of them; give one folder"


def test_logs_that_are_not_there_are_counted(tmp_path: Path) -> None:
    rows = write_convergence(tmp_path, seeds=2, methods=["l0"])
    (tmp_path / "trials" / str(rows[0]["key"]) / "metrics.jsonl").unlink()
    [drawn] = draw_all(tmp_path, SVG)
    assert drawn.name == "convergence"
    (tmp_path / "trials" / str(rows[1]["key"]) / "metrics.jsonl").unlink()
    with pytest.raises(ConfigError, match="none of its trials has a metrics"):
        plot([tmp_path])


@pytest.mark.parametrize("damaged", ["front.csv", "study.json"])
def test_a_damaged_file_stops_it_before_it_writes(damaged: str, tmp_path: Path) -> None:
    write_search(tmp_path, rounds=1)
    (tmp_path / damaged).write_text("{\n")
    with pytest.raises(FileError, match=f"{damaged}:"):
        plot([tmp_path])
    assert not (tmp_path / "plots").exists()


def test_a_damaged_log_is_named_with_its_line(tmp_path: Path) -> None:
    rows = write_convergence(tmp_path, seeds=1, methods=["l0"])
    log = tmp_path / "trials" / str(rows[0]["key"]) / "metrics.jsonl"
    log.write_text(json.dumps({"iter": 0, "loss": 1}) + "\n{\n")
    with pytest.raises(FileError, match=re.escape(f"{log}:2: not JSON")):
        draw_all(tmp_path)


def test_files_of_another_origin_are_kept(tmp_path: Path) -> None:
    write_thresholds(tmp_path)
    output = tmp_path / "out"
    options = PlotOptions(output=output)
    plot([tmp_path], options)
    plot([tmp_path], options)  # its own files it replaces
    for kind in FORMATS:
        (output / f"threshold.{kind}").write_text("mine")
    before = sorted(output.iterdir())
    with pytest.raises(ConfigError) as caught:
        plot([tmp_path], options)
    assert str(caught.value).splitlines() == [
        f"{output}/threshold.{kind}: is not of plot and is kept; choose another folder by --output"
        for kind in FORMATS
    ]
    assert sorted(output.iterdir()) == before
    assert (output / "threshold.png").read_text() == "mine"


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    write_thresholds(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="cannot be made"):
        plot([tmp_path], PlotOptions(output=tmp_path / "file" / "plots"))


def test_a_log_of_another_run_is_not_read(tmp_path: Path) -> None:
    """A key is 16 digits, never a path."""
    rows = write_convergence(tmp_path / "study", seeds=1, methods=["l0"])
    rng = random.Random(0)
    write_metrics(tmp_path / "metrics.jsonl", iterations=10, display=1, rate=1, rng=rng)
    rows[0]["key"] = "../.."
    write_csv(tmp_path / "study" / "sweep.csv", rows)
    with pytest.raises(FileError, match=r"sweep\.csv:2: key: '\.\./\.\.' is not 16 hexadecimal"):
        draw_all(tmp_path / "study")
