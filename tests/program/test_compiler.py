"""The compiler that is found, and what is kept of what it made."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

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
