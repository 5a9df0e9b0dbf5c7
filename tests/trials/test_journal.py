"""trials.jsonl survives a kill, and says where it is damaged."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from sparsenet.files import FileError
from sparsenet.study_folder import StudyFolder
from sparsenet.trials.journal import Journal, read_results
from tests.trials.trials import result


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return StudyFolder(tmp_path)


def _fill(folder: StudyFolder, *keys: str) -> None:
    with closing(Journal(folder)) as journal:
        for key in keys:
            journal.add(result(key))


def test_what_was_added_is_there_again(folder: StudyFolder) -> None:
    _fill(folder, "a", "b")
    with closing(Journal(folder)) as journal:
        assert journal.results == {key: result(key) for key in ("a", "b")}
        journal.add(result("c", failed="diverged", missed=("sparse",)))
    assert read_results(folder)[2] == result("c", failed="diverged", missed=("sparse",))


def test_every_place_at_which_a_kill_may_cut_the_last_line(folder: StudyFolder) -> None:
    _fill(folder, "a", "b")
    whole = folder.trials.read_bytes()
    first = whole.index(b"\n") + 1
    for end in range(first, len(whole)):
        folder.trials.write_bytes(whole[:end])
        assert [one.key for one in read_results(folder)] == ["a"]
    _fill(folder, "c")  # after the line that was cut off
    assert [one.key for one in read_results(folder)] == ["a", "c"]


def test_of_two_lines_of_a_trial_the_last_counts(folder: StudyFolder) -> None:
    _fill(folder, "a", "b", "a")
    with closing(Journal(folder)) as journal:
        assert list(journal.results) == ["a", "b"]
        journal.add(result("d"))
    assert [one.key for one in read_results(folder)] == ["a", "b", "a", "d"]


def test_a_folder_without_trials_has_none(folder: StudyFolder) -> None:
    assert read_results(folder) == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("[1]", "2: Input should be"),
        ('{"seed": 1}', "2: key: "),
        ('{"key": "k", "seed": -1}', "2: seed: "),
        ('{"key": "k", "layers": {"ip": {"weights": 1}}}', r"2: layers\.ip\.nonzeros: "),
        ("{", "2: not JSON"),
    ],
)
def test_a_damaged_line_is_named(folder: StudyFolder, line: str, words: str) -> None:
    folder.trials.write_text(json.dumps({"key": "a"}) + f"\n{line}\n")
    with pytest.raises(FileError, match=rf"trials\.jsonl:{words}"):
        Journal(folder)


def test_keys_of_a_later_version_are_passed_over(folder: StudyFolder) -> None:
    folder.trials.write_text('{"key": "a", "brand_new": 1}\n')
    assert [one.key for one in read_results(folder)] == ["a"]


def test_what_a_result_counts() -> None:
    one = result("k")
    assert (one.weights, one.nonzeros, one.density) == (888, 720, 720 / 888)
    assert one.counts == {"ip1": 700, "ip2": 20}
    assert result("k", layers={}).density == 0
