"""`sparsenet report` as it is called."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sparsenet.cli.main import run
from tests.report import samples

Captured = pytest.CaptureFixture[str]


def test_it_prints_where_the_page_is(tmp_path: Path, capsys: Captured) -> None:
    folder = samples.search(tmp_path, 2)
    assert run(["report", str(folder)]) == 0
    assert capsys.readouterr() == (f"{folder / 'report.html'}\n", "")
    assert run(["report", str(folder), "--output", str(tmp_path / "a.html")]) == 0
    assert capsys.readouterr() == (f"{tmp_path / 'a.html'}\n", "")
    assert (tmp_path / "a.html").read_bytes() == (folder / "report.html").read_bytes()


@pytest.mark.parametrize(
    ("make", "code", "words"),
    [
        (lambda folder: folder / "none", 2, "does not exist"),
        (lambda folder: folder, 2, "holds neither a run nor a study"),
        (lambda folder: samples.study(folder, "search"), 1, "front.csv: cannot be read"),
    ],
)
def test_a_mistake_is_one_line_and_a_code(
    make: object, code: int, words: str, tmp_path: Path, capsys: Captured
) -> None:
    assert callable(make)
    assert run(["report", str(make(tmp_path))]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert "Traceback" not in err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only(tmp_path: Path, capsys: Captured) -> None:
    folder = samples.run(tmp_path)
    folder.chmod(0o500)
    assert run(["report", str(folder)]) == 1
    assert "cannot be written" in capsys.readouterr().err
