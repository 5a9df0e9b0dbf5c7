"""The figure of filters: whose runs and which layers it can be of."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparsenet.checkpoint import CheckpointError
from sparsenet.errors import ConfigError
from sparsenet.workflows.plot import PlotOptions, plot
from tests.plots.runs import write_runs
from tests.plots.studies import filters, write_model, write_search

SVG = ("svg",)


def test_filters_are_of_runs_or_checkpoints_and_of_any_convolution(tmp_path: Path) -> None:
    dense, _ = write_runs(tmp_path)
    model = dense / "best.pt"
    [drawn] = plot([model, model], PlotOptions(layer="conv2", formats=SVG))
    assert drawn.paths == (dense / "plots" / "filters.svg",)


def test_a_layer_that_is_not_there_or_not_drawn(tmp_path: Path) -> None:
    dense, sparse = write_runs(tmp_path)
    with pytest.raises(ConfigError) as caught:
        plot([dense, dense], PlotOptions(layer="conv3"))
    assert str(caught.value) == (
        f"--layer: conv3: is no convolution of {dense}/best.pt; did you mean 'conv2'?"
    )
    write_search(tmp_path / "search", rounds=1)
    with pytest.raises(ConfigError, match="--layer: only the figure filters has one"):
        plot([tmp_path / "search"], PlotOptions(layer="conv1"))
    assert not (tmp_path / "search" / "plots").exists()
    assert not (sparse / "plots").exists()


def test_a_net_without_convolutions_and_a_file_that_is_no_checkpoint(tmp_path: Path) -> None:
    model = write_model(tmp_path / "a.pt", {"ip": filters()[:, 0, 0]})
    with pytest.raises(ConfigError, match=r"a\.pt: the net has no convolution"):
        plot([model, model], PlotOptions(("filters",)))
    (tmp_path / "b.pt").write_text("no")
    with pytest.raises(CheckpointError):
        plot([tmp_path / "b.pt", tmp_path / "b.pt"])
