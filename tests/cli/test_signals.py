"""Ctrl-C and SIGTERM end the commands on models with one word, and leave nothing half-written."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sparsenet.cli.main import run
from sparsenet.workflows import held_out, timing
from tests.cli.conftest import NET, SOLVER
from tests.program.sparse_nets import NEEDS_COMPILER
from tests.small import write_solver

Captured = pytest.CaptureFixture[str]
BOTH = pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained network as `model.pt`, and packed as `model.safetensors`."""
    folder = tmp_path_factory.mktemp("home")
    solver = str(write_solver(folder, NET, SOLVER))
    run(["train", solver, "--output", str(folder / "run"), "--quiet"])
    (folder / "run/final.pt").rename(folder / "model.pt")
    packed = str(folder / "model.safetensors")
    run(["pack", str(folder / "model.pt"), "-o", packed, "--quiet"])
    return folder


@pytest.fixture(autouse=True)
def working_folder(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The models in a folder of the test's own; in the end it holds them and nothing else."""
    for name in ("model.pt", "model.safetensors"):
        (tmp_path / name).write_bytes((home / name).read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    yield
    found = sorted(str(path) for path in Path().rglob("*"))
    assert [name for name in found if name != "out"] == ["model.pt", "model.safetensors"]
    assert not Path("out").exists() or list(Path("out").iterdir()) == []


def raising(number: signal.Signals, function: Callable[..., Any], before: int = 0) -> Any:
    """The function, but for a signal at its call after so many."""
    calls = 0

    def call(*arguments: Any, **keys: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == before + 1:
            signal.raise_signal(number)
        return function(*arguments, **keys)

    return call


def assert_stopped(arguments: str, code: int, capsys: Captured) -> None:
    capsys.readouterr()
    assert run(arguments.split()) == code
    out, err = capsys.readouterr()
    assert (out, err.lstrip("\n")) == ("", "error: stopped\n")


@BOTH
@pytest.mark.parametrize(
    "arguments",
    [
        "pack model.pt -o out.safetensors --quiet",
        "unpack model.safetensors -o out.pt",
        "export model.pt --format onnx -o out.onnx",
        pytest.param("export model.safetensors --format c -o out", marks=NEEDS_COMPILER),
        "ensemble model.pt model.safetensors --output out --quiet",
    ],
)
def test_while_a_file_is_written(
    arguments: str,
    number: signal.Signals,
    code: int,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Of C the files of the draft are written first, four files in two calls each.
    before = 10 if "--format c" in arguments else 0
    monkeypatch.setattr(os, "fsync", raising(number, os.fsync, before))
    assert_stopped(arguments, code, capsys)


@BOTH
@pytest.mark.parametrize(
    ("arguments", "module"),
    [
        ("pack model.pt -o out.safetensors --quiet", "pack"),
        ("verify model.safetensors --quiet", "verify"),
        ("ensemble model.pt model.safetensors --output out --quiet", "average"),
    ],
)
def test_while_it_is_tested(
    arguments: str,
    module: str,
    number: signal.Signals,
    code: int,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Of an ensemble its members are tested first.
    before = 2 if module == "average" else 0
    stopping = raising(number, held_out.scores_of, before)
    monkeypatch.setattr(f"sparsenet.workflows.{module}.scores_of", stopping)
    assert_stopped(arguments, code, capsys)


@BOTH
def test_where_somebody_swallowed_it_the_error_that_follows_is_no_defect(
    number: signal.Signals, code: int, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def by_half(*_: object) -> None:
        with contextlib.suppress(BaseException):
            signal.raise_signal(number)
        raise AttributeError("module 'numpy' has no attribute 'matrix'")

    monkeypatch.setattr("sparsenet.workflows.pack.unpack", by_half)
    assert_stopped("unpack model.safetensors -o out.pt", code, capsys)


@BOTH
def test_while_it_is_timed(
    number: signal.Signals, code: int, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "write_packed", raising(number, timing.write_packed))
    monkeypatch.setattr(timing, "SECONDS", 0.0)
    monkeypatch.setenv("TMPDIR", str(Path.cwd()))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert_stopped("time model.safetensors --execution dense --batch 1", code, capsys)
