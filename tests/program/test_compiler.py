"""The compiler that is found, and what is kept of what it made."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from sparsenet.program import compiler
from sparsenet.program.compiler import NoCompiler, find_compiler, shared_object
from tests.program.sparse_nets import NEEDS_COMPILER

TEXT = "int answer(void);\nint answer(void)\n{\n    return 42;\n}\n"


def answer(path: Path) -> int:
    return int(ctypes.CDLL(str(path))["answer"]())


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "sparsenet" / "programs"


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that were really compiled."""
    texts: list[str] = []
    real = compiler._compiled
    monkeypatch.setattr(
        compiler, "_compiled", lambda text, command: texts.append(text) or real(text, command)
    )
    return texts


@NEEDS_COMPILER
def test_a_text_is_compiled_once(cache: Path, compiled: list[str]) -> None:
    first = shared_object(TEXT)
    assert first.parent == cache
    assert answer(first) == 42
    assert shared_object(TEXT) == first
    assert compiled == [TEXT]
    assert shared_object(TEXT + "\n") != first
    assert cache.stat().st_mode & 0o777 == 0o700


@NEEDS_COMPILER
@pytest.mark.parametrize("fault", ["damaged", "empty", "a link", "another's"])
def test_a_file_that_is_not_ours_is_compiled_anew(
    fault: str, cache: Path, compiled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shared_object(TEXT)
    data = path.read_bytes()
    if fault == "damaged":
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif fault == "empty":
        path.write_bytes(b"")
    elif fault == "a link":
        path.rename(cache / "elsewhere")
        path.symlink_to(cache / "elsewhere")
    else:
        monkeypatch.setattr(compiler, "_is_mine", lambda status: False)
    assert answer(shared_object(TEXT)) == 42
    assert compiled == [TEXT, TEXT]


@NEEDS_COMPILER
def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert answer(shared_object(TEXT)) == 42


@NEEDS_COMPILER
def test_a_process_without_a_cache_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "temporary").mkdir()
    code = (
        "from sparsenet.program.compiler import shared_object\n"
        f"paths = [shared_object({TEXT!r} + end) for end in ('', '\\n')]\n"
        "assert all(path.is_file() for path in paths)\n"
        "assert paths[0].parent == paths[1].parent\n"
        "print(paths[0].parent)"
    )
    own = {"XDG_CACHE_HOME": str(tmp_path / "file"), "TMPDIR": str(tmp_path / "temporary")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=os.environ | own, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).parent == tmp_path / "temporary"
    assert list((tmp_path / "temporary").iterdir()) == []


DRIVER = """#!/bin/sh
trap '{trap}' TERM
sleep 60 &
echo $! > {folder}/child
while [ ! -e {folder}/waited ]; do sleep 0.01; done
kill -USR1 $PPID
while true; do wait; done
"""


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no processes to look at in /proc")
@pytest.mark.parametrize("trap", ["echo > {folder}/told; exit", ""], ids=["ends", "goes on"])
@pytest.mark.parametrize(
    ("raised", "error"),
    [(KeyboardInterrupt(), KeyboardInterrupt), (subprocess.TimeoutExpired("cc", 600), NoCompiler)],
)
def test_a_compiler_that_is_not_waited_for_ends_with_all_it_started(
    raised: BaseException,
    error: type[BaseException],
    trap: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    driver = tmp_path / "driver"
    trap = trap.format(folder=tmp_path)
    driver.write_text(DRIVER.format(folder=tmp_path, trap=trap))
    driver.chmod(0o755)
    monkeypatch.setattr(compiler, "_PATIENCE", 20 if trap else 0.1)

    def stop(*_: object) -> None:
        raise raised

    def communicate(process: subprocess.Popen[str], **keys: Any) -> tuple[str, str]:
        (tmp_path / "waited").touch()
        return waiting(process, **keys)

    waiting = subprocess.Popen.communicate
    monkeypatch.setattr(subprocess.Popen, "communicate", communicate)
    before = signal.signal(signal.SIGUSR1, stop)
    try:
        with pytest.raises(error):
            compiler._run([str(driver), "x.c"])
    finally:
        signal.signal(signal.SIGUSR1, before)
    child = int((tmp_path / "child").read_text())
    end = time.monotonic() + 20
    while is_running(child) and time.monotonic() < end:
        time.sleep(0.01)
    assert not is_running(child)
    assert (tmp_path / "told").exists() == bool(trap)


@NEEDS_COMPILER
def test_what_does_not_compile_is_one_line(cache: Path) -> None:
    with pytest.raises(NoCompiler, match=r"does not compile for this machine: .*error") as error:
        shared_object("int answer(void) { return; ")
    assert "\n" not in str(error.value)
    assert not list(cache.glob("*.so"))


def test_without_a_compiler_it_is_said_where_one_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(NoCompiler, match="there is no C compiler: no cc, gcc or clang on PATH"):
        find_compiler()
    monkeypatch.setenv("CC", "mycc -m32")
    with pytest.raises(NoCompiler, match="CC names 'mycc -m32', which is not there"):
        find_compiler()
    (tmp_path / "gcc").write_text("#!/bin/sh\n")
    (tmp_path / "gcc").chmod(0o755)
    monkeypatch.setenv("CC", "")
    assert find_compiler() == [os.fspath(tmp_path / "gcc")]
