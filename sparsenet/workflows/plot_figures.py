"""The figures there are: what each is drawn from, and how it is described."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from sparsenet.plots.convergence import Method, convergence_figure
from sparsenet.plots.datasize import SAMPLES, datasize_figure
from sparsenet.plots.layers import layers_figure
from sparsenet.plots.results import read_course, read_front, read_sweep, read_thresholds
from sparsenet.plots.rows import Candidate, CannotDrawError, Search, Trial, left_out, settings_apart
from sparsenet.plots.style import Drawing
from sparsenet.plots.sweep import sweep_figure
from sparsenet.plots.threshold import threshold_figure
from sparsenet.plots.tradeoff import tradeoff_figure
from sparsenet.study_folder import StudyFolder
from sparsenet.workflows.plot_filters import draw_filters
from sparsenet.workflows.plot_sources import (
    FigureKind,
    Sources,
    about,
    front_of,
    is_file,
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
    with about(front_of(folder)):
        return layers_figure(path, study_of(folder).weights)


def _trials(sources: Sources, figure: str) -> tuple[Path, tuple[Trial, ...]] | None:
    """A sweep's folder and trials, from which a figure is to be drawn.

    A sweep that was made for a figure is drawn as that one, unless another was asked for; one that
    was made for none as all that its columns allow.
    """
    folder = sources.the_one_with(sweep_of)
    if folder is None:
        return None
    made_for = study_of(folder).figure
    if not sources.asked and made_for not in (None, figure):
        return None
    trials = read_sweep(sweep_of(folder))
    fits = (figure == "datasize") == (SAMPLES in trials[0].grid)
    return (folder, trials) if sources.asked or made_for or fits else None


def _sweep(sources: Sources) -> Drawing | None:
    found = _trials(sources, "sweep")
    if found is None:
        return None
    with about(sweep_of(found[0])):
        return sweep_figure(found[1])


def _datasize(sources: Sources) -> Drawing | None:
    found = _trials(sources, "datasize")
    if found is None:
        return None
    with about(sweep_of(found[0])):
        return datasize_figure(found[1])


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
                    read_course(logs[trial.key])
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


_AFTER = "of Collins & Kohli (2014)."
_SWEEP = "sweep.csv of a sweep"

FIGURES: dict[str, FigureKind] = {
    "tradeoff": FigureKind(
        "front.csv of a search",
        "Accuracy against the memory of the weights, each layer in its best storage format, of "
        f"every candidate of the search and along the accepted path, after Figure 1 {_AFTER}",
        _tradeoff,
    ),
    "filters": FigureKind(
        "two runs with best.pt or final.pt, or two checkpoints, the dense one first",
        "Convolution filters of a dense and of a sparse network, and the pattern of the sparse "
        f"ones' nonzeros, after Figure 2 {_AFTER}",
        draw_filters,
    ),
    "convergence": FigureKind(
        f"{_SWEEP} and its trials' metrics.jsonl",
        "Training loss and accuracy as the training goes on, means over the repetitions of each "
        f"method in a band from the least to the greatest, after Figure 3 {_AFTER}",
        _convergence,
    ),
    "layers": FigureKind(
        "front.csv and study.json of a search",
        "Nonzero weights by layer of networks along the accepted path, a stack at each network's "
        "accuracy: on the left as counts, on the right so that all layers of a dense network would "
        f"be as high, after Figure 4 {_AFTER}",
        _layers,
    ),
    "threshold": FigureKind(
        "threshold.csv of prune-threshold",
        "Accuracy against nonzero weights of thresholded networks and of those trained under l0 "
        f"constraints with the same counts, after Figure 5 {_AFTER}",
        _threshold,
    ),
    "sweep": FigureKind(
        _SWEEP,
        "Accuracy against nonzero weights by method, means over seeds with bars of one standard "
        f"deviation, after Figure 6 {_AFTER}",
        _sweep,
    ),
    "datasize": FigureKind(
        f"{_SWEEP} with a column {SAMPLES!r}",
        "Accuracy on held-out and on training data against the number of training samples, means "
        f"over seeds with bars of one standard deviation, after Figure 7 {_AFTER}",
        _datasize,
    ),
}
