"""The files of a run, as rows. Every function raises FileError, of one line with its place."""

from __future__ import annotations

from pathlib import Path

from sparsenet.results.fields import Fields
from sparsenet.results.reading import read_csv, read_json, read_json_lines
from sparsenet.results.rows import (
    LayerBytes,
    Log,
    LogTest,
    Model,
    PrunedRow,
    Stage,
    Summary,
    Thresholded,
)

PHASES = ("VAL", "TEST")


def read_log(path: Path) -> Log:
    """metrics.jsonl; a loss that was not finite is left out."""
    losses: list[tuple[int, float]] = []
    tests: list[LogTest] = []
    ends: list[tuple[int, str]] = []
    for line in read_json_lines(path):
        iteration = line.needed_count("iter")
        if "stage_end" in line.values:
            ends.append((iteration, line.below("stage_end").text("stage")))
        elif "phase" in line.values:
            tests.append(_test(iteration, line))
        elif (loss := line.number("loss")) is not None:
            losses.append((iteration, loss))
    return Log(losses, tests, ends)


def _test(iteration: int, line: Fields) -> LogTest:
    counts = line.below("nonzeros")
    return LogTest(
        iteration,
        line.text("stage"),
        line.text("phase"),
        line.fraction("accuracy"),
        line.number("loss"),
        sum(map(counts.needed_count, counts.values)),
        line.number("seconds"),
    )


def read_summary(path: Path) -> Summary:
    """summary.json."""
    fields = read_json(path)
    memory = fields.below("memory")
    total = memory.below("total")
    weights = total.below("weights")
    models = [(name, fields.below(name)) for name in ("best", "final") if name in fields.values]
    return Summary(
        net=fields.text("net"),
        seed=fields.count("random_seed"),
        models=[_model(name, model) for name, model in models],
        stages=list(map(_stage, fields.each("stages"))),
        missed=fields.texts("missed"),
        layers=list(map(_layer, memory.each("layers"))),
        nonzeros=weights.needed_count("nonzeros"),
        weights=weights.needed_count("params"),
        total=_bytes(total),
    )


def _model(name: str, model: Fields) -> Model:
    phases = [(phase, model.below(phase)) for phase in PHASES if phase in model.values]
    return Model(name, model.needed_count("iter"), {phase: _outputs(of) for phase, of in phases})


def _outputs(fields: Fields) -> dict[str, float | None]:
    return {name: fields.number(name) for name in fields.values if name != "samples"}


def _stage(stage: Fields) -> Stage:
    return Stage(
        stage.text("stage"),
        stage.count("began"),
        stage.count("ended"),
        stage.text("outcome"),
        stage.fraction("accuracy"),
    )


def _layer(layer: Fields) -> LayerBytes:
    return LayerBytes(
        layer.text("name"),
        layer.counts("shape"),
        layer.needed_count("params"),
        layer.needed_count("nonzeros"),
        _bytes(layer),
        layer.text("best"),
        layer.needed_count("biases"),
    )


def _bytes(fields: Fields) -> dict[str, int]:
    sizes = fields.below("bytes")
    return {name: sizes.needed_count(name) for name in ("best", "dense", *sizes.values)}


def read_thresholds(path: Path) -> tuple[Thresholded, ...]:
    """threshold.csv of `prune-threshold`, the unpruned network first."""
    retrained = ("retrained_nonzeros", "retrained_test_accuracy")
    rows = read_csv(path, ("weights", "nonzeros", "test_accuracy", *retrained))
    rows[0].needed_fraction("test_accuracy")
    return tuple(map(_thresholded, rows))


def _thresholded(row: Fields) -> Thresholded:
    return Thresholded(
        weights=row.needed_count("weights", least=1),
        nonzeros=row.needed_count("nonzeros"),
        test_accuracy=row.fraction("test_accuracy"),
        retrained_nonzeros=row.count("retrained_nonzeros"),
        retrained_test_accuracy=row.fraction("retrained_test_accuracy"),
    )


def read_prunings(path: Path) -> tuple[PrunedRow, ...]:
    """prune.csv of `prune`: each net at each fraction, in order."""
    needed = ("training", "criterion", "scope", "fraction", "test_accuracy")
    return tuple(map(_pruned, read_csv(path, needed)))


def _pruned(row: Fields) -> PrunedRow:
    return PrunedRow(
        training=row.text("training"),
        criterion=row.text("criterion"),
        scope=row.text("scope"),
        fraction=row.needed_fraction("fraction"),
        test_accuracy=row.fraction("test_accuracy"),
        shrunk_test_accuracy=row.fraction("shrunk_test_accuracy"),
        finetuned_test_accuracy=row.fraction("finetuned_test_accuracy"),
    )
