"""Whose run a folder holds, when torchrun starts its processes again or another launch comes."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparsenet import ranks
from sparsenet.config.load import load_solver
from sparsenet.errors import ConfigError
from sparsenet.progress import Quiet
from sparsenet.run_folder import RunFolder
from sparsenet.workflows.start import Start, find_start, open_folder

SOLVER = Path(__file__).parents[2] / "configs" / "digits" / "solver.yaml"


def begun(folder: RunFolder, *launch: str, overwrite: bool = False) -> Start:
    configuration, names = load_solver(SOLVER), frozenset(launch)
    start = find_start(configuration, folder, None, None, names, Quiet())
    open_folder(start, configuration, names, overwrite=overwrite)
    return start


def test_one_launcher_of_the_launch_is_enough_to_go_on(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert not begun(folder, "first", "second").resuming
    assert begun(folder, "replaced", "second").resuming
    assert begun(folder, "replaced", "another").resuming
    with pytest.raises(ConfigError, match="holds an earlier run"):
        begun(folder, "first")


def test_what_no_launcher_has_begun_is_kept(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    begun(folder)
    assert not folder.launch.exists()
    with pytest.raises(ConfigError, match="holds an earlier run"):
        begun(folder, "first")
    assert not begun(folder, "first", overwrite=True).resuming
    assert begun(folder, "first").resuming


def test_a_launch_stopped_before_it_wrote_its_configuration_goes_on(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    begun(folder, "first")
    folder.config.unlink()
    assert begun(folder, "first").resuming


def test_a_launch_is_known_by_its_folder_and_not_by_its_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "night")
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", "/tmp/x/night_abc/attempt_2/0/error.json")
    assert ranks.launch() == {"night_abc"}
    for none in ("", "error.json"):
        monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", none)
        assert ranks.launch() == frozenset()
