"""trials.jsonl: the results of a study's finished trials, added to as each one ends."""

from __future__ import annotations

from dataclasses import asdict

from sparsenet.files import FileError
from sparsenet.metrics import MetricsLog, read_metrics
from sparsenet.study_folder import StudyFolder
from sparsenet.trials.result import Result, as_result


class Journal:
    """The results that a study has, by key; a line that a kill cut off was never written."""

    def __init__(self, folder: StudyFolder) -> None:
        """Read what there is. Raises FileError where the file cannot be read or is damaged."""
        lines = read_results(folder)
        self.results = {result.key: result for result in lines}
        self._log = MetricsLog(folder.trials, len(lines))

    def add(self, result: Result) -> None:
        """Add a trial's result, on the disk when this returns. Raises FileError."""
        self._log.append(asdict(result))
        self._log.sync()
        self.results[result.key] = result

    def close(self) -> None:
        """Close the file."""
        self._log.close()


def read_results(folder: StudyFolder) -> list[Result]:
    """The lines of a study's trials.jsonl, none where there is no such file. Raises FileError."""
    if not folder.trials.exists():
        return []
    results = []
    for number, line in enumerate(read_metrics(folder.trials), start=1):
        try:
            results.append(as_result(line))
        except ValueError as error:
            raise FileError(f"{folder.trials}:{number}: {error}") from None
    return results
