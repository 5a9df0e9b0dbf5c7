"""front.csv by hand, read back, and as a stranger may have damaged it."""

from __future__ import annotations

import csv
import io

from sparsenet.studies.front import Candidate, front_csv, path_json, path_table
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
