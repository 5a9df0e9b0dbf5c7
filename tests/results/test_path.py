"""path.csv of a search: read back as it was written, and whatever else it holds is one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsenet.files import FileError
from sparsenet.results.rows import Point
from sparsenet.results.study import read_path
from sparsenet.studies.front import front_csv
from sparsenet.trials.trial import Trial
from tests.studies.test_front import CUT, DATA, DENSE, SIZES


def test_the_path_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "path.csv"
    path.write_text(front_csv("greedy", [DENSE, CUT]))
    key = Trial(DATA).key
    assert read_path(path) == [
        Point(0, 592, 2440, 0.75, None, key, SIZES),
        Point(1, 489, 2092, 0.74831, 0.5, key, {"ip1": 409, "ip": 80}),
    ]


GOOD = front_csv("greedy", [DENSE, CUT]).splitlines()
KEY = Trial(DATA).key


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (2, "greedy,1"),
        (3, GOOD[2] + ",5"),
        (3, GOOD[2].replace("409", "many")),
        (3, GOOD[2].replace("409", "-409")),
        (3, GOOD[2].replace("489", "")),
        (3, GOOD[2].replace("0.748310", "")),
        (3, GOOD[2].replace("0.748310", "nan")),
        (3, GOOD[2].replace("0.748310", "inf")),
        (3, GOOD[2].replace(KEY, "")),
        (3, GOOD[2].replace(KEY, "../../etc/passwd")),
    ],
)
def test_a_bad_line_is_named(line: int, text: str, tmp_path: Path) -> None:
    path = tmp_path / "path.csv"
    lines = [*GOOD[: line - 1], text, *GOOD[line:]]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(FileError) as raised:
        read_path(path)
    said = str(raised.value)
    assert said.startswith(f"{path}:{line}: ")
    assert len(said.splitlines()) == 1


PIECES = st.sampled_from([*GOOD[0].split(","), *GOOD[1].split(","), ",", "\n", '"', "\0", "٣", ""])


@settings(deadline=None)
@given(st.lists(PIECES, max_size=40).map(",".join))
def test_whatever_a_file_holds_is_points_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text("\n".join([GOOD[0], text]), encoding="utf-8")
    words = ""
    try:
        points = read_path(path)
    except FileError as error:
        words, points = str(error), []
    assert len(words.splitlines()) == (not points and words != "")
    assert all(0 <= point.val_accuracy <= 1 and len(point.key) == 16 for point in points)
