"""What the report of a run says, from its log and, once it has ended, its summary."""

from __future__ import annotations

from sparsenet.report import run_tables
from sparsenet.report.curves import Chart, chart
from sparsenet.report.html import Html, element, text
from sparsenet.report.page import Fact, Report, Section
from sparsenet.results.rows import Log, Model, Summary
from sparsenet.results.run import PHASES
from sparsenet.results.words import counted, kib, percent, whole, with_sign


def run_report(net: str, log: Log, summary: Summary | None) -> Report:
    """The report of a run that trained `net`; a run without a summary has not ended."""
    sections = [Section("curves", "Learning curves", _curves(log))]
    if summary is not None:
        body = [run_tables.models(summary.models), run_tables.memory(summary)]
        sections.append(Section("memory", "The networks and their memory", body))
    sections.append(Section("tests", "Tests", [run_tables.tests(log.tests)]))
    if summary is not None and summary.stages:
        sections.append(Section("stages", "Stages", [run_tables.stages(summary.stages)]))
    return Report(f"Run of {net}", _lead(log, summary), _facts(summary), sections)


def _lead(log: Log, summary: Summary | None) -> list[str]:
    if summary is None:
        last = max([0, *(i for i, _ in log.losses), *(test.iteration for test in log.tests)])
        done = f"{whole(last)} {'update' if last == 1 else 'updates'}"
        return [f"This run has not ended: after {done} there is no summary.json yet."]
    seed = "" if summary.seed is None else f" with seed {summary.seed}"
    said = [_model_words(model) for model in summary.models]
    missed = [f"It missed its goal in: {', '.join(summary.missed)}."] if summary.missed else []
    return [f"{summary.net}{seed}: {'; '.join(said)}.", _memory_words(summary), *missed]


def _model_words(model: Model) -> str:
    found = [
        f"{with_sign(accuracy)} on {phase}"
        for phase in PHASES
        if (accuracy := accuracy_of(model, phase)) is not None
    ]
    measured = f" has {' and '.join(found)}" if found else " was not measured"
    return f"the {model.name} network, after {counted(model.iteration, 'update')},{measured}"


def accuracy_of(model: Model, phase: str) -> float | None:
    """The first output that is an accuracy."""
    outputs = model.outputs.get(phase, {})
    return next((value for name, value in outputs.items() if name.startswith("accuracy")), None)


def _memory_words(summary: Summary) -> str:
    share = percent(summary.nonzeros / summary.weights) if summary.weights else "0"
    return (
        f"{whole(summary.nonzeros)} of {whole(summary.weights)} weights ({share} %) are not zero; "
        f"with its biases the network takes {kib(summary.total['best'])} KiB in the best formats "
        f"and {kib(summary.total['dense'])} KiB dense."
    )


def _facts(summary: Summary | None) -> list[Fact]:
    if summary is None:
        return []
    best, dense = summary.total["best"], summary.total["dense"]
    times = f"{dense / best:.1f} times smaller than dense" if best else ""
    facts = [
        Fact(f"{model.name.capitalize()} on {phase}", with_sign(accuracy_of(model, phase)))
        for model in summary.models[:1]
        for phase in PHASES
        if accuracy_of(model, phase) is not None
    ]
    facts.append(Fact("Memory", f"{kib(best)} KiB", times))
    if summary.weights:
        share = f"{percent(summary.nonzeros / summary.weights)} % of the weights"
        facts.append(Fact("Nonzeros", whole(summary.nonzeros), share))
    return facts


def _curves(log: Log) -> list[Html]:
    losses = {"TRAIN": log.losses} | {
        phase: [(t.iteration, t.loss) for t in log.tests
                if t.phase == phase and t.loss is not None]
        for phase in PHASES
    }  # fmt: skip
    accuracies = {
        phase: [(t.iteration, 100 * t.accuracy) for t in log.tests
                if t.phase == phase and t.accuracy is not None]
        for phase in PHASES
    }  # fmt: skip
    drawn = [
        chart(Chart("loss", losses, log.stage_ends, log=True)),
        chart(Chart("accuracy, %", accuracies, log.stage_ends, low=True)),
    ]
    found = [element("div", drawing, class_="plot") for drawing in drawn if drawing]
    return found or [element("p", text("Nothing has been logged yet."))]
