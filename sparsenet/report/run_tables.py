"""The tables in the report of a run."""

from __future__ import annotations

from collections.abc import Sequence

from sparsenet.report import tables
from sparsenet.report.columns import dims
from sparsenet.report.html import Html
from sparsenet.report.tables import Cell, Column, Table, table
from sparsenet.results.rows import LayerBytes, LogTest, Model, Stage, Summary

_FORMATS = (
    *("dense", "bitmask", "indexed", "csr", "relative4", "relative8", "periodic"),
    *("best", "floor"),
)


def models(found: Sequence[Model]) -> Html:
    """A row a checkpoint and phase, with all its net puts out."""
    rows = [(model, phase) for model in found for phase in model.outputs]
    names = dict.fromkeys(name for model, phase in rows for name in model.outputs[phase])
    shown: list[Column[tuple[Model, str]]] = [
        Column("network", lambda row: tables.label(f"{row[0].name}.pt"), numeric=False),
        Column("updates", lambda row: tables.whole(row[0].iteration)),
        Column("phase", lambda row: tables.label(row[1]), numeric=False),
        *map(_output, names),
    ]
    return table(Table("table-models", "Measured on all data held out", shown, rows))


def _output(name: str) -> Column[tuple[Model, str]]:
    share = name.startswith("accuracy")

    def cell(row: tuple[Model, str]) -> Cell:
        value = row[0].outputs[row[1]].get(name)
        return tables.percent(value) if share else tables.decimal(value)

    return Column(f"{name} %" if share else name, cell)


def memory(summary: Summary) -> Html:
    """The memory of each layer in every format."""
    there = [name for name in _FORMATS if all(name in layer.bytes for layer in summary.layers)]
    shown: list[Column[LayerBytes]] = [
        Column("layer", lambda layer: tables.label(layer.name), numeric=False),
        Column("shape", lambda layer: tables.label(dims(layer.shape)), numeric=False),
        Column("weights", lambda layer: tables.whole(layer.params)),
        Column("biases", lambda layer: tables.whole(layer.biases)),
        Column("nonzeros", lambda layer: tables.whole(layer.nonzeros)),
        Column("density %", _density),
        *map(_size, there),
        Column("format", lambda layer: tables.label(layer.format), numeric=False),
    ]
    title = "Memory of each layer's weights by storage format, in KiB, without biases"
    return table(Table("table-memory", title, shown, summary.layers))


def _density(layer: LayerBytes) -> Cell:
    return tables.percent(layer.nonzeros / layer.params if layer.params else None)


def _size(name: str) -> Column[LayerBytes]:
    hint = "the information floor" if name == "floor" else None
    return Column(name, lambda layer: tables.kib(layer.bytes[name]), hint=hint)


def tests(found: Sequence[LogTest]) -> Html:
    """Every test in the log."""
    shown: list[Column[LogTest]] = [
        Column("updates", lambda row: tables.whole(row.iteration)),
        Column("phase", lambda row: tables.label(row.phase), numeric=False),
        Column("stage", lambda row: tables.label(row.stage), numeric=False),
        Column("accuracy %", lambda row: tables.percent(row.accuracy)),
        Column("loss", lambda row: tables.decimal(row.loss)),
        Column("nonzeros", lambda row: tables.whole(row.nonzeros), hint="weights without biases"),
        Column("seconds", lambda row: tables.whole(row.seconds), hint="since the start"),
    ]
    return table(Table("table-tests", "Tests in the order of the log", shown, found))


def stages(found: Sequence[Stage]) -> Html:
    """How each stage ended."""
    shown: list[Column[Stage]] = [
        Column("stage", lambda row: tables.label(row.name), numeric=False),
        Column("began", lambda row: tables.whole(row.began)),
        Column("ended", lambda row: tables.whole(row.ended)),
        Column("outcome", lambda row: tables.label(row.outcome), numeric=False),
        Column("accuracy %", lambda row: tables.percent(row.accuracy)),
    ]
    return table(Table("table-stages", "Stages, their updates and their outcome", shown, found))
