"""The distribution of nonzeros that an ensemble takes: of a search, by counts, or by a density."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sparsenet.errors import ConfigError
from sparsenet.files import FileError
from sparsenet.studies.distribution import DistributionOptions

SHAPES = {"conv": (4, 1, 3, 3), "ip": (10, 8)}
SIZES = {"conv": 36, "ip": 80}
PATH = [
    {"conv": 36, "ip": 80},
    {"conv": 36, "ip": 64},
    {"conv": 28, "ip": 64},
    {"conv": 2, "ip": 9},
]


def search(folder: Path, rows: list[dict[str, int]] = PATH, **shapes: Any) -> Path:
    """The folder of a search with these networks on its path; `shapes` go into study.json."""
    folder.mkdir(exist_ok=True)
    names = list(rows[0])
    head = ["round", "nonzeros", "bytes", "val_accuracy", "test_accuracy", "key"]
    lines = [",".join([*head, *(f"nonzeros.{name}" for name in names)])]
    for place, row in enumerate(rows):
        known = [place, sum(row.values()), 8 * sum(row.values()), 0.5, "", f"{place:016x}"]
        lines.append(",".join(map(str, [*known, *row.values()])))
    (folder / "path.csv").write_text("\n".join(lines) + "\n")
    if shapes:
        layers = {name: {"shape": shape} for name, shape in shapes.items()}
        study = {"settings": {}, "configuration": {}, "layers": layers}
        (folder / "study.json").write_text(json.dumps(study))
    return folder


def counts(most: int, **options: Any) -> dict[str, int]:
    return DistributionOptions(**options).counts(SHAPES, SIZES, most)


def refused(most: int, **options: Any) -> str:
    with pytest.raises(ConfigError) as raised:
        counts(most, **options)
    return str(raised.value)


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (1000, {}),
        (116, {}),
        (115, {"ip": 64}),
        (100, {"ip": 64}),
        (99, {"conv": 28, "ip": 64}),
        (92, {"conv": 28, "ip": 64}),
        (91, {"conv": 2, "ip": 9}),
        (11, {"conv": 2, "ip": 9}),
    ],
)
def test_the_largest_network_of_the_path_that_fits(
    most: int, expected: dict[str, int], tmp_path: Path
) -> None:
    assert counts(most, search=search(tmp_path)) == expected


def test_the_order_of_the_path_does_not_matter(tmp_path: Path) -> None:
    assert counts(99, search=search(tmp_path, PATH[::-1])) == {"conv": 28, "ip": 64}


def test_a_path_with_no_network_so_sparse(tmp_path: Path) -> None:
    assert refused(10, search=search(tmp_path)) == (
        f"--from {tmp_path}: its sparsest network has 11 nonzero weights, more than 10; "
        "let the search go on to fewer"
    )


def test_a_layer_that_was_not_searched_stays_dense_and_counts(tmp_path: Path) -> None:
    rows = [{"ip": 80}, {"ip": 50}]
    assert counts(86, search=search(tmp_path, rows)) == {"ip": 50}
    assert "has 86 nonzero weights, more than 85" in refused(85, search=search(tmp_path, rows))


def test_a_layer_that_a_global_search_has_emptied_keeps_one(tmp_path: Path) -> None:
    rows = [{"conv": 0, "ip": 20}, {"conv": 5, "ip": 10}]
    assert counts(21, search=search(tmp_path, rows)) == {"conv": 1, "ip": 20}
    assert counts(20, search=search(tmp_path, rows)) == {"conv": 5, "ip": 10}


def test_a_search_of_another_net_is_refused(tmp_path: Path) -> None:
    rows = [{"conv": 36, "fc": 80}]
    words = f"--from {tmp_path}: is of another net, with"
    assert refused(99, search=search(tmp_path, rows)) == f"{words} a layer fc"
    rows = [{"conv": 36, "ip": 160}, {"conv": 2, "ip": 9}]
    assert refused(99, search=search(tmp_path, rows)) == f"{words} another shape of ip"
    folder = search(tmp_path, conv=[4, 1, 3, 3], ip=[10, 16])
    assert refused(99, search=folder) == f"{words} another shape of ip"
    assert counts(99, search=search(tmp_path, conv=[4, 1, 3, 3], ip=[10, 8])) == PATH[2]


@pytest.mark.parametrize("layers", ["none", {"conv": 5}, None, [1]])
def test_a_study_that_says_no_shapes_is_taken_by_its_path(layers: object, tmp_path: Path) -> None:
    study = {"settings": {}, "configuration": {}, "layers": layers}
    (search(tmp_path) / "study.json").write_text(json.dumps(study))
    assert counts(99, search=tmp_path) == PATH[2]


def test_a_folder_that_no_search_has_left(tmp_path: Path) -> None:
    words = f"{tmp_path}: is not the folder of a search: it has no path.csv"
    assert refused(99, search=tmp_path) == words
    for text in ("round,nonzeros\n", "round,nonzeros\n1\n"):
        (tmp_path / "path.csv").write_text(text)
        with pytest.raises(FileError, match=r"path.csv:1: "):
            counts(99, search=tmp_path)


def test_counts_by_layer() -> None:
    assert counts(86, t="ip=50") == {"ip": 50}
    assert counts(86, t="ip=62.5%,conv=36") == {"ip": 50, "conv": 36}
    assert (
        refused(85, t="ip=50") == "--t ip=50: 86 nonzero weights are more than the 85 of its share"
    )
    assert refused(85, t="fc=50").startswith("--t: fc: the net has no such layer with weights")


def test_a_density_of_every_layer() -> None:
    assert counts(58, density="50%") == {"conv": 18, "ip": 40}
    assert refused(57, density="50%") == (
        "--density 50%: 58 nonzero weights are more than the 57 of its share"
    )
    assert refused(99, density="50%,20%") == "--density 50%,20%: one density is needed here"
    assert refused(99, density="0.1%").startswith("--density: conv: 0.1% of 36 weights is less")


def test_exactly_one_of_the_three_is_needed(tmp_path: Path) -> None:
    words = "give one of --from, --t, --density"
    assert refused(99) == f"the distribution: is missing; {words}"
    assert refused(99, t="ip=5", density="5%") == (
        f"the distribution: --t and --density exclude each other; {words}"
    )
    assert "--from and --t exclude" in refused(99, search=tmp_path, t="ip=5")
