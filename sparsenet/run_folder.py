"""Every file name of a run, and nothing else knows one."""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path

from sparsenet.errors import ConfigError
from sparsenet.files import FileError


class RunFolder:
    """The folder a run writes to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.metrics = path / "metrics.jsonl"
        self.best = path / "best.pt"
        self.final = path / "final.pt"
        self.packed = path / "packed.safetensors"
        self.summary_json = path / "summary.json"
        self.summary_text = path / "summary.txt"
        self.launch = path / "launch.txt"
        self.threshold_csv = path / "threshold.csv"
        self.threshold_text = path / "threshold.txt"
        self.threshold_figure = path / "threshold.png"
        self.retrain = path / "retrain"
        self.prune_csv = path / "prune.csv"
        self.prune_text = path / "prune.txt"
        self.prune_figure = path / "prune.png"
        self.pruned = path / "prune"
        self.tensorboard = path / "tensorboard"

    def snapshot(self, iteration: int) -> Path:
        """The snapshot made after `iteration` updates."""
        return self.path / f"iter_{iteration}.pt"

    def retrained(self, pruning: str) -> RunFolder:
        """The folder of the run that trains a network with the counts of a pruned one."""
        return RunFolder(self.retrain / pruning)

    def snapshots(self) -> list[Path]:
        """The snapshots there are, the newest first."""
        found = [
            (int(match[1]), path)
            for path in _matching(self.path, "iter_*.pt")
            if (match := re.fullmatch(r"iter_(\d+)\.pt", path.name))
        ]
        return [path for _, path in sorted(found, reverse=True)]

    def keep_newest(self, count: int) -> None:
        """Remove all snapshots but the newest `count`."""
        for path in self.snapshots()[count:]:
            _remove(path)

    def holds_a_run(self) -> bool:
        """Whether an earlier run has written here more than whose it is."""
        return any(path != self.launch for path in self._written())

    def begun_by(self) -> frozenset[str]:
        """The names in `launch`, a line each."""
        try:
            return frozenset(self.launch.read_text(encoding="utf-8").splitlines())
        except (OSError, UnicodeDecodeError):
            return frozenset()

    def check(self, *, overwrite: bool = False, resuming: bool = False) -> None:
        """Raise as `open` what can be known without writing: it may be hours until that comes."""
        self._keep_earlier(overwrite=overwrite, resuming=resuming)
        above = next(filter(_exists, (self.path, *self.path.parents)), None)
        if above is None:
            return
        if not above.is_dir():
            raise FileError(f"{self.path}: cannot be made: Not a directory")
        if not os.access(above, os.W_OK | os.X_OK):
            raise FileError(f"{self.path}: cannot be written to: {above} is read-only")

    def open(self, *, overwrite: bool = False, resuming: bool = False) -> None:
        """Make the folder and prove that it can be written to, before anything is computed.

        Raises ConfigError where an earlier run would be lost, FileError where writing fails.
        """
        self._keep_earlier(overwrite=overwrite, resuming=resuming)
        self.make()
        for path in self._cut_off():
            _remove(path)
        if not resuming:
            self._clear()

    def _keep_earlier(self, *, overwrite: bool, resuming: bool) -> None:
        if self.holds_a_run() and not resuming and not overwrite:
            raise ConfigError(
                f"{self.path} holds an earlier run: go on with it by --resume auto, "
                "replace it by --overwrite, or choose another folder by --output"
            )

    def make(self) -> None:
        """Make the folder if there is none; raises FileError where it cannot be written to."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(f"{self.path}: cannot be made: {error.strerror}") from None
        self.probe()

    def probe(self) -> None:
        """Raise FileError where the folder cannot be written to."""
        try:
            with tempfile.NamedTemporaryFile(dir=self.path) as stream:
                stream.write(b"\0")
                stream.flush()
        except OSError as error:
            raise FileError(f"{self.path}: cannot be written to: {error.strerror}") from None

    def _clear(self) -> None:
        """Remove what a run wrote, and nothing that it did not."""
        for path in [*self._written(), *_matching(self.tensorboard, "events.out.tfevents.*")]:
            _remove(path)
        with suppress(OSError):  # not there, or with something else in it
            self.tensorboard.rmdir()

    @property
    def _single(self) -> tuple[Path, ...]:
        """What a run writes once, beside its snapshots and event files."""
        return (self.config, self.metrics, self.best, self.final, self.summary_json,
                self.summary_text, self.launch)  # fmt: skip

    def _written(self) -> list[Path]:
        """What a run has written, but for its event files."""
        return [*(path for path in self._single if _exists(path)), *self.snapshots()]

    def _cut_off(self) -> list[Path]:
        """The temporary files of a run that was killed while it wrote (see `files.replacing`)."""
        names = "|".join(re.escape(path.name) for path in self._single)
        found = _matching(self.path, ".*.part")
        pattern = rf"\.({names}|iter_\d+\.pt)\.\w+\.part"
        return [path for path in found if re.fullmatch(pattern, path.name)]


# A folder that may not be looked into, or cannot be, has nothing in it: writing there says why.
def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _matching(folder: Path, pattern: str) -> list[Path]:
    try:
        return list(folder.glob(pattern))
    except OSError:
        return []


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise FileError(f"{path}: cannot be removed: {error.strerror}") from None
