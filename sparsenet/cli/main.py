"""The `sparsenet` command: a group of commands, and how errors become one line and an exit code."""

from __future__ import annotations

import errno
import importlib
import io
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import click

from sparsenet import __version__
from sparsenet.errors import ConfigError, SparsenetError, printable
from sparsenet.workflows.signals import Ending, TerminatedError, ended_by_signals, pass_over_signals

_COMMANDS = {
    "train": "train a network from a solver file",
    "test": "measure a checkpoint's accuracy",
    "summary": "layers, shapes, parameters and multiply-accumulates of a network, and its picture",
    "memsize": "memory of a checkpoint, net or solver, per layer and storage format",
    "prune-threshold": "the baseline: thresholds on a trained network, without training",
    "prune": "accuracy against the part of filters or weights pruned; smaller dense networks",
    "search": "how many weights each layer keeps, found by training: a network under a budget",
    "ensemble": "several sparse networks, averaged, in the memory of one",
    "sweep": "one network under many settings, seeds and amounts of data",
    "pack": "write a checkpoint as a file that is as small as memsize says",
    "unpack": "the checkpoint that a packed model was made of",
    "verify": "check that a packed model is what it says it is",
    "time": "how long each layer of a packed model takes, and its memory, beside dense",
    "plot": "figures of what searches, sweeps and runs have written",
    "report": "bind a run or study into one HTML page",
    "export": "write a trained network for other programs to run: as ONNX, as C, or for Caffe",
    "import-caffe": "write a solver or network of Caffe's as files of ours",
    "schema": "print the JSON Schema of solver, net or sweep files",
}

EPILOG = (
    "Exit codes: 0 done, 1 failed while running, 2 usage or configuration, 3 finished but a "
    "target was missed, 128+signal when stopped. Results go to stdout, progress to stderr."
)


class _ReaderGoneError(Exception):
    """Nobody reads our output any more, as when it went to `head`."""


class _LazyGroup(click.Group):
    """Imports a command's module, and with it torch, only when that command is asked for."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except OSError as error:
            if not _has_no_reader(error):
                raise
            # Under its own name: click would end with 1, as if the run had failed.
            raise _ReaderGoneError from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"sparsenet.cli.{cmd_name.replace('-', '_')}")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.command(cls=_LazyGroup, epilog=EPILOG, context_settings={"max_content_width": 100})
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Train convolutional networks that fit a byte budget, from Caffe-style YAML files.

    Example: sparsenet train configs/digits/solver.yaml
    """
    if _is_one_of_several() and context.invoked_subcommand != "train":
        words = "runs in one process: start it without torchrun"
        raise ConfigError(f"sparsenet {context.invoked_subcommand} {words}")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code; never a traceback for a user's mistake."""
    if _is_one_of_several():
        from sparsenet.cli.together import run_together  # noqa: PLC0415  it imports torch

        code = run_together(run, arguments)
    else:
        code = run(arguments)
    pass_over_signals()
    sys.exit(code)


def _is_one_of_several() -> bool:
    """Whether torchrun has started this process beside others."""
    return os.environ.get("WORLD_SIZE", "1") != "1"


def _say(words: str) -> None:
    click.echo(words, err=True, nl=False)


def run(arguments: list[str] | None = None, say: Callable[[str], None] = _say) -> int:
    """Run the command line; the exit code. What went wrong is given to `say`, in whole lines."""
    try:
        with ended_by_signals() as ending:
            return _run(arguments, say, ending)
    except (MemoryError, RuntimeError) as error:
        if not _is_memory(error):
            raise
        return _complain(f"not enough memory: {str(error).splitlines()[0]}", 1, say)
    except _ReaderGoneError:
        _drop_what_cannot_be_written()
        return 128 + signal.SIGPIPE


def _run(arguments: list[str] | None, say: Callable[[str], None], ending: Ending) -> int:
    try:
        with ending.comes_first():
            result: Any = cli.main(arguments, prog_name="sparsenet", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        say(shown.getvalue())
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return _complain("stopped", 128 + signal.SIGINT, say)
    except TerminatedError:
        return _complain("stopped", 128 + signal.SIGTERM, say)
    except SparsenetError as error:
        return _complain(str(error), error.exit_code, say)
    return result if isinstance(result, int) else 0


def _is_memory(error: Exception) -> bool:
    """Whether memory ran out; on a CPU torch says so in words only."""
    text = str(error)
    return isinstance(error, MemoryError) or "allocate memory" in text or "out of memory" in text


def _has_no_reader(error: OSError) -> bool:
    """Whether our output failed since its pipe was closed or its terminal has hung up."""
    if error.errno != errno.EIO:
        return isinstance(error, BrokenPipeError)
    try:
        os.write(sys.stdout.fileno(), b"")  # a disk's error is none of our output's
    except OSError:
        return True
    return False


def _drop_what_cannot_be_written() -> None:
    """Point a stream that nobody reads at nothing, or Python complains of its buffer at the end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _complain(message: str, exit_code: int, say: Callable[[str], None]) -> int:
    say("".join(f"error: {printable(line)}\n" for line in message.splitlines()))
    return exit_code
