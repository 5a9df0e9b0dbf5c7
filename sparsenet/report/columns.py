"""The columns that the tables of several studies have."""

from __future__ import annotations

from collections.abc import Sequence

from sparsenet.report import tables
from sparsenet.report.html import Html
from sparsenet.report.tables import Column, Table, table
from sparsenet.results.rows import Measured, Study, StudyLayer


def scores() -> list[Column[Measured]]:
    """Accuracies and losses."""
    return [
        Column("val %", lambda row: tables.percent(row.val_accuracy), hint="validation accuracy"),
        Column("test %", lambda row: tables.percent(row.test_accuracy), hint="test accuracy"),
        Column("val loss", lambda row: tables.decimal(row.val_loss)),
        Column("test loss", lambda row: tables.decimal(row.test_loss)),
    ]


def trial() -> Column[Measured]:
    """The name of the run folder."""
    hint = "its run folder, below trials/"
    return Column("trial", lambda row: tables.label(row.key), numeric=False, hint=hint)


def study_layers(
    study: Study, title: str = "Layers with weights", more: Sequence[Column[StudyLayer]] = ()
) -> Html:
    """The layers of a study's net as it declares them, and `more` columns of them."""
    shown: list[Column[StudyLayer]] = [
        Column("layer", lambda layer: tables.label(layer.name), numeric=False),
        Column("shape", lambda layer: tables.label(dims(layer.shape)), numeric=False),
        Column("weights", lambda layer: tables.whole(layer.weights)),
        Column("biases", lambda layer: tables.whole(layer.biases)),
        *more,
    ]
    return table(Table("table-layers", title, shown, study.layers))


def dims(shape: Sequence[int]) -> str:
    """A shape as `32x3x5x5`."""
    return "x".join(map(str, shape))
