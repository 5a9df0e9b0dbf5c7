"""Training the small net as a function, and what it told while it ran."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sparsenet.errors import SparsenetError
from sparsenet.progress import Quiet
from sparsenet.workflows.train import TrainOptions, TrainResult, train


class Notes(Quiet):
    """Remembers what it was to show, and does something when told so."""

    def __init__(self, at: Callable[[str, Any], None] = lambda event, value: None) -> None:
        self.notes: list[str] = []
        self.events: list[str] = []
        self.at = at

    def _happened(self, event: str, value: Any) -> None:
        self.events.append(event)
        self.at(event, value)

    def begin(self, step: int, total: int) -> None:
        self._happened("begin", step)

    def tested(self, line: dict[str, Any], density: float) -> None:
        self._happened("tested", line["iter"])

    def warn(self, text: str) -> None:
        self.note(text)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def advanced(self, step: int) -> None:
        self._happened("advanced", step)

    def end(self) -> None:
        self._happened("end", None)


def run(solver: Path, output: Path, *overrides: str, **options: Any) -> TrainResult:
    display = options.pop("display", Quiet())
    return train(solver, TrainOptions(overrides=overrides, output=output, **options), display)


def refused(
    kind: type[SparsenetError],
    solver: Path,
    output: Path,
    *overrides: str,
    lines: int = 1,
    **options: Any,
) -> str:
    """The lines, as many as expected, with which a run is refused before it begins."""
    display = Notes()
    with pytest.raises(kind) as raised:
        run(solver, output, *overrides, display=display, **options)
    assert type(raised.value) is kind
    assert "begin" not in display.events
    assert len(str(raised.value).splitlines()) == lines
    return str(raised.value)
