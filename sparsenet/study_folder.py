"""Every file name of a study, the folder of many trials, and nothing else knows one."""

from __future__ import annotations

from pathlib import Path

from sparsenet.run_folder import RunFolder


class StudyFolder:
    """The folder a search, an ensemble or a sweep writes to, and its figures."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.study = path / "study.json"
        self.front = path / "front.csv"
        self.sweep = path / "sweep.csv"
        self.plots = path / "plots"

    def run(self, key: str) -> RunFolder:
        """The run folder of the trial with this key."""
        return RunFolder(self.path / "trials" / key)
