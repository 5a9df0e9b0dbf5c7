"""A Data layer may leave its images' shape to its LMDB, which then is not needed any more."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from sparsenet.config.load import from_data, load_net, load_solver
from sparsenet.errors import ConfigError
from tests.data.lmdbs import encoded, pictures, raw, write_lmdb, write_records

NET = """
layers:
  - name: images
    type: Data
    source: lmdb
    root: {root}
    folder: set
    batch_size: 2
  - {{name: ip, type: InnerProduct, num_output: 3}}
  - {{name: loss, type: SoftmaxWithLoss, bottom: [ip, label]}}
"""


@pytest.fixture
def solver(tmp_path: Path) -> Path:
    write_lmdb(tmp_path / "set", map(raw, pictures(2, (2, 6, 5))))
    (tmp_path / "net.yaml").write_text(NET.format(root=tmp_path))
    (tmp_path / "solver.yaml").write_text("net: net.yaml\nmax_iter: 1\nbase_lr: 0.1\n")
    return tmp_path / "solver.yaml"


def test_it_is_that_of_the_first_record_and_stays(solver: Path) -> None:
    loaded = load_solver(solver)
    assert loaded.solver.net.layers[0].shape == (2, 6, 5)
    assert load_net(solver.with_name("net.yaml")) == loaded.solver.net
    shutil.rmtree(solver.parent / "set")
    assert from_data(loaded.data, "checkpoint").solver == loaded.solver


@pytest.mark.parametrize("channels", [1, 3])
def test_encoded_images_have_their_own(solver: Path, channels: int) -> None:
    write_records(solver.parent / "set", {"0": encoded(pictures(1, (channels, 4, 9))[0])})
    assert load_solver(solver).solver.net.layers[0].shape == (channels, 4, 9)


def test_one_that_is_given_is_not_looked_up(solver: Path) -> None:
    shutil.rmtree(solver.parent / "set")
    given = load_solver(solver, ["net.layers.images.shape=[3, 7, 7]"])
    assert given.solver.net.layers[0].shape == (3, 7, 7)


def problems(solver: Path, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_solver(solver, overrides)
    return [str(problem) for problem in caught.value.problems]


def test_without_the_lmdb_it_is_asked_for_in_one_line(solver: Path) -> None:
    shutil.rmtree(solver.parent / "set")
    [line] = problems(solver)
    place = f"{solver.with_name('net.yaml')}:3: net.layers.images.shape"
    missing = f"{solver.parent}/set/data.mdb: no such file: say with root and folder"
    assert line.startswith(f"{place}: is missing, and cannot be looked up: {missing}")


def test_a_record_that_is_no_image_is_named(solver: Path) -> None:
    write_records(solver.parent / "set", {"0": b"\xff"})
    [line] = problems(solver)
    place = f"{solver.parent}/set: record '0'"
    assert line.endswith(f"is missing, and cannot be looked up: {place}: is no Datum of Caffe's")


@pytest.mark.parametrize("library", ["lmdb", "google.protobuf"])
def test_without_the_extra_it_says_what_to_install(
    solver: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    [line] = problems(solver)
    assert line.endswith("not installed: pip install 'sparsenet[caffe]'")


def test_what_is_wrong_besides_is_told_too(solver: Path) -> None:
    found = problems(solver, "net.layers.images.folder=3", "base_lr=0")
    assert [line.split(": ")[1] for line in found if "base_lr" not in line] == [
        "net.layers.images.folder"
    ]
    assert len(found) == 2
