"""How errors of any kind become one line and an exit code."""

from __future__ import annotations

import io
import signal
import sys
from typing import Any

import click
import pytest

from sparsenet.cli import main as module
from sparsenet.cli.main import EPILOG, cli, main, run
from sparsenet.errors import ConfigError, Problem, SparsenetError
from sparsenet.workflows.signals import StoppedError, TerminatedError

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes the command `train` raise something, or return it."""

    def arrange(outcome: Any) -> None:
        def command() -> Any:
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        fake = click.Command("train", callback=command)
        monkeypatch.setattr(module._LazyGroup, "get_command", lambda *_: fake)

    return arrange


PROBLEMS = [Problem("a.yaml:3", "base_lr", "is missing"), Problem("", "", "and more")]


@pytest.mark.parametrize(
    ("outcome", "code", "lines"),
    [
        (None, 0, []),
        (0, 0, []),
        (3, 3, []),
        (SparsenetError("the disk is gone"), 1, ["error: the disk is gone"]),
        (SparsenetError("one\nanother"), 1, ["error: one", "error: another"]),
        (SparsenetError("é 网 \x1b[2J\t\udc80"), 1, [r"error: é 网 \x1b[2J\t\udc80"]),
        (ConfigError(PROBLEMS), 2, ["error: a.yaml:3: base_lr: is missing", "error: and more"]),
        (StoppedError(signal.SIGTERM, "stopped after 3 updates"), 143,
         ["error: stopped after 3 updates"]),
        (KeyboardInterrupt(), 130, ["error: stopped"]),
        (TerminatedError(), 143, ["error: stopped"]),
        (click.UsageError("--json and --csv exclude each other"), 2,
         ["Error: --json and --csv exclude each other"]),
    ],
)  # fmt: skip
def test_each_end_has_its_exit_code_and_its_lines(
    outcome: Any, code: int, lines: list[str], raising: Any, capsys: Captured
) -> None:
    raising(outcome)
    assert run(["train"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    shown = err.partition("for help.\n\n")[2] or err  # click's usage stands above its own
    assert shown.split("\n") == [*([""] if code == 130 else []), *lines, ""]  # below a ^C


def test_a_defect_of_ours_is_not_hidden(raising: Any) -> None:
    raising(AssertionError("ours"))
    with pytest.raises(AssertionError):
        run(["train"])


class Gone(io.StringIO):
    """A stream whose reader has gone."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self.descriptor = descriptor

    def fileno(self) -> int:
        return self.descriptor

    def flush(self) -> None:
        raise BrokenPipeError


def test_a_reader_that_has_gone_ends_it_as_a_signal_would(
    raising: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    raising(BrokenPipeError())
    redirected: list[int] = []
    monkeypatch.setattr(module.os, "dup2", lambda _, target: redirected.append(target))
    monkeypatch.setattr(sys, "stdout", Gone(71))
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert run(["train"]) == 141
    assert redirected == [71]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trian"], "No such command 'trian'"),
        (["train"], "Missing argument 'SOLVER'"),
        (["train", "none.yaml"], "File 'none.yaml' does not exist"),
        (["train", "."], "File '.' is a directory"),
        (["train", __file__, "--ouput=a"], "--output"),
        (["test", __file__, "--phase=TRAIN"], "'TRAIN' is not one of 'TEST', 'VAL'"),
        (["memsize", __file__, "--json", "--csv"], "--json and --csv exclude each other"),
        (["schema", "nett"], "'nett' is not one of 'solver', 'net'"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what(
    arguments: list[str], words: str, capsys: Captured
) -> None:
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert "Traceback" not in err


def test_without_arguments_and_with_help_it_describes_itself(capsys: Captured) -> None:
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    assert " ".join(EPILOG.split()) in " ".join(out.split())
    for name in cli.list_commands(click.Context(cli)):
        assert f"  {name}" in out
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("sparsenet ")
    run([])
    assert "Usage: sparsenet" in "".join(capsys.readouterr())


def test_main_exits_with_the_code(raising: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "pass_over_signals", lambda: None)  # pytest goes on
    for outcome, code in ((3, 3), (None, 0)):
        raising(outcome)
        with pytest.raises(SystemExit) as raised:
            main(["train"])
        assert raised.value.code == code


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 9 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:1] . can't allocate memory: you tried"),
    ],
)
def test_memory_that_runs_out_is_one_line(error: Exception, raising: Any, capsys: Captured) -> None:
    raising(error)
    assert run(["train"]) == 1
    assert capsys.readouterr().err == f"error: not enough memory: {error}\n"


def test_a_defect_of_ours_keeps_its_traceback(raising: Any) -> None:
    raising(RuntimeError("a defect"))
    with pytest.raises(RuntimeError, match="a defect"):
        run(["train"])
