"""Numbers for a reader."""

from __future__ import annotations

import pytest

from sparsenet.results.words import counted, deviation, spread


def test_counts_have_their_noun() -> None:
    assert [counted(n, "filter") for n in (1, 2000)] == ["1 filter", "2,000 filters"]


def test_deviations_are_of_samples() -> None:
    assert deviation([1.0, 3.0]) == pytest.approx(2**0.5)
    assert deviation([4.0]) == 0
    assert spread([0.70, 0.72]) == "71.00 ± 1.41"
    assert spread([0.70]) == "70.00"
