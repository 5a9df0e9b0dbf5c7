"""One cache a process, a compiler that optimizes less, in less time, and a short autotune."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparsenet.execution import tuning
from sparsenet.program import compiler


@pytest.fixture(scope="session")
def _programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def quick_compiler(_programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(_programs))
    flags = ("-O1" if flag == "-O3" else flag for flag in compiler.FLAGS)
    monkeypatch.setattr(compiler, "FLAGS", tuple(flags))
    monkeypatch.setattr(tuning, "SECONDS", 0.02)
