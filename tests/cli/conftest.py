"""A solver file of the smallest net, in the working folder; and trials without processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.inline import InlinePool
from tests.small import write_solver

Captured = pytest.CaptureFixture[str]

NET = """
name: tiny
layers:
  - {name: digits, type: Data, source: digits, split: 100, batch_size: 16,
     transform: {scale: 0.0625}}
  - name: ip
    type: InnerProduct
    num_output: 10
    weight_filler: {type: xavier}
    regularization: {type: l0, t: 20%, interval: 5}
  - {name: accuracy, type: Accuracy, bottom: [ip, label], phase: TEST}
  - {name: loss, type: SoftmaxWithLoss, bottom: [ip, label]}
"""
SOLVER = "{net: net.yaml, max_iter: 20, base_lr: 0.5, display: 10, test_interval: 10, snapshot: 10}"
STAGE = "--set=stages=[{t: {ip: 20%}, until: {accuracy: {within: 0, of: 1.0}, max_iters: 15}}]"


@pytest.fixture
def solver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A solver file in the working folder."""
    monkeypatch.chdir(tmp_path)
    return write_solver(Path(), NET, SOLVER)


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trials of studies in this process."""
    monkeypatch.setattr("sparsenet.studies.study.LocalPool", InlinePool)
