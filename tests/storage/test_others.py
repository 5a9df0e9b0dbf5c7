"""What is stored beside weights and their biases: in the totals, the table, the CSV, the JSON."""

from __future__ import annotations

import csv
import io
import json

import pytest

from sparsenet.storage.accounting import SIZES, ModelMemory, OtherMemory
from sparsenet.storage.report import memory_csv, memory_json, memory_table

LAYERS = [("conv", (8, 3, 3, 3), 50, 0), ("ip", (10, 8), 80, 10)]
OTHERS = [("bn1", 16, 16), ("bn2", 0, 17), ("relu", 8, 0)]
PARAMETERS, STATISTICS = 24, 33


@pytest.fixture(scope="module")
def plain() -> ModelMemory:
    return ModelMemory.of(LAYERS)


@pytest.fixture(scope="module")
def memory() -> ModelMemory:
    return ModelMemory.of(LAYERS, OTHERS)


def test_statistics_take_bytes_but_are_no_parameters(
    plain: ModelMemory, memory: ModelMemory
) -> None:
    assert memory.weights == plain.weights
    assert memory.total.params == plain.total.params + PARAMETERS == 216 + 80 + 10 + 24
    assert memory.total.nonzeros == plain.total.nonzeros + PARAMETERS
    for key in SIZES:
        assert memory.total.bytes[key] == plain.total.bytes[key] + 4 * (PARAMETERS + STATISTICS)
    assert (memory.biases, memory.statistics) == (10, STATISTICS)


def test_a_layer_of_statistics_alone_has_bytes_and_no_density() -> None:
    total = OtherMemory("bn", 0, 17).total
    assert (total.params, total.nonzeros, total.density) == (0, 0, 0.0)
    assert set(total.bytes.values()) == {68}
    assert OtherMemory("bn", 5, 4).total.density == 1.0


def test_the_table_says_what_its_total_has_besides(memory: ModelMemory, plain: ModelMemory) -> None:
    lines, without = memory_table(memory).splitlines(), memory_table(plain).splitlines()
    assert lines[:5] == without[:5]
    assert lines[6].split()[:5] == ["total", "+", "others", "330", "164"]
    assert lines[9].startswith("With others: 1.4 KiB dense, ")
    assert lines[10] == (
        "Others: 34 biases, scales and slopes, and 33 statistics, which are no parameters; "
        "4 bytes each."
    )
    assert lines[-1] == without[-1]


def test_without_statistics_it_speaks_of_none() -> None:
    table = memory_table(ModelMemory.of(LAYERS, [("relu", 8, 0)]))
    assert "Others: 18 biases, scales and slopes; 4 bytes each." in table.splitlines()


def test_the_lines_of_the_csv_add_up(memory: ModelMemory) -> None:
    rows = list(csv.DictReader(io.StringIO(memory_csv(memory))))
    names = ["conv", "ip", "bn1", "bn2", "relu", "total (weights)", "total (with others)"]
    assert [row["name"] for row in rows] == names
    *layers, _, total = rows
    counted = sum(int(row["params"]) + int(row["biases"]) for row in layers)
    assert counted == int(total["params"]) == memory.total.params
    biases = sum(int(row["biases"]) for row in layers)
    assert biases == int(total["biases"]) == 10
    for key in SIZES:
        size = sum(int(row[f"{key}_bytes"]) for row in layers) + 4 * biases
        assert size == int(total[f"{key}_bytes"])


def test_the_json_lists_them_where_there_are_any(memory: ModelMemory, plain: ModelMemory) -> None:
    document = json.loads(json.dumps(memory_json(memory)))
    assert document["others"] == [
        {"name": name, "parameters": p, "statistics": s} for name, p, s in OTHERS
    ]
    assert document["total"]["params"] == memory.total.params
    assert document["layers"] == memory_json(plain)["layers"]
    assert "others" not in memory_json(plain)
