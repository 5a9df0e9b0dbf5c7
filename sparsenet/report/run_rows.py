"""What a run's log and summary say, read field by field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sparsenet.report.reading import Fields
from sparsenet.report.rows import Scores, scores_of

PHASES = ("VAL", "TEST")


@dataclass(frozen=True)
class Tested:
    """A test in the log: after how many updates, on which phase, with how many nonzero weights."""

    iteration: int
    stage: str
    phase: str
    scores: Scores
    nonzeros: int
    seconds: float | None


@dataclass(frozen=True)
class Log:
    """metrics.jsonl: (updates, training loss), the tests, and (updates, stage) where one ended."""

    losses: Sequence[tuple[int, float]]
    tests: Sequence[Tested]
    stage_ends: Sequence[tuple[int, str]]


@dataclass(frozen=True)
class Model:
    """A checkpoint in the summary, `best` or `final`, and by phase what its net puts out."""

    name: str
    iteration: int
    outputs: Mapping[str, Mapping[str, float | None]]


@dataclass(frozen=True)
class LayerBytes:
    """A layer's weight, its bytes by storage format (`best` and `floor` too) and the best one."""

    name: str
    shape: tuple[int, ...]
    params: int
    nonzeros: int
    bytes: Mapping[str, int]
    format: str
    biases: int


@dataclass(frozen=True)
class Summary:
    """summary.json. `nonzeros` of `weights` are without biases, the bytes of `total` with them."""

    net: str
    seed: int | None
    seconds: float | None
    models: Sequence[Model]
    stages: Sequence[Fields]
    missed: Sequence[str]
    layers: Sequence[LayerBytes]
    nonzeros: int
    weights: int
    total: Mapping[str, int]


def log_of(objects: Iterable[Fields]) -> Log:
    """The log of its lines; a loss that was not finite is left out. Raises FileError."""
    losses: list[tuple[int, float]] = []
    tests: list[Tested] = []
    ends: list[tuple[int, str]] = []
    for line in objects:
        iteration = line.needed_count("iter")
        if "stage_end" in line.values:
            ends.append((iteration, line.below("stage_end").text("stage")))
        elif "phase" in line.values:
            tests.append(_test(iteration, line))
        elif (loss := line.number("loss")) is not None:
            losses.append((iteration, loss))
    return Log(losses, tests, ends)


def _test(iteration: int, line: Fields) -> Tested:
    counts = line.below("nonzeros")
    return Tested(
        iteration,
        line.text("stage"),
        line.text("phase"),
        scores_of(line, ""),
        sum(counts.needed_count(name) for name in counts.values),
        line.number("seconds"),
    )


def summary_of(fields: Fields) -> Summary:
    """summary.json, read. Raises FileError."""
    memory = fields.below("memory")
    total = memory.below("total")
    weights = total.below("weights")
    models = [(name, fields.below(name)) for name in ("best", "final") if name in fields.values]
    return Summary(
        net=fields.text("net"),
        seed=fields.count("random_seed"),
        seconds=fields.number("seconds"),
        models=[_model(name, model) for name, model in models],
        stages=fields.each("stages"),
        missed=[str(stage) for stage in fields.items("missed")],
        layers=[_layer(layer) for layer in memory.each("layers")],
        nonzeros=weights.needed_count("nonzeros"),
        weights=weights.needed_count("params"),
        total=_bytes(total),
    )


def _model(name: str, model: Fields) -> Model:
    phases = [(phase, model.below(phase)) for phase in PHASES if phase in model.values]
    return Model(name, model.needed_count("iter"), {phase: _outputs(of) for phase, of in phases})


def _outputs(fields: Fields) -> dict[str, float | None]:
    return {name: fields.number(name) for name in fields.values if name != "samples"}


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
