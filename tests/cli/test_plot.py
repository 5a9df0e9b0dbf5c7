"""`sparsenet plot` as it is typed: what it prints where, and how it refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sparsenet.cli.main import run
from tests.plots.studies import write_search, write_thresholds

Capture = pytest.CaptureFixture[str]


def test_the_files_written_go_to_stdout_a_line_each(tmp_path: Path, capsys: Capture) -> None:
    write_search(tmp_path, rounds=1)
    assert run(["plot", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines() == [
        f"{tmp_path}/plots/{name}.{kind}"
        for name in ("tradeoff", "layers")
        for kind in ("png", "svg", "pdf")
    ]
    assert all(Path(line).stat().st_size > 1000 for line in out.splitlines())


def test_one_figure_in_two_formats_elsewhere(tmp_path: Path, capsys: Capture) -> None:
    write_search(tmp_path, rounds=1)
    chosen = ["--figure", "layers", "--format", "svg, pdf,svg", "--output", str(tmp_path / "o")]
    assert run(["plot", str(tmp_path), *chosen]) == 0
    assert capsys.readouterr().out.splitlines() == [
        *(f"{tmp_path}/o/layers.svg", f"{tmp_path}/o/layers.pdf")
    ]


def test_a_figure_left_out_is_a_note_on_stderr(tmp_path: Path, capsys: Capture) -> None:
    write_search(tmp_path, rounds=1)
    (tmp_path / "study.json").unlink()
    assert run(["plot", str(tmp_path), "--format", "svg"]) == 0
    out, err = capsys.readouterr()
    assert out == f"{tmp_path}/plots/tradeoff.svg\n"
    assert err.startswith("layers is not drawn: ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Missing argument 'DIR...'"),
        (["."], "error: .: nothing to draw; looked for front.csv of a search (tradeoff); "),
        (["none"], "Path 'none' does not exist"),
        ([".", "--figure", "sweeps"], "'sweeps' is not one of 'tradeoff', 'filters'"),
        ([".", "--format", "png,gif"], "'gif' is not png, svg or pdf"),
        ([".", "--format", ""], "'' is not png, svg or pdf"),
    ],
)
def test_a_usage_error_is_exit_code_2(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert run(["plot", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_table_is_exit_code_1(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "sweep.csv").write_text("method\nl0\n")
    assert run(["plot", str(tmp_path)]) == 1
    wanted = f"error: {tmp_path}/sweep.csv:1: there is no column 'seed'\n"
    assert capsys.readouterr() == ("", wanted)


def test_tables_are_drawn_without_torch(tmp_path: Path) -> None:
    """Checked in a process of its own, where nothing has been imported before."""
    write_thresholds(tmp_path)
    program = (
        "import sys; from sparsenet.cli.main import run;"
        f"code = run(['plot', {str(tmp_path)!r}, '--format', 'svg']);"
        "slow = {'torch', 'matplotlib.pyplot'} & set(sys.modules);"
        "sys.exit(', '.join(sorted(slow)) or code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
