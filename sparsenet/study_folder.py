"""Every file name of a study, the folder of many trials, and nothing else knows one."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sparsenet.errors import ConfigError
from sparsenet.files import FileError
from sparsenet.run_folder import RunFolder


class StudyFolder:
    """The folder a search, an ensemble or a sweep writes to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.study = path / "study.json"
        self.trials = path / "trials.jsonl"
        self.front = path / "front.csv"
        self.accepted = path / "path.csv"
        self.sweep = path / "sweep.csv"
        self.ensemble = path / "ensemble.csv"
        self.packed = path / "packed.safetensors"
        self.plots = path / "plots"
        self.lock = path / "lock"
        self.token = path / "token"

    def run(self, key: str) -> RunFolder:
        """The run folder of the trial with this key."""
        return RunFolder(self.path / "trials" / key)

    def whole(self, members: int, trial: int) -> Path:
        """The checkpoint of an ensemble of so many members."""
        return self.path / f"ensemble-{members}-trial{trial}.pt"

    def average(self, members: int) -> Path:
        """The checkpoint of the mean of so many models that were given."""
        return self.path / f"ensemble-{members}.pt"

    def solver(self, name: str) -> Path:
        """The solver file of a network that a search has found."""
        return self.path / f"solver-{name}.yaml"

    def make(self) -> None:
        """Make the folder if there is none; raises FileError where it cannot be written to."""
        RunFolder(self.path).make()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other commands out of the folder, until the block or this process has ended.

        Raises ConfigError where another one is at work in it, FileError where it cannot be told.
        """
        try:
            handle = os.open(self.lock, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise FileError(f"{self.lock}: cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"another command is at work in {self.path}") from None
        except OSError as error:
            raise FileError(f"{self.lock}: cannot be locked: {error.strerror}") from None
        else:
            yield
        finally:
            os.close(handle)
