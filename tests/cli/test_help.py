"""What the command line says of itself."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import click
import pytest

from sparsenet.cli.main import cli, run

COMMANDS = cli.list_commands(click.Context(cli))
EVERY_COMMAND = pytest.mark.parametrize("name", COMMANDS)


def help_of(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert run([name, "--help"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


@EVERY_COMMAND
def test_help_ends_in_an_example_that_parses(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    last = help_of(name, capsys).rstrip().rpartition("\n\n")[2]
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert " ".join(last.split()) == command.epilog, "broken within a word"
    words = command.epilog.partition(" > ")[0].split()
    assert words[:3] == ["Example:", "sparsenet", name]
    _, left, _ = command.make_parser(click.Context(command)).parse_args(words[3:])
    assert left == []


@EVERY_COMMAND
def test_help_describes_every_option(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = help_of(name, capsys)
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help or isinstance(option.type, click.Choice), option.name
            assert option.opts[0] in said
    assert command.help


@EVERY_COMMAND
def test_an_unknown_option_is_a_usage_error(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--nope"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "--nope" in err


def test_the_group_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    said = capsys.readouterr().out
    listed = {line.split()[0] for line in said.partition("Commands:")[2].splitlines() if line}
    assert (
        listed
        >= set(COMMANDS)
        == {
            "train",
            "test",
            "summary",
            "memsize",
            "prune-threshold",
            "prune",
            "search",
            "ensemble",
            "sweep",
            "pack",
            "unpack",
            "verify",
            "time",
            "plot",
            "report",
            "export",
            "import-caffe",
            "schema",
        }
    )
    assert "Example: sparsenet train configs/digits/solver.yaml" in said
    assert "Exit codes: 0 done" in said


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"sparsenet {importlib.metadata.version('sparsenet')}\n"


@pytest.mark.parametrize("arguments", [["trian"], ["--nope"], []])
def test_no_such_command_is_a_usage_error(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "sparsenet" in err


def test_help_imports_neither_torch_nor_pydantic() -> None:
    """Checked in a process of its own, where nothing has been imported before."""
    program = (
        "import sys; from sparsenet.cli.main import run; code = run(['--help']);"
        "slow = {'torch', 'numpy', 'pydantic', 'yaml', 'matplotlib', 'sklearn'} & set(sys.modules);"
        "sys.exit(', '.join(sorted(slow)) or code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_python_m_sparsenet_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sparsenet", "--version"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0
    assert done.stdout.startswith("sparsenet ")
