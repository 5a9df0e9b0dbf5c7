"""The C compiler of this machine, and the shared objects that it has made, cached."""

from __future__ import annotations

import atexit
import hashlib
import os
import platform
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from sparsenet.data.locations import cache_folder
from sparsenet.errors import SparsenetError
from sparsenet.files import FileError, replacing

_SECONDS = 600
_PATIENCE = 5  # seconds for a compiler that is told to end
FLAGS = (
    "-std=c99",
    "-O3",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fPIC",
    "-shared",
)
"""None of these changes what NaN and infinity become."""
_NATIVE = ("-march=native",)


class NoCompiler(SparsenetError):
    """There is no C compiler on this machine, or none that works."""


def find_compiler() -> list[str]:
    """The command of the C compiler: $CC, else cc, gcc or clang. Raises NoCompiler."""
    named = os.environ.get("CC", "").strip()
    for command in [shlex.split(named)] if named else [["cc"], ["gcc"], ["clang"]]:
        if found := shutil.which(command[0]):
            return [found, *command[1:]]
    words = f"CC names {named!r}, which is not there" if named else "no cc, gcc or clang on PATH"
    raise NoCompiler(f"there is no C compiler: {words}")


def shared_object(text: str) -> Path:
    """The shared object of C text, compiled for this processor or taken from the cache.

    It is named by a digest of text, compiler, flags and processor, and by one of its own bytes: a
    file that is damaged or another user's is compiled anew. Raises NoCompiler.
    """
    compiler = find_compiler()
    key = _key(text, compiler)
    folder = _folder()
    for path in sorted(folder.glob(f"{key}-*.so")):
        if _is_whole(path):
            return path
    made = _compiled(text, compiler)
    path = folder / f"{key}-{_digest(made)}.so"
    try:
        with replacing(path) as stream:
            stream.write(made)
    except FileError as error:
        raise NoCompiler(f"what is compiled cannot be kept: {error}") from error
    return path


def compile_project(source: Path, made: Path) -> None:
    """Compile a file of C99, in the folder of its headers, as a shared object. Raises NoCompiler.

    With little optimization, which for large arrays takes long.
    """
    flags = ("-std=c99", "-O1", "-fPIC", "-shared")
    _run([*find_compiler(), *flags, "-o", str(made), str(source), "-lm"])


def _key(text: str, compiler: Sequence[str]) -> str:
    version = _run([*compiler, "--version"])
    parts = (text, *compiler, version, *FLAGS, *_NATIVE, processor())
    return _digest("\0".join(parts).encode())


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def processor() -> str:
    """What `native` depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()} {platform.node()}"
    names = ("model name", "flags", "Features", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(names)}))


def _folder() -> Path:
    """A folder that nobody else can write: in the user's cache, or else of this process."""
    folder = cache_folder() / "programs"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        if _is_mine(folder.stat()) and os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    return _own_folder()


@cache
def _own_folder() -> Path:
    """A temporary folder for all programs of this process, which is removed when it ends."""
    folder = tempfile.mkdtemp(prefix="sparsenet-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _is_mine(status: os.stat_result) -> bool:
    return status.st_uid == os.getuid()


def _is_whole(path: Path) -> bool:
    """Whether a file is a regular one of this user with the bytes that its name tells."""
    if path.is_symlink() or not path.is_file() or not _is_mine(path.stat()):
        return False
    return path.stem.rpartition("-")[2] == _digest(path.read_bytes())


def _compiled(text: str, compiler: Sequence[str]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="sparsenet-") as name:
        source, made = Path(name) / "program.c", Path(name) / "program.so"
        source.write_text(text, "utf-8")
        command = [*compiler, *FLAGS, "-o", str(made), str(source), "-lm"]
        try:
            _run([*command, *_NATIVE])
        except NoCompiler:  # a compiler that does not know its own processor
            _run(command)
        return made.read_bytes()


def _run(command: Sequence[str]) -> str:
    """What a command prints. Raises NoCompiler where it fails."""
    try:
        code, out, errors = _output(command)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoCompiler(f"{command[0]} cannot be used: {error}") from error
    if code:
        first = next((line for line in errors.splitlines() if "error" in line), "")
        words = first or f"exit code {code}"
        raise NoCompiler(f"{command[0]} does not compile for this machine: {words}")
    return out


def _output(command: Sequence[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command, which is a process group of its own.

    Where waiting for it ends early, as by a signal, all of the group ends: a compiler is a driver
    and what this starts.
    """
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        process_group=0,
    ) as process:
        try:
            out, errors = process.communicate(timeout=_SECONDS)
        except BaseException:
            _end(process)
            raise
        return process.returncode, out, errors


def _end(process: subprocess.Popen[str]) -> None:
    """End the group of a process, which may have to remove its temporary files, and then its rest.

    What had only just been started may not have heard the first signal.
    """
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_PATIENCE)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
