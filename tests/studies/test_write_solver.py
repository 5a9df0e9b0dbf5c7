"""The solver file of a network that a search has found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sparsenet.config.load import load_solver
from sparsenet.errors import ConfigError
from sparsenet.files import FileError
from sparsenet.studies.study import document_of
from sparsenet.studies.write_solver import write_solver
from sparsenet.study_folder import StudyFolder
from tests.small import configured, inner_product, net_data

SIZES = {"ip1": 512, "ip": 80}
NET = net_data(
    inner_product("ip1", 8, regularization={"type": "l0", "t": 500, "interval": 5}),
    inner_product("ip", 10),
    split=100,
)
# bytes, VAL accuracy, nonzeros of ip1 and ip
ROWS = [
    (2440, "0.900000", 512, 80),
    (2000, "0.910000", 400, 80),
    (1900, "0.880000", 400, 64),
    (1500, "0.910000", 300, 64),
    (600, "0.880000", 100, 0),
]


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    """A search as it is left behind."""
    found = StudyFolder(tmp_path)
    stages = [{"until": {"iters": 5}}]
    solver = configured(NET, weight_decay=0.01, stages=stages)
    found.study.write_text(json.dumps(document_of("search", Path("s.yaml"), solver, {})))
    lines = ["round,nonzeros,bytes,val_accuracy,test_accuracy,key,nonzeros.ip1,nonzeros.ip"]
    for place, (size, val, ip1, ip) in enumerate(ROWS):
        test = "0.500000" if place else ""
        lines.append(f"{place},{ip1 + ip},{size},{val},{test},{place:016x},{ip1},{ip}")
    found.accepted.write_text("\n".join(lines) + "\n")
    return found


def rules(path: Path) -> list[dict[str, Any] | None]:
    layers = load_solver(path).solver.net.layers
    return [
        None
        if layer.regularization is None
        else layer.regularization.model_dump(exclude_unset=True)
        for layer in layers
        if layer.name in SIZES
    ]


def test_the_best_network_that_is_small_enough_trains_again(folder: StudyFolder) -> None:
    path = write_solver(folder, "2000")
    assert path == folder.path / "solver-2000.yaml"
    # Two of 91 %, of which the second is smaller.
    assert rules(path) == [
        {"type": "l0", "interval": 5, "t": 300},
        {"type": "l0", "weight_decay": 0.01, "t": 64},
    ]
    solver = load_solver(path).solver
    assert (solver.max_iter, solver.base_lr, solver.stages) == (10, 0.1, ())


@pytest.mark.parametrize(
    ("size", "t"), [("1499", 100), ("599.9B", None), ("1.9 KiB", 300), ("1KiB", 100), ("600", 100)]
)
def test_at_most_so_many_bytes(size: str, t: int | None, folder: StudyFolder) -> None:
    if t is not None:
        path = write_solver(folder, size)
        assert path.name == f"solver-{size.replace(' ', '')}.yaml"
        assert (rules(path)[0] or {})["t"] == t
        return
    with pytest.raises(ConfigError) as raised:
        write_solver(folder, size)
    assert str(raised.value) == (
        f"--write-solver {size}: the smallest network of the search takes 600 B; let it go on to "
        "a smaller budget"
    )


def test_an_emptied_layer_keeps_one_weight_and_a_dense_layer_its_rule(folder: StudyFolder) -> None:
    assert [(rule or {})["t"] for rule in rules(write_solver(folder, "600"))] == [100, 1]
    lines = folder.accepted.read_text().splitlines()
    folder.accepted.write_text("\n".join([lines[0], lines[1], ""]))
    # The solver's own l0 had t = 500, which the search left out.
    kept = {"type": "l0", "t": 512, "interval": 5}
    assert rules(write_solver(folder, "1MiB")) == [kept, None]


def test_its_head_says_what_it_is_of(folder: StudyFolder) -> None:
    lines = write_solver(folder, "2000").read_text().splitlines()
    assert lines[:3] == [
        "# Round 3 of a search: 364 of 592 weights,",
        "# 1.5 KiB in the best formats. It had VAL 91.00 %, TEST 50.00 %. From its weights:",
        f"# --weights {folder.path}/trials/{3:016x}/final.pt",
    ]
    lines = folder.accepted.read_text().splitlines()
    folder.accepted.write_text("\n".join([*lines[:2], ""]))
    assert "It had VAL 90.00 %. From" in write_solver(folder, "1MiB").read_text()


def test_what_is_no_size(folder: StudyFolder) -> None:
    with pytest.raises(ConfigError) as raised:
        write_solver(folder, "small")
    words = "--write-solver small: is not a size such as 64KiB, 1.5MiB or 65536"
    assert str(raised.value) == words


def test_a_folder_that_is_not_a_searchs(folder: StudyFolder) -> None:
    folder.study.unlink()
    with pytest.raises(ConfigError, match=r"is not the folder of a search: it has no study.json$"):
        write_solver(folder, "2000")
    folder.accepted.unlink()
    with pytest.raises(ConfigError, match=r"is not the folder of a search: it has no path.csv$"):
        write_solver(folder, "2000")


@pytest.mark.parametrize("other", [("ip1", "fc"), (",300,64", ",513,64")])
def test_a_path_that_is_of_another_net(other: tuple[str, str], folder: StudyFolder) -> None:
    folder.accepted.write_text(folder.accepted.read_text().replace(*other))
    with pytest.raises(FileError) as raised:
        write_solver(folder, "2000")
    words = f"{folder.accepted}: is of another net than study.json beside it"
    assert str(raised.value) == words


def test_a_study_whose_configuration_is_damaged(folder: StudyFolder) -> None:
    study = json.loads(folder.study.read_text())
    study["configuration"]["max_iter"] = "many"
    folder.study.write_text(json.dumps(study))
    with pytest.raises(ConfigError, match=rf"^{folder.study}: max_iter: "):
        write_solver(folder, "2000")
    assert not list(folder.path.glob("solver-*"))
