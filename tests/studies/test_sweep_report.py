"""sweep.csv and the table of a sweep, by hand."""

from __future__ import annotations

import csv
import io
from typing import Any

from sparsenet.config.sweep import Method
from sparsenet.studies.grid import Setting
from sparsenet.studies.sweep_report import Row, sweep_csv, sweep_json, sweep_table
from sparsenet.trials.result import Result
from sparsenet.trials.trial import Trial
from tests.small import configured, inner_product, net_data
from tests.studies.fakes import result

DATA = configured(net_data(inner_product("ip", 10)), max_iter=7).data
SIZES = {"ip": 640}


def row(method: str, seed: int, columns: dict[str, Any], val: float | None, **keys: Any) -> Row:
    layers = keys.pop("layers", "all")
    found = result({"ip": keys.pop("nonzeros", 64)}, SIZES, val, **keys)
    if keys.get("failed"):
        found = Result("0" * 16, failed=keys["failed"])
    setting = Setting(method, Method(), layers, columns, ())
    return Row(setting, Trial(DATA | {"random_seed": seed}), found)


ROWS = [
    row("dense", 1, {}, 0.9, layers="", nonzeros=640, bytes=2600),
    row("l0", 1, {"t": "10%"}, 0.80, bytes=376, loss={"TEST": 1.5}, samples={"TRAIN": 1337}),
    row("l0", 2, {"t": "10%"}, 0.90, bytes=376, nonzeros=60),
    row("l0", 1, {"t": "1%"}, None, failed="the loss is not finite, at 3"),
    row("l0", 1, {"net.layers.d.subset": 500, "t": "5%"}, 0.5, params=650),
]


def test_the_columns_of_the_csv() -> None:
    rows = list(csv.DictReader(io.StringIO(sweep_csv(ROWS))))
    assert list(rows[0]) == [
        *("method", "layers", "t", "net.layers.d.subset", "seed", "samples", "weights"),
        *("nonzeros", "density", "bytes", "train_accuracy", "val_accuracy", "test_accuracy"),
        *("train_loss", "val_loss", "test_loss", "iterations", "failed", "key", "nonzeros.ip"),
    ]
    key = Trial(DATA | {"random_seed": 1}).key
    assert list(rows[1].values()) == [
        *("l0", "all", "10%", "", "1", "1337", "640", "64", "0.100000", "376"),
        *("", "0.800000", "", "", "", "1.500000", "7", "", key, "64"),
    ]
    assert (rows[0]["layers"], rows[0]["t"], rows[0]["nonzeros"]) == ("", "", "640")
    assert list(rows[3].values())[5:] == [*[""] * 11, "7", "the loss is not finite, at 3", key, ""]
    assert (rows[4]["net.layers.d.subset"], rows[4]["t"]) == ("500", "5%")


def test_the_table_is_of_means_over_the_seeds() -> None:
    lines = sweep_table(ROWS, ["l1, all: from 1 to 2"]).splitlines()
    assert lines[0].split() == [
        *("method", "layers", "t", "subset", "seeds", "nonzeros", "dens%", "VAL")
    ]
    assert lines[2].split() == ["dense", "1", "640", "100.00", "90.00"]
    assert lines[3].split() == ["l0", "all", "10%", "2", "62", "9.69", "85.00", "±", "7.07"]
    assert lines[4].split() == ["l0", "all", "1%", "0", "-", "-", "-"]
    assert lines[5].split() == ["l0", "all", "5%", "500", "1", "64", "10.00", "50.00"]
    assert lines[-2:] == ["l1, all: from 1 to 2", "1 of 5 trials diverged."]


def test_a_sweep_that_acts_on_no_layer_has_no_column_of_them() -> None:
    lines = sweep_table([ROWS[0]], []).splitlines()
    assert lines[0].split() == ["method", "seeds", "nonzeros", "dens%", "VAL"]


def test_lists_and_mappings_have_a_line_each() -> None:
    steps: list[Any] = [[10, 20], [30], {"type": "l1"}]
    rows = [row("m", 1, {"stepvalue": value}, 0.5) for value in steps]
    lines = sweep_table(rows, []).splitlines()
    assert [line.split("  ")[0] for line in lines[2:5]] == ["m", "m", "m"]
    assert "[10, 20]" in lines[2]
    assert "{'type': 'l1'}" in lines[4]
    assert sweep_json(rows)[0]["values"] == {"stepvalue": [10, 20]}


def test_where_all_diverged() -> None:
    rows = [row("m", seed, {}, None, failed="diverged") for seed in (1, 2)]
    lines = sweep_table(rows, []).splitlines()
    assert lines[2].split() == ["m", "all", "0"]
    assert lines[-1] == "2 of 2 trials diverged."


def test_the_document_has_an_entry_a_trial() -> None:
    entries = sweep_json(ROWS)
    assert [entry["layers"] for entry in entries] == [None, "all", "all", "all", "all"]
    assert entries[1]["accuracy"] == {"VAL": 0.8}
    assert entries[1]["loss"] == {"TEST": 1.5}
    assert entries[3]["failed"] == "the loss is not finite, at 3"
    assert entries[4]["values"] == {"net.layers.d.subset": 500, "t": "5%"}
    assert [entry["seed"] for entry in entries] == [1, 1, 2, 1, 1]
