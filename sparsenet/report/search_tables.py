"""The tables in the report of a search."""

from __future__ import annotations

from collections.abc import Sequence

from sparsenet.report import columns, tables
from sparsenet.report.html import Html
from sparsenet.report.tables import Cell, Column, Table, table
from sparsenet.results.rows import Candidate, Study, StudyLayer
from sparsenet.results.words import whole


def candidates(front: Sequence[Candidate], chosen: Candidate | None) -> Html:
    """Every row of front.csv, the chosen one in bold."""
    shown: list[Column[Candidate]] = [
        Column("round", lambda row: tables.whole(row.round)),
        Column("layer cut", lambda row: tables.label(row.layer), numeric=False),
        Column("accepted", lambda row: tables.label(_yes(row.accepted)), numeric=False),
        Column("nonzeros", lambda row: tables.whole(row.nonzeros), hint="weights without biases"),
        Column("density %", lambda row: tables.percent(row.density)),
        Column("KiB", lambda row: tables.kib(row.bytes), hint="in the best formats, with biases"),
        *columns.scores(),
        Column("updates", lambda row: tables.whole(row.iterations), hint="of its training"),
        Column("spent", lambda row: tables.whole(row.spent), hint="updates of all so far"),
        columns.trial(),
    ]
    strong = frozenset(place for place, row in enumerate(front) if row is chosen)
    title = "Every network of the search, the smallest within 1 point of the start in bold"
    return table(Table("table-candidates", title, shown, front, strong))


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def layers(study: Study, network: Candidate) -> Html:
    """The layers with weights, and what `network` keeps of them."""

    def kept(layer: StudyLayer) -> Cell:
        count = network.counts.get(layer.name)
        return tables.percent(None if count is None else count / layer.weights)

    title = f"Layer by layer: the network of round {network.round}, {whole(network.bytes)} bytes"
    more: list[Column[StudyLayer]] = [
        Column("t", lambda layer: tables.whole(network.t.get(layer.name)), hint="weights allowed"),
        Column("nonzeros", lambda layer: tables.whole(network.counts.get(layer.name))),
        Column("density %", kept),
    ]
    return columns.study_layers(study, title, more)


def counts(study: Study, front: Sequence[Candidate]) -> Html:
    """The t of each layer in the networks that were accepted."""
    shown: list[Column[Candidate]] = [
        Column("round", lambda row: tables.whole(row.round)),
        Column("layer cut", lambda row: tables.label(row.layer), numeric=False),
        Column("KiB", lambda row: tables.kib(row.bytes)),
        Column("val %", lambda row: tables.percent(row.val_accuracy), hint="validation accuracy"),
        *(_t_of(layer.name) for layer in study.layers),
    ]
    accepted = [row for row in front if row.accepted]
    title = "The t of each layer along the accepted path"
    return table(Table("table-t", title, shown, accepted))


def _t_of(name: str) -> Column[Candidate]:
    return Column(name, lambda row: tables.whole(row.t.get(name)), hint=f"t of {name}")
