"""What a reader sees, to the letter, and what a program reads, to the key."""

from __future__ import annotations

import csv
import io
import json

import pytest

from sparsenet.storage.accounting import ModelMemory
from sparsenet.storage.formats import FORMATS
from sparsenet.storage.report import (
    SPEED_NOTE,
    human_bytes,
    memory_csv,
    memory_json,
    memory_table,
)

LENET_TABLE = """\
layer shape     weights nonzeros dens%   dense  bitmask  indexed      csr relative4 relative8     best format       floor
-------------------------------------------------------------------------------------------------------------------------
conv1 20x1x5x5      500       25   5.0  2.0KiB     163B     150B     284B      128B      126B     126B relative8     118B
conv2 50x20x5x5  25,000    1,250   5.0 97.7KiB   7.9KiB   7.3KiB  10.0KiB    6.3KiB    6.2KiB   6.2KiB relative8   5.8KiB
ip1   500x800   400,000   20,000   5.0  1.5MiB 127.0KiB 156.2KiB 158.2KiB  100.3KiB   99.1KiB  99.1KiB relative8  92.1KiB
ip2   10x500      5,000      250   5.0 19.5KiB   1.6KiB   1.5KiB   2.0KiB    1.3KiB    1.2KiB   1.2KiB relative8   1.2KiB
-------------------------------------------------------------------------------------------------------------------------
total weights   430,500   21,525   5.0  1.6MiB 136.6KiB 165.2KiB 170.4KiB  107.9KiB  106.7KiB 106.7KiB            99.1KiB
total + biases  431,080   22,105   5.1  1.6MiB 138.9KiB 167.5KiB 172.7KiB  110.2KiB  108.9KiB 108.9KiB           101.4KiB

Weights: 1.6 MiB dense, 106.7 KiB in the best formats (ratio 15.8), information floor 99.1 KiB.
With biases: 1.6 MiB dense, 108.9 KiB in the best formats (ratio 15.5), information floor 101.4 KiB.
As in the paper, each layer dense or indexed: 170.4 KiB (ratio 9.9).
"""  # noqa: E501


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1_048_524, "1023.9 KiB"),
        (1_048_525, "1.0 MiB"),
        (243_860_896, "232.6 MiB"),
        (3 * 2**30, "3072.0 MiB"),
    ],
)
def test_bytes_for_people(count: int, text: str) -> None:
    assert human_bytes(count) == text


def test_the_table_of_lenet_at_five_percent(lenet: ModelMemory) -> None:
    assert memory_table(lenet) == LENET_TABLE + SPEED_NOTE


@pytest.mark.parametrize("network", ["lenet", "dense_lenet", "alexnet", "dense_alexnet"])
def test_the_table_fits_a_terminal(network: str, request: pytest.FixtureRequest) -> None:
    table = memory_table(request.getfixturevalue(network))
    assert max(len(line) for line in table.splitlines()) <= 132


def test_the_table_reports_alexnet_as_published(alexnet: ModelMemory) -> None:
    table = memory_table(alexnet)
    assert "With biases: 232.6 MiB dense, 38.1 MiB in the best formats (ratio 6.1)" in table


def test_rows_split_at_their_gaps(alexnet: ModelMemory) -> None:
    lines = memory_table(alexnet).splitlines()
    words = {line.split()[0]: line.split() for line in lines[2:10]}
    assert list(words) == [layer.name for layer in alexnet.layers]
    assert {len(row) for row in words.values()} == {len(lines[0].split())}
    assert words["fc6"][:5] == ["fc6", "4096x9216", "37,748,736", "3,000,000", "7.9"]


def test_promised_counts_are_headed_t(lenet: ModelMemory) -> None:
    assert memory_table(lenet, counts="t").splitlines()[0].split()[3] == "t"


@pytest.mark.parametrize("layers", [[], [("ip", (4, 4), 0, 0)]])
def test_a_table_without_bytes_has_no_ratio(
    layers: list[tuple[str, tuple[int, ...], int, int]],
) -> None:
    table = memory_table(ModelMemory.of(layers))
    assert "0 B in the best formats, information floor 0 B." in table
    assert "ratio" not in table


def test_csv_has_whole_bytes(lenet: ModelMemory) -> None:
    rows = list(csv.DictReader(io.StringIO(memory_csv(lenet))))
    assert [row["name"] for row in rows] == [
        *("conv1", "conv2", "ip1", "ip2"),
        *("total (weights)", "total (with biases)"),
    ]
    assert rows[2] == {
        "name": "ip1",
        "shape": "500x800",
        "params": "400000",
        "biases": "500",
        "nonzeros": "20000",
        "density": "0.050000",
        "dense_bytes": "1600000",
        "bitmask_bytes": "130000",
        "indexed_bytes": "160000",
        "csr_bytes": "162004",
        "relative4_bytes": "102667",
        "relative8_bytes": "101490",
        "periodic_bytes": "1600001",
        "best_bytes": "101490",
        "floor_bytes": "94319",
        "best": "relative8",
    }
    for total, row in [(lenet.weights, rows[-2]), (lenet.total, rows[-1])]:
        assert int(row["params"]) == total.params
        assert {key: int(row[f"{key}_bytes"]) for key in total.bytes} == total.bytes
    assert [row["biases"] for row in rows[-2:]] == ["0", "580"]


def test_json_has_the_keys_promised(lenet: ModelMemory) -> None:
    document = json.loads(json.dumps(memory_json(lenet), allow_nan=False))
    sizes = {"dense", "bitmask", "indexed", "csr", "relative4", "relative8", "periodic"}
    sizes |= {"best", "floor"}
    assert set(document) == {"layers", "total"}
    for layer in document["layers"]:
        assert set(layer) == {"name", "shape", "params", "nonzeros", "bytes", "best", "biases"}
        assert set(layer["bytes"]) == sizes
        assert layer["best"] in FORMATS
        assert layer["bytes"]["best"] == layer["bytes"][layer["best"]]
    total = document["total"]
    assert set(total) == {"params", "nonzeros", "bytes", "ratio", "dense_or_indexed", "weights"}
    assert set(total["weights"]) == {"params", "nonzeros", "bytes", "ratio"}
    assert set(total["bytes"]) == set(total["weights"]["bytes"]) == sizes


def test_json_adds_up(lenet: ModelMemory) -> None:
    document = memory_json(lenet)
    layers, total = document["layers"], document["total"]
    assert layers[0]["shape"] == [20, 1, 5, 5]
    biases = sum(layer["biases"] for layer in layers)
    assert (total["params"], total["nonzeros"], biases) == (431_080, 22_105, 580)
    for key in ("params", "nonzeros"):
        assert sum(layer[key] for layer in layers) == total["weights"][key] == total[key] - biases
    for key, size in total["bytes"].items():
        weights = sum(layer["bytes"][key] for layer in layers)
        assert weights == total["weights"]["bytes"][key] == size - 4 * biases
    assert total["ratio"] == 1_724_320 / 111_547


def test_json_of_nothing_has_a_null_ratio() -> None:
    assert memory_json(ModelMemory.of([]))["total"]["ratio"] is None
