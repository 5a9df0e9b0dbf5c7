"""As programs are tested, and a short autotune."""

from __future__ import annotations

import pytest

from sparsenet.execution import tuning
from tests.program.conftest import _programs, quick_compiler

__all__ = ["_programs", "quick_compiler"]


@pytest.fixture(autouse=True)
def quick_autotune(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "SECONDS", 0.02)
