"""The key of a trial: the same for the same result, another for another."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from sparsenet.files import FileError
from sparsenet.trials.trial import Trial
from sparsenet.workflows.pruning import Pruning
from tests.trials.trials import data, trial


def _with_data(**keys: object) -> Trial:
    changed = data()
    changed["net"]["layers"][0] |= keys
    return Trial(changed)


OTHERS = {
    "the seed": trial(2),
    "a key": Trial(data(base_lr=0.2)),
    "a key of the net": _with_data(batch_size=32),
    "a start": trial(1, start=trial(2)),
    "another start": trial(1, start=trial(3)),
    "members": trial(1, members=(trial(2), trial(3))),
    "members in another order": trial(1, members=(trial(3), trial(2))),
    "no training": trial(1, trains=False),
    "a threshold": trial(1, pruning=Pruning("p", delta=Decimal("0.1"))),
    "another threshold": trial(1, pruning=Pruning("p", delta=Decimal("0.2"))),
    "a threshold of one layer": trial(1, pruning=Pruning("p", Decimal("0.1"), layers=("ip1",))),
    "counts": trial(1, pruning=Pruning("p", counts={"ip1": 3})),
    "other counts": trial(1, pruning=Pruning("p", counts={"ip1": 4})),
    "what is measured": trial(1, measured=("TEST",)),
}


def test_all_that_the_result_follows_from_makes_another_trial() -> None:
    keys = [trial(1).key, *(other.key for other in OTHERS.values())]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    "same",
    [
        Trial(data(display=3, snapshot=2, snapshot_prefix="x")),
        _with_data(root="elsewhere"),
        Trial(dict(reversed(list(data().items())))),
        trial(1, pruning=None),
    ],
    ids=["how it is shown and kept", "where the data lie", "the order of keys", "the label"],
)
def test_what_changes_no_weight_makes_the_same_trial(same: Trial) -> None:
    assert same.key == trial(1).key


def test_a_threshold_is_a_number_not_a_text() -> None:
    one, other = (Pruning("p", delta=Decimal(text)) for text in ("0.1", "0.100"))
    assert trial(1, pruning=one).key == trial(1, pruning=other).key


def test_a_file_counts_by_its_content(tmp_path: Path) -> None:
    names = ("a.pt", "b.pt", "c.pt")
    for name, content in zip(names, (b"1", b"1", b"2"), strict=True):
        (tmp_path / name).write_bytes(content)
    a, b, c = (trial(1, start=tmp_path / name).key for name in names)
    assert a == b != c
    with pytest.raises(FileError, match=r"none\.pt: cannot be read: No such file"):
        _ = trial(1, start=tmp_path / "none.pt").key


def test_a_key_is_sixteen_hexadecimal_digits() -> None:
    assert len(trial(1).key) == 16
    assert int(trial(1).key, 16) >= 0


def test_updates_and_needs() -> None:
    start, member = trial(2), trial(3)
    assert trial(1).updates == 6
    assert trial(1, trains=False).updates == 0
    assert trial(1, start=start, members=(member,)).needs == (start, member)
    assert trial(1, start=Path("x.pt")).needs == ()
