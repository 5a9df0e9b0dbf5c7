"""front.csv by hand, read back, and as a stranger may have damaged it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsenet.files import FileError
from sparsenet.studies.front import Candidate, Point, front_csv, path_json, path_table, read_path
from sparsenet.studies.strategies import Found
from sparsenet.trials.result import Result
from sparsenet.trials.trial import Trial
from tests.small import configured, inner_product, net_data
from tests.studies.fakes import result

SIZES = {"ip1": 512, "ip": 80}
DATA = configured(net_data(inner_product("ip", 10), split=100), max_iter=7).data


def candidate(
    round_: int, layer: str, counts: dict[str, int], accepted: bool = True, **keys: object
) -> Candidate:
    found = result({n: min(t, SIZES[n]) for n, t in counts.items()}, SIZES, 0.75, **keys)
    if keys.get("failed"):
        found = Result("0" * 16, failed="the loss is not finite")
    return Candidate(round_, accepted, 7 * round_, Found(Trial(DATA), counts, layer, found))


DENSE = candidate(0, "", {"ip1": 512, "ip": 80}, bytes=2440)
CUT = candidate(
    1,
    "ip1",
    {"ip1": 409, "ip": 80},
    bytes=2092,
    accuracy={"VAL": 0.74831, "TEST": 0.5},
    loss={"VAL": 1.25, "TEST": None},
)
DIVERGED = candidate(1, "ip", {"ip1": 512, "ip": 64}, accepted=False, failed="yes")


def written(*candidates: Candidate) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(front_csv("greedy", candidates))))


def test_the_columns_are_those_of_a_front() -> None:
    head = front_csv("greedy", [DENSE]).splitlines()[0]
    assert head == (
        "strategy,round,layer,accepted,nonzeros,density,bytes,val_accuracy,test_accuracy,"
        "val_loss,test_loss,iterations,spent,key,t.ip1,t.ip,nonzeros.ip1,nonzeros.ip"
    )


def test_a_row_says_all_of_a_candidate() -> None:
    dense, cut, diverged = written(DENSE, CUT, DIVERGED)
    key = Trial(DATA).key
    assert list(cut.values()) == [
        *("greedy", "1", "ip1", "1", "489", "0.826014", "2092", "0.748310", "0.500000"),
        *("1.250000", "", "7", "7", key, "409", "80", "409", "80"),
    ]
    assert (dense["round"], dense["layer"], dense["accepted"]) == ("0", "", "1")
    assert list(diverged.values()) == [
        *("greedy", "1", "ip", "0", "", "", "", "", "", "", "", "7", "7", key, "512", "64", "", "")
    ]


def test_the_path_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "path.csv"
    path.write_text(front_csv("greedy", [DENSE, CUT]))
    key = Trial(DATA).key
    assert read_path(path) == [
        Point(0, 592, 2440, 0.75, None, key, SIZES),
        Point(1, 489, 2092, 0.74831, 0.5, key, {"ip1": 409, "ip": 80}),
    ]


def test_the_table_is_of_the_networks_gone_on_from() -> None:
    lines = path_table("greedy", [DENSE, CUT], 1234).splitlines()
    assert lines[0].split() == ["round", "cut", *SIZES, "nonzeros", "dens%", "bytes", "VAL", "TEST"]
    assert lines[2].split() == ["0", "-", "512", "80", "592", "100.00", "2.4", "KiB", "75.00", "-"]
    assert lines[3].split()[1:6] == ["ip1", "409", "80", "489", "82.60"]
    assert lines[3].split()[-2:] == ["74.83", "50.00"]
    assert lines[-1] == "Strategy greedy: 1,234 updates in all."


def test_the_document_is_the_path_as_plain_data() -> None:
    first, second = path_json([DENSE, CUT])
    assert (first["layer"], second["layer"]) == (None, "ip1")
    assert second["t"] == second["nonzeros"] == {"ip1": 409, "ip": 80}
    assert second["accuracy"] == {"VAL": 0.74831, "TEST": 0.5}


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
        (3, GOOD[2].replace(KEY, f'"{KEY[:-1]}\n"')),
        (3, GOOD[2].replace(KEY, "../../etc/passwd")),
    ],
)
def test_a_bad_line_is_named(line: int, text: str, tmp_path: Path) -> None:
    path = tmp_path / "path.csv"
    lines = [*GOOD[: line - 1], text, *GOOD[line:]]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(FileError) as raised:
        read_path(path)
    last = line + text.count("\n")
    assert str(raised.value) == f"{path}:{last}: is not a line of a search's path"


@pytest.mark.parametrize("head", ["round,nonzeros", GOOD[0].replace("nonzeros.", "n."), "a"])
def test_another_table_is_not_a_path(head: str, tmp_path: Path) -> None:
    path = tmp_path / "path.csv"
    path.write_text("\n".join([head, *GOOD[1:]]))
    with pytest.raises(FileError, match=r"path.csv:2: is not a line of a search's path"):
        read_path(path)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "path.csv"
    with pytest.raises(FileError, match=r"path.csv: cannot be read: No such file"):
        read_path(path)
    path.write_bytes(b"round,\xff\n")
    with pytest.raises(FileError, match=r"path.csv: cannot be read: not a CSV file"):
        read_path(path)
    path.write_text(GOOD[0] + "\n" + "x" * 200_000)
    with pytest.raises(FileError, match=r"path.csv: cannot be read: not a CSV file"):
        read_path(path)


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
