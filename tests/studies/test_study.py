"""A study's folder: whose it is, who is at work in it, and what may be asked of it again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sparsenet.errors import ConfigError
from sparsenet.files import FileError
from sparsenet.studies.study import (
    StudyOptions,
    document_of,
    folder_of,
    open_study,
    read_solver,
    read_study,
    require_same_study,
)
from sparsenet.study_folder import StudyFolder
from sparsenet.trials.show import QuietStudy
from tests.small import configured, convolution, inner_product, net_data, write_solver

LAYERS = (convolution("conv", 4), inner_product("ip", 10, bias_term=False))
DOING = StudyOptions(jobs=1)


def document(net: dict[str, Any] | None = None, **keys: Any) -> dict[str, Any]:
    settings = {"cut": "20%", "target": "--budget 1KiB"}
    settings |= {key: keys.pop(key) for key in list(keys) if key in settings}
    configuration = configured(net or net_data(*LAYERS), **keys)
    return document_of("search", Path("a/solver.yaml"), configuration, settings)


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    """The folder of a study that is over."""
    found = StudyFolder(tmp_path / "study")
    with open_study(found, document(), DOING, QuietStudy()):
        pass
    return found


def refused(folder: StudyFolder, other: dict[str, Any], *free: str) -> str:
    before = folder.study.read_text()
    with pytest.raises(ConfigError) as raised, open_study(folder, other, DOING, QuietStudy(), free):
        pass
    assert folder.study.read_text() == before
    return str(raised.value)


def test_what_it_is_of_is_written_down(folder: StudyFolder) -> None:
    found = json.loads(folder.study.read_text())
    assert found == document()
    assert (found["command"], found["solver"], found["net"]) == ("search", "a/solver.yaml", "small")
    assert found["layers"] == {
        "conv": {"shape": [4, 1, 3, 3], "weights": 36, "biases": 4},
        "ip": {"shape": [10, 144], "weights": 1440, "biases": 0},
    }
    assert list(found["layers"]) == ["conv", "ip"]
    assert read_study(folder) == document()


def test_the_same_study_goes_on(folder: StudyFolder) -> None:
    require_same_study(folder, document())
    require_same_study(folder, document(display=7, snapshot=3, solver_mode="cpu"))
    require_same_study(folder, document() | {"solver": "elsewhere.yaml"})


def test_another_study_is_refused_by_its_keys(folder: StudyFolder) -> None:
    words = f"{folder.path} holds another study, which differs in"
    advice = "choose another folder by --output"
    other = document(base_lr=0.2, cut="10%")
    assert refused(folder, other) == f"{words} settings.cut, configuration.base_lr: {advice}"
    net = net_data(*LAYERS, batch_size=8)
    found = refused(folder, document(net))
    assert found == f"{words} configuration.net.layers.digits.batch_size: {advice}"
    assert refused(folder, document() | {"command": "sweep"}) == f"{words} command: {advice}"


def test_a_setting_that_is_free_may_differ(folder: StudyFolder) -> None:
    other = document(target="--budget 2KiB")
    assert "differs in settings.target:" in refused(folder, other)
    assert "differs in settings.target:" in refused(folder, other, "cut")
    with open_study(folder, other, DOING, QuietStudy(), free=("target",)):
        pass
    assert json.loads(folder.study.read_text())["settings"]["target"] == "--budget 2KiB"
    assert "settings.cut" in refused(folder, document(cut="5%"), "target")


def test_a_second_command_at_the_same_time_is_refused(folder: StudyFolder) -> None:
    with open_study(folder, document(), DOING, QuietStudy()):
        assert refused(folder, document()) == f"another command is at work in {folder.path}"
    with open_study(folder, document(), DOING, QuietStudy()):
        pass


def test_the_folder_is_free_after_an_error(folder: StudyFolder) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        open_study(folder, document(), DOING, QuietStudy()),
    ):
        raise ZeroDivisionError
    with open_study(folder, document(), DOING, QuietStudy()):
        pass


GOOD = document()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "5",
        "{}",
        json.dumps(GOOD)[:-40],
        "[" * 100_000,
        b"\xff\xfe",
        *(
            json.dumps(GOOD | change)
            for change in (
                {"settings": []},
                {"settings": None},
                {"configuration": []},
                {"configuration": {}},
                {"configuration": {"net": 5}},
                {"configuration": {"net": {"layers": 5}}},
                {"configuration": {"net": {"layers": [5]}}},
            )
        ),
        json.dumps({key: value for key, value in GOOD.items() if key != "command"}),
    ],
    ids=lambda text: repr(text[:25]),
)
def test_a_damaged_study_is_refused_in_one_line(text: str | bytes, folder: StudyFolder) -> None:
    folder.study.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as raised:
        require_same_study(folder, document())
    words = f"{folder.study} is not a study's; choose another folder by --output"
    assert str(raised.value) == words


def test_a_folder_without_a_study_is_taken(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    assert read_study(folder) is None
    require_same_study(folder, document())


def test_a_damaged_journal_names_its_line(folder: StudyFolder) -> None:
    folder.trials.write_text('{"key": "0"}\n{"key": 5}\n')
    with (
        pytest.raises(FileError, match=r"trials.jsonl:2: key: "),
        open_study(folder, document(), DOING, QuietStudy()),
    ):
        pass


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    folder = StudyFolder(tmp_path / "file" / "study")
    with (
        pytest.raises(FileError, match=r"file"),
        open_study(folder, document(), DOING, QuietStudy()),
    ):
        pass


def test_where_a_study_is_written(tmp_path: Path) -> None:
    configuration = configured(net_data(*LAYERS))
    solver = tmp_path / "mnist" / "quick.yaml"
    assert folder_of(solver, "search", configuration, Path("given")) == Path("given")
    found = folder_of(solver, "search", configuration, None)
    assert found == Path("runs/mnist-quick-search")
    named = configured(net_data(*LAYERS), snapshot_prefix="runs/mine")
    assert folder_of(solver, "sweep", named, None) == Path("runs/mine-sweep")


def test_a_checkpoint_is_no_solver(tmp_path: Path) -> None:
    import zipfile

    path = tmp_path / "net.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data", "")
    with pytest.raises(ConfigError) as raised:
        read_solver(path, [])
    assert str(raised.value) == f"{path}: is a checkpoint; a solver file is needed here"
    solver = write_solver(tmp_path, "", "{net: none.yaml, max_iter: 1, base_lr: 1}")
    with pytest.raises(ConfigError, match=r"net: no file"):
        read_solver(solver, [])
