"""The figures there are, and what each is drawn from."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from sparsenet.plots.convergence import Method, convergence_figure
from sparsenet.plots.datasize import datasize_figure
from sparsenet.plots.ensemble import ensemble_figure
from sparsenet.plots.layers import layers_figure
from sparsenet.plots.prune import prune_figure
from sparsenet.plots.rows import CannotDrawError, left_out, settings_apart
from sparsenet.plots.style import Drawing
from sparsenet.plots.sweep import sweep_figure
from sparsenet.plots.threshold import threshold_figure
from sparsenet.plots.tradeoff import Search, tradeoff_figure
from sparsenet.results.rows import Candidate, Trial
from sparsenet.results.run import read_log, read_prunings, read_thresholds
from sparsenet.results.study import read_ensemble, read_front, read_sweep
from sparsenet.study_folder import StudyFolder
from sparsenet.workflows.plot_filters import draw_filters
from sparsenet.workflows.plot_sources import (
    FigureKind,
    Sources,
    about,
    ensemble_of,
    front_of,
    is_file,
    prune_of,
    study_of,
    sweep_of,
    threshold_of,
)


def _tradeoff(sources: Sources) -> Drawing | None:
    folders = sources.all_with(front_of)
    if not folders:
        return None
    fronts = [read_front(front_of(folder)) for folder in folders]
    names = _search_names(folders, fronts)
    with about(front_of(folders[0])):
        return tradeoff_figure([Search(*pair) for pair in zip(names, fronts, strict=True)])


def _search_names(folders: list[Path], fronts: list[tuple[Candidate, ...]]) -> list[str]:
    """Each search's strategy, and its folder where several have the same."""
    pairs = zip(folders, fronts, strict=True)
    strategies = [study_of(folder).strategy or front[0].strategy for folder, front in pairs]
    short = [folder.resolve().name for folder in folders]
    shown = short if len(set(short)) == len(short) else list(map(str, folders))
    count = Counter(strategies)
    return [
        f"{strategy}, {folder}" if count[strategy] > 1 else strategy
        for strategy, folder in zip(strategies, shown, strict=True)
    ]


def _layers(sources: Sources) -> Drawing | None:
    folder = sources.the_one_with(front_of)
    if folder is None:
        return None
    path = [row for row in read_front(front_of(folder)) if row.accepted]
    weights = {layer.name: layer.weights for layer in study_of(folder).layers}
    with about(front_of(folder)):
        return layers_figure(path, weights)


def _trials(sources: Sources, figure: str) -> tuple[Path, tuple[Trial, ...]] | None:
    """A sweep's folder and trials, from which a figure is to be drawn.

    A sweep that was made for a figure is drawn as that one, unless another was asked for; one that
    was made for none against the training samples where their number varies, else as the others.
    """
    folder = sources.the_one_with(sweep_of)
    if folder is None:
        return None
    made_for = study_of(folder).figure
    if not sources.asked and made_for not in ("", figure):
        return None
    trials = read_sweep(sweep_of(folder))
    sizes = {trial.samples for trial in trials if trial.samples}
    fits = (figure == "datasize") == (len(sizes) > 1)
    return (folder, trials) if sources.asked or made_for or fits else None


def _sweep(sources: Sources) -> Drawing | None:
    if (found := _trials(sources, "sweep")) is None:
        return None
    folder, trials = found
    with about(sweep_of(folder)):
        return sweep_figure(trials, study_of(folder).sets)


def _datasize(sources: Sources) -> Drawing | None:
    if (found := _trials(sources, "datasize")) is None:
        return None
    folder, trials = found
    with about(sweep_of(folder)):
        return datasize_figure(trials)


def _convergence(sources: Sources) -> Drawing | None:
    found = _trials(sources, "convergence")
    if found is None:
        return None
    study, trials = StudyFolder(found[0]), found[1]
    done = [trial for trial in trials if not trial.failed]
    logs = {trial.key: study.run(trial.key).metrics for trial in done}
    kept = [trial for trial in done if is_file(logs[trial.key])]
    with about(study.sweep):
        if not kept:
            raise CannotDrawError("none of its trials has a metrics.jsonl")
        labels = settings_apart(kept)
        methods = [
            Method(
                name,
                tuple(
                    read_log(logs[trial.key])
                    for trial, label in zip(kept, labels, strict=True)
                    if label == name
                ),
            )
            for name in dict.fromkeys(labels)
        ]
        failed, unlogged = len(trials) - len(done), len(done) - len(kept)
        note = left_out({"failed": failed, "without metrics.jsonl": unlogged})
        return convergence_figure(methods, note)


def _threshold(sources: Sources) -> Drawing | None:
    folder = sources.the_one_with(threshold_of)
    return None if folder is None else threshold_figure(read_thresholds(threshold_of(folder)))


def _prune(sources: Sources) -> Drawing | None:
    folder = sources.the_one_with(prune_of)
    if folder is None:
        return None
    with about(prune_of(folder)):
        return prune_figure(read_prunings(prune_of(folder)))


def _ensemble(sources: Sources) -> Drawing | None:
    folder = sources.the_one_with(ensemble_of)
    if folder is None:
        return None
    with about(ensemble_of(folder)):
        return ensemble_figure(read_ensemble(ensemble_of(folder)))


_SWEEP = "sweep.csv of a sweep"

FIGURES: dict[str, FigureKind] = {
    "tradeoff": FigureKind("front.csv of a search", _tradeoff),
    "filters": FigureKind(
        "two runs with best.pt or final.pt, or two checkpoints, the dense one first", draw_filters
    ),
    "convergence": FigureKind(f"{_SWEEP} and its trials' metrics.jsonl", _convergence),
    "layers": FigureKind("front.csv and study.json of a search", _layers),
    "threshold": FigureKind("threshold.csv of prune-threshold", _threshold),
    "prune": FigureKind("prune.csv of prune", _prune),
    "sweep": FigureKind(_SWEEP, _sweep),
    "datasize": FigureKind(f"{_SWEEP} with several numbers of samples", _datasize),
    "ensemble": FigureKind("ensemble.csv of an ensemble", _ensemble),
}
