"""Every file name of a run, and nothing else knows one."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from sparsenet.errors import ConfigError
from sparsenet.files import FileError, replacing


class RunFolder:
    """The folder a run writes to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.metrics = path / "metrics.jsonl"
        self.best = path / "best.pt"
        self.final = path / "final.pt"
        self.summary_json = path / "summary.json"
        self.summary_text = path / "summary.txt"
        self.threshold_csv = path / "threshold.csv"
        self.threshold_text = path / "threshold.txt"
        self.threshold_figure = path / "threshold.png"
        self.retrain = path / "retrain"
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
            for path in self.path.glob("iter_*.pt")
            if (match := re.fullmatch(r"iter_(\d+)\.pt", path.name))
        ]
        return [path for _, path in sorted(found, reverse=True)]

    def keep_newest(self, count: int) -> None:
        """Remove all snapshots but the newest `count`."""
        for path in self.snapshots()[count:]:
            path.unlink(missing_ok=True)

    def holds_a_run(self) -> bool:
        """Whether an earlier run has written here."""
        return self.config.exists() or self.metrics.exists() or bool(self.snapshots())

    def open(self, *, overwrite: bool = False, resuming: bool = False) -> None:
        """Make the folder and prove that it can be written to, before anything is computed.

        Raises ConfigError where an earlier run would be lost, FileError where writing fails.
        """
        if self.holds_a_run() and not resuming:
            if not overwrite:
                raise ConfigError(
                    f"{self.path} holds an earlier run: go on with it by --resume auto, "
                    "replace it by --overwrite, or choose another folder by --output"
                )
            self._clear()
        self.make()

    def make(self) -> None:
        """Make the folder if there is none; raises FileError where it cannot be written to."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(f"{self.path}: cannot be made: {error.strerror}") from None
        self.probe()

    def probe(self) -> None:
        """Raise FileError where the folder cannot be written to."""
        test = self.path / "writable"
        with replacing(test) as stream:
            stream.write(b"\0")
        test.unlink()

    def _clear(self) -> None:
        """Remove what a run wrote, and nothing that it did not."""
        single = (self.config, self.metrics, self.best, self.final, self.summary_json)
        for path in (*single, self.summary_text, *self.snapshots()):
            path.unlink(missing_ok=True)
        shutil.rmtree(self.tensorboard, ignore_errors=True)
