"""Every file in malformed/ is refused with exactly the lines that its `#!` comments say.

`sparsenet train solver/words.yaml`, in that folder, prints them; a file in net/ is given to the
solver file beside it by `--set net=net/words.yaml`.
"""

import shutil
from pathlib import Path

import pytest

from sparsenet.cli.main import run
from sparsenet.config.load import load_net, load_solver
from sparsenet.errors import ConfigError

FOLDER = Path(__file__).parent / "malformed"
CASES = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.glob("*/*.yaml"))


@pytest.fixture(scope="session")
def copied(tmp_path_factory):
    return shutil.copytree(FOLDER, tmp_path_factory.mktemp("malformed") / "copy")


@pytest.fixture(autouse=True)
def folder(copied, monkeypatch):
    monkeypatch.chdir(copied)
    return copied


def expected(case: str) -> list[str]:
    lines = (FOLDER / case).read_text(encoding="utf-8").splitlines()
    return [line.removeprefix("#! ") for line in lines if line.startswith("#! ")]


def files(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_there_are_at_least_sixty():
    assert len(CASES) >= 60
    assert all(expected(case) for case in CASES)


@pytest.mark.parametrize("case", CASES)
def test_train_refuses_it_with_all_its_problems(case, folder, capsys):
    is_net = case.startswith("net/")
    arguments = ["solver.yaml", "--set", f"net={case}"] if is_net else [case]
    before = files(folder)
    assert run(["train", *arguments]) == 2
    out, err = capsys.readouterr()
    assert err.splitlines() == [f"error: {line}" for line in expected(case)]
    assert out == ""
    assert files(folder) == before


def test_what_they_are_compared_with_is_right():
    config = load_solver(Path("solver.yaml")).solver
    assert config.net == load_net(Path("net.yaml"))


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith("net/")])
def test_a_net_file_alone_has_the_same_problems(case):
    with pytest.raises(ConfigError) as caught:
        load_net(Path(case))
    alone = [str(problem) for problem in caught.value.problems]
    assert alone == [line.replace(": net.", ": ", 1) for line in expected(case)]


def test_problems_of_a_file_are_in_the_order_of_its_lines():
    for case in CASES:
        lines = [line.split(": ")[0].rpartition(":") for line in expected(case)]
        own = [int(line) for name, _, line in lines if name == case]
        assert own == sorted(own), case
