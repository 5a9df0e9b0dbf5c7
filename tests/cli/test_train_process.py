"""`sparsenet train` in a process of its own: a terminal, a full disk, a reader that has gone."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import resource
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest

from sparsenet.checkpoint import load_checkpoint


def command(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sparsenet", *arguments],
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        **options,
    )


def test_a_terminal_gets_a_bar(solver: Path) -> None:
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    settings = ("--output=run", "--set=max_iter=200", "--set=test_interval=50")
    process = command("train", str(solver), *settings, stdout=subprocess.PIPE, stderr=its)
    os.close(its)
    shown = b""
    try:
        while piece := os.read(ours, 4096):
            shown += piece
    except OSError:
        pass  # the other end was closed
    finally:
        os.close(ours)
    out, _ = process.communicate()
    assert process.returncode == 0
    assert out == Path("run/summary.txt").read_text()
    last = re.split(r"[\r\n]+", shown.decode().strip())[-1]
    assert re.search(r"100%\|.*200/200 \[.*it/s.*\bval=\d", last), last
    assert "Iteration" not in shown.decode()


def small_files() -> None:
    """A disk with room for 6,000 bytes a file, which a snapshot does not fit into."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))


def gone() -> int:
    """A pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def test_a_disk_that_is_full_ends_with_1_and_keeps_what_was_written(solver: Path) -> None:
    process = command(
        "train",
        str(solver),
        "--output=run",
        "--quiet",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=small_files,
    )
    out, err = process.communicate()
    assert process.returncode == 1
    assert out == ""
    assert err == "error: run/iter_10.pt: cannot be written: File too large\n"
    written = {path.name for path in Path("run").iterdir()}
    assert written == {"config.yaml", "metrics.jsonl", "best.pt"}
    assert load_checkpoint(Path("run/best.pt")).iter == 0


def test_when_nobody_reads_the_log_any_more_it_stops_as_other_commands_do(solver: Path) -> None:
    process = command("train", str(solver), "--output=run", stdout=subprocess.PIPE, stderr=gone())
    out, _ = process.communicate()
    assert process.returncode == 128 + signal.SIGPIPE
    assert out == ""


def test_when_nobody_reads_a_result_it_ends_without_complaint() -> None:
    process = command("schema", stdout=gone(), stderr=subprocess.PIPE)
    _, err = process.communicate()
    assert process.returncode == 128 + signal.SIGPIPE
    assert err == ""


SLOW = """
import sys, time
from sparsenet.cli.main import main
from sparsenet.workflows import build

def read(*_, **__):
    try:
        print("reading", flush=True)
        time.sleep(600)
    finally:
        print("ending", flush=True)
        time.sleep(0.5)

build.open_phases = read
main(sys.argv[1:])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_loop_ends_it_in_one_line_and_a_second_does_not_disturb_that(
    number: signal.Signals, solver: Path
) -> None:
    arguments = [sys.executable, "-c", SLOW, "train", str(solver), "--output=run", "--quiet"]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for said in ("reading\n", "ending\n"):
        assert process.stdout.readline() == said
        process.send_signal(number)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 128 + number
    assert (out, err.strip()) == ("", "error: stopped")
    assert not Path("run").exists()
