"""What the report of an ensemble study says, from study.json and ensemble.csv."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sparsenet.report import columns, tables
from sparsenet.report.html import Html
from sparsenet.report.page import Fact, Report, Section, settings
from sparsenet.report.tables import Cell, Column, Table, table
from sparsenet.results.rows import Member, Study
from sparsenet.results.words import counted, kib, known, mean, spread


@dataclass(frozen=True)
class Size:
    """The ensembles of one number of members: their members, and themselves."""

    members: int
    single: Sequence[Member]
    whole: Sequence[Member]


def ensemble_report(study: Study, rows: Sequence[Member]) -> Report:
    """The report. `rows` has a row."""
    sizes = [_size(rows, count) for count in sorted({row.members for row in rows})]
    sections = [
        Section("sizes", "By number of members", [_by_size(sizes)]),
        Section("members", "Members and ensembles", [_every(rows)]),
        Section("layers", "Layers", [columns.study_layers(study)]),
        Section("settings", "Settings", [settings({"solver": study.solver, **study.settings})]),
    ]
    return Report(f"Ensembles of {study.net}", _lead(sizes), _facts(sizes), sections)


def _size(rows: Sequence[Member], count: int) -> Size:
    own = [row for row in rows if row.members == count]
    single = [row for row in own if row.member is not None]
    return Size(count, single, [row for row in own if row.member is None])


def _lead(sizes: Sequence[Size]) -> list[str]:
    trained = sum(len(size.single) for size in sizes)
    wholes = sum(len(size.whole) for size in sizes)
    first = f"{counted(wholes, 'ensemble')} of {counted(trained, 'member')} in all."
    return [first, *filter(None, map(_in_words, sizes))]


def _in_words(size: Size) -> str:
    if not size.whole or size.members == 1:
        return ""
    memory = kib(mean([row.bytes for row in size.whole]))
    together, alone = (spread(_accuracies(rows)) for rows in (size.whole, size.single))
    return (
        f"{counted(size.members, 'member')}, {memory} KiB in all: {together} % on test, "
        f"where one of its members alone has {alone} %."
    )


def _accuracies(rows: Sequence[Member]) -> list[float]:
    return known(row.test_accuracy for row in rows)


def _facts(sizes: Sequence[Size]) -> list[Fact]:
    return [
        Fact(
            counted(size.members, "member"),
            f"{spread(_accuracies(size.whole))} %",
            f"on test, {kib(mean([row.bytes for row in size.whole]))} KiB",
        )
        for size in sizes
        if _accuracies(size.whole)
    ]


def _by_size(sizes: Sequence[Size]) -> Html:
    shown: list[Column[Size]] = [
        Column("members", lambda size: tables.whole(size.members)),
        Column("ensembles", lambda size: tables.whole(len(size.whole))),
        Column("KiB", lambda size: tables.kib(mean([row.bytes for row in size.whole]))),
        Column("nonzeros", lambda size: tables.whole(mean([row.nonzeros for row in size.whole]))),
        Column("ensemble test %", lambda size: _spread(size.whole)),
        Column("one member test %", lambda size: _spread(size.single)),
        Column("gain, points", _gain),
    ]
    title = (
        "Means over the ensembles of a size, with the standard deviation where there are several"
    )
    return table(Table("table-sizes", title, shown, sizes))


def _spread(rows: Sequence[Member]) -> Cell:
    shares = _accuracies(rows)
    return Cell(spread(shares), mean(shares))


def _gain(size: Size) -> Cell:
    """How much better the whole is than its members."""
    together, alone = mean(_accuracies(size.whole)), mean(_accuracies(size.single))
    return tables.percent(None if together is None or alone is None else together - alone)


def _every(rows: Sequence[Member]) -> Html:
    shown: list[Column[Member]] = [
        Column("members", lambda row: tables.whole(row.members)),
        Column("ensemble", lambda row: tables.whole(row.trial)),
        Column("member", lambda row: Cell(str(row.member or "whole"), row.member or 0)),
        Column("seed", lambda row: tables.seed(row.seed)),
        Column("nonzeros", lambda row: tables.whole(row.nonzeros), hint="weights and biases"),
        Column("KiB", lambda row: tables.kib(row.bytes), hint="in the best formats, with biases"),
        *columns.scores(),
        columns.trial(),
    ]
    strong = frozenset(place for place, row in enumerate(rows) if row.member is None)
    title = "Every member, and in bold the ensembles"
    return table(Table("table-members", title, shown, rows, strong))
